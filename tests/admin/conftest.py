from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from resizer.markup import picture
from resizer.models import CachedVariant, Original
from tests.conftest import save

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def keys(admin_client: Client) -> list[str]:
    """Three cached variants of two originals."""
    for name in ("cat.jpg", "dog.jpg"):
        save(name)
    urls = [
        picture.url("cat.jpg", width=320),
        picture.url("cat.jpg", width=640, format="avif", ratio="1/1", focal="85,75"),
        picture.url("dog.jpg", width=320),
    ]
    for url in urls:
        assert admin_client.get(url).status_code == 200
    return [url.removeprefix("/img/") for url in urls]


@pytest.fixture
def cat(keys: list[str]) -> Original:
    return Original.objects.get(name="cat.jpg")


@pytest.fixture
def cached(keys: list[str]) -> list[CachedVariant]:
    return [CachedVariant.objects.get(key=key) for key in keys]


@pytest.fixture
def client_with(db: None) -> Callable[..., Client]:
    """A client of a staff user with some permissions of the app."""

    def make(*codenames: str) -> Client:
        user = User.objects.create_user("-".join(["staff", *codenames])[:150], is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        client = Client()
        client.force_login(user)
        return client

    return make
