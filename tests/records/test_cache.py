from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.core.cache import caches
from django.core.cache.backends.base import BaseCache

import resizer
from resizer import originals, store
from resizer.markup import picture
from resizer.records import cache
from tests.conftest import save

if TYPE_CHECKING:
    from django.test import Client
    from freezegun.api import FrozenDateTimeFactory
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


@pytest.fixture
def near(monkeypatch: pytest.MonkeyPatch) -> BaseCache:
    """The cache, as other processes change it. This process remembers what it has read."""
    monkeypatch.setattr(cache, "NEAR_SECONDS", 1)
    return caches["default"]


def test_process_remembers_an_entry_for_a_second(
    near: BaseCache, clock: FrozenDateTimeFactory
) -> None:
    cache.write_many({"a": 1, "b": 2}, 60)
    assert (cache.read("a"), cache.read_many(["a", "b"])) == (1, {"a": 1, "b": 2})
    near.set_many({"a": 3, "b": 4})
    assert (cache.read("a"), cache.read_many(["a", "b"])) == (1, {"a": 1, "b": 2})
    clock.tick(timedelta(seconds=1.1))
    assert (cache.read("a"), cache.read_many(["a", "b"])) == (3, {"a": 3, "b": 4})


def test_process_sees_its_own_changes_at_once(near: BaseCache) -> None:
    cache.write("a", 1, 60)
    assert cache.read("a") == 1
    cache.write("a", 2, 60)
    assert cache.read("a") == 2
    cache.drop("a")
    assert cache.read("a") is None
    # Nobody remembers a missing entry.
    near.set("a", 3)
    assert cache.read("a") == 3
    cache.drop_many(["a"])
    assert cache.read_many(["a"]) == {}


@pytest.mark.django_db
def test_hot_variant_needs_no_call_of_the_cache(
    near: BaseCache, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    save("a.jpg")
    url = picture.url("a.jpg", width=320)
    assert [client.get(url).status_code for _ in range(2)] == [200, 200]
    monkeypatch.setattr(type(near), "get_many", None)
    monkeypatch.setattr(type(near), "get", None)
    assert client.get(url)["Server-Timing"] == 'resizer;desc="hit"'
