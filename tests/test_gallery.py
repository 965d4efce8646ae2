from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth import get_user_model
from django.core.files.base import ContentFile
from django.core.management import call_command
from django.urls import reverse

from config.gallery.management.commands.load_gallery import PHOTOGRAPHS, SAMPLES
from config.gallery.models import Photo
from tests.pictures import photograph

if TYPE_CHECKING:
    from django.test import Client
    from pytest_django import DjangoAssertNumQueries, Settings

pytestmark = pytest.mark.django_db


def load() -> str:
    output = io.StringIO()
    call_command("load_gallery", stdout=output)
    return output.getvalue()


def test_photographs_have_credits_and_a_size_for_the_repository() -> None:
    credits = (PHOTOGRAPHS / "CREDITS.md").read_text(encoding="utf-8")
    assert {sample.file for sample in SAMPLES} == {
        path.name for path in PHOTOGRAPHS.iterdir() if path.suffix in {".jpg", ".png"}
    }
    for sample in SAMPLES:
        assert f"`{sample.file}`" in credits
        assert (PHOTOGRAPHS / sample.file).stat().st_size <= 1_500_000


def test_loading_twice_changes_nothing(settings: Settings) -> None:
    settings.DEBUG = True
    assert "Loaded 10 photographs." in load()
    assert load() == ""
    assert Photo.objects.count() == len(SAMPLES)
    assert get_user_model().objects.get(username="admin").check_password("admin")


def test_known_password_exists_in_development_only() -> None:
    load()
    assert not get_user_model().objects.exists()


def test_gallery_shows_every_photograph(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    load()
    client.get("/")
    with django_assert_num_queries(1):
        html = client.get("/").content.decode()
    for sample in SAMPLES:
        assert sample.alt in html
    assert html.count("<picture>") == len(SAMPLES) + 5
    assert len(re.findall(r'fetchpriority="high"', html)) == 1


def test_empty_gallery_says_what_to_do(client: Client) -> None:
    assert "load_gallery" in client.get("/").content.decode()


def test_photograph_is_uploaded_in_the_admin(admin_client: Client) -> None:
    data = {
        "title": "New",
        "alt": "A new picture",
        "credit": "",
        "image": ContentFile(photograph(), name="new.jpg"),
    }
    response = admin_client.post(reverse("admin:gallery_photo_add"), data, follow=True)
    html = response.content.decode()
    # Nobody has requested a variant yet.
    assert "resizer-nothing" in html
    assert Photo.objects.get().title == "New"
