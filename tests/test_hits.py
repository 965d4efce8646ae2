"""What a hit costs, counted: files, calls of the cache, queries. And what a miss does not ask twice."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.core.cache import caches
from django.core.cache.backends.locmem import LocMemCache
from django.http import HttpResponse
from django.test import RequestFactory

import resizer
from resizer import originals
from resizer.concurrency import lockfiles
from resizer.links.mount import url_for
from resizer.markup import picture
from resizer.middleware import ResizerMiddleware
from resizer.models import Original
from resizer.originals import Freshness
from resizer.records import cache, descriptions
from resizer.records.descriptions import Reference
from resizer.signals import variant_served
from tests.calls import recorded
from tests.conftest import CountingEngine, save

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import CodeType

    from pytest_django import DjangoAssertNumQueries, Settings

pytestmark = pytest.mark.django_db

#: One of them counts the hit.
MOST_FILES = 9
PACKAGE = Path(resizer.__file__).parent


class RecordingCache(LocMemCache):
    """Django's own, telling which keys each call has asked for."""

    asked: list[list[str]] = []

    def get(self, key: str, *args: Any, **kwargs: Any) -> Any:
        self.asked.append([key])
        return super().get(key, *args, **kwargs)

    def get_many(self, keys: Iterable[str], version: int | None = None) -> dict[str, Any]:
        keys = list(keys)
        self.asked.append(keys)
        found = {key: super(RecordingCache, self).get(key) for key in keys}
        return {key: value for key, value in found.items() if value is not None}

    def set(self, key: str, *args: Any, **kwargs: Any) -> None:
        self.asked.append([key])
        super().set(key, *args, **kwargs)

    def add(self, key: str, *args: Any, **kwargs: Any) -> bool:
        self.asked.append([key])
        return super().add(key, *args, **kwargs)


@pytest.fixture
def asked(settings: Settings) -> list[list[str]]:
    """The keys of each call of the cache."""
    settings.CACHES = {"default": {"BACKEND": "tests.test_hits.RecordingCache", "LOCATION": "hits"}}
    caches["default"].clear()
    RecordingCache.asked = []
    return RecordingCache.asked


def answer(url: str, **headers: str) -> HttpResponse:
    """What the middleware answers; 599 where it leaves a request to others."""
    middleware = ResizerMiddleware(lambda _: HttpResponse(status=599))
    request = RequestFactory().get(url, headers=headers)
    response = middleware(request)
    assert isinstance(response, HttpResponse)
    return response


def files_of_ours(entered: list[CodeType]) -> set[str]:
    paths = (Path(code.co_filename) for code in entered)
    return {str(path.relative_to(PACKAGE)) for path in paths if path.is_relative_to(PACKAGE)}


def recall(reference: Reference) -> descriptions.State:
    """What the cache holds of an original."""
    return descriptions.decode(reference, caches["default"].get(descriptions.cache_key(reference)))


@pytest.fixture
def url() -> str:
    save("a.jpg")
    return picture.url("a.jpg", width=640, ratio="3/2")


def test_hit_enters_few_files(
    url: str, engine: type[CountingEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "NEAR_SECONDS", 60)
    # Tests of metrics leave a receiver in the process.
    monkeypatch.setattr(variant_served, "receivers", [])
    made = answer(url)
    answer(url)
    with recorded() as entered:
        response = answer(url)
    assert (response.status_code, response.content) == (200, made.content)
    assert response["Server-Timing"] == 'resizer;desc="hit"'
    files = files_of_ours(entered)
    assert "views.py" in files
    assert len(files) <= MOST_FILES, sorted(files)


def test_hit_asks_the_cache_once_and_makes_no_query(
    asked: list[list[str]], url: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    made = answer(url)
    del asked[:]
    with django_assert_num_queries(0):
        response = answer(url)
        assert (response.status_code, response.content) == (200, made.content)
        assert [len(keys) for keys in asked] == [2]
        assert answer(url, **{"If-None-Match": made["ETag"]}).status_code == 304
    assert [len(keys) for keys in asked] == [2, 2]


def test_hit_of_an_original_that_is_only_sighted_costs_the_same(
    asked: list[list[str]], url: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    made = answer(url)
    # Nothing but the variant is known: a request has its original looked at, and not opened.
    Original.objects.all().update(checked_at=None)
    caches["default"].delete(descriptions.cache_key(Reference("default", "a.jpg")))
    assert answer(url).status_code == 200
    del asked[:]
    with django_assert_num_queries(0):
        assert answer(url).content == made.content
    assert [len(keys) for keys in asked] == [2]


def test_miss_of_an_original_that_is_only_sighted_describes_it(
    asked: list[list[str]], url: str
) -> None:
    reference = Reference("default", "a.jpg")
    caches["default"].delete(descriptions.cache_key(reference))
    Original.objects.all().delete()
    sighted = originals.look_up(reference, Freshness.SIGHTED)
    assert recall(reference) == sighted
    assert answer(url).status_code == 200
    assert isinstance(recall(reference), descriptions.Description)


def test_miss_recalls_its_original_once(asked: list[list[str]], url: str) -> None:
    key = descriptions.cache_key(Reference("default", "a.jpg"))
    del asked[:]
    assert answer(url).status_code == 200
    # Read once, and written once it has a sketch.
    assert sum(key in keys for keys in asked) == 2


def test_miss_recalls_its_original_once_where_a_page_has_printed_it_long_ago(
    asked: list[list[str]], url: str
) -> None:
    key = descriptions.cache_key(Reference("default", "a.jpg"))
    caches["default"].delete(key)
    del asked[:]
    assert answer(url).status_code == 200
    # Read once, written as its row has it, and written once it has a sketch.
    assert sum(key in keys for keys in asked) == 3


def test_miss_opens_few_lock_files(url: str, settings: Settings) -> None:
    settings.RESIZER = {"MAX_RENDERS": 2}
    with recorded() as entered:
        assert answer(url).status_code == 200
    opened = [code for code in entered if code is lockfiles._open.__code__]
    # Of the key, of the memory of all renders, and of each render.
    assert len(opened) == 4


def test_key_is_verified_once(url: str) -> None:
    answer(url)
    with recorded() as entered:
        assert answer(url).status_code == 200
        assert answer(url).status_code == 200
    assert not {"parse_key", "verify", "resolve"} & {code.co_name for code in entered}


def test_verified_key_is_refused_once_nobody_signs_with_its_key(
    url: str, settings: Settings
) -> None:
    assert answer(url).status_code == 200
    settings.RESIZER = {**settings.RESIZER, "SIGNING_KEY": "a new key"}
    assert answer(url).status_code == 403
    settings.RESIZER = {
        **settings.RESIZER,
        "SIGNING_KEY_FALLBACKS": [settings.SECRET_KEY],
    }
    assert answer(url).status_code == 200


def test_request_for_others_is_left_to_them() -> None:
    assert answer("/" + url_for("x")[1:2]).status_code == 599
