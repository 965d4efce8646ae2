from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.core.cache.backends.base import BaseCache

import resizer
from resizer import originals, store
from resizer.markup import picture
from resizer.records import cache
from tests.conftest import save

if TYPE_CHECKING:
    from django.test import Client
    from pytest_django import Settings

    from config.gallery.models import Photo


class Down(BaseCache):
    """What Redis does when it cannot be reached."""

    def __init__(self, _location: str, params: dict[str, Any]) -> None:
        super().__init__(params)

    def get(self, *_: Any, **__: Any) -> Any:
        raise ConnectionError("no route to host")

    set = delete = get_many = set_many = get


@pytest.fixture
def down(settings: Settings) -> None:
    settings.CACHES = {**settings.CACHES, "down": {"BACKEND": "tests.records.test_cache.Down"}}
    settings.RESIZER = {"CACHE": "down", "SOURCES": {"default": {"OPEN": True}}}


@pytest.mark.usefixtures("down")
def test_cache_that_is_down_costs_time_only(client: Client, photo: Photo) -> None:
    resizer.prefetch([photo], "image")
    url = picture.url(photo.image, width=320)
    first = client.get(url)
    assert first.status_code == 200
    assert client.get(url).content == first.content
    assert client.get(f"/img/320/{photo.image.name}").status_code == 200
    assert client.get("/img/320/missing.jpg").status_code == 404
    store.forget(originals.locate(photo.image))
    photo.save()


def test_key_is_short_and_plain() -> None:
    key = cache.key_of("original", "a name " * 100 + "\udcff")
    assert len(key) < 100
    assert key.isprintable()
    assert " " not in key


@pytest.mark.django_db
def test_what_was_written_is_read_until_it_is_dropped() -> None:
    save("a.jpg")
    cache.write("one", 1, None)
    cache.write_many({"two": 2, "three": 3}, 60)
    assert cache.read_many(["one", "two", "four"]) == {"one": 1, "two": 2}
    cache.drop("one")
    assert cache.read("one") is None
