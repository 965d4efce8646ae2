"""Small variants that are requested several times a second come from memory, as long as nothing has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.test import Client

from resizer import store
from resizer.markup import picture
from resizer.memo import Memo
from resizer.models import Tally
from resizer.records import cache, tallies
from resizer.serving import hot
from resizer.signals import variant_served
from tests.conftest import save

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from pytest_django import Settings

pytestmark = pytest.mark.django_db


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> str:
    """A variant in memory. Seconds of this test are long."""
    monkeypatch.setattr(cache, "NEAR_SECONDS", 60)
    monkeypatch.setattr(hot, "_responses", hot._Responses())
    save("a.jpg")
    url = picture.url("a.jpg", width=320, format="jpeg")
    # Made, then read from the storage.
    for _ in range(2):
        assert Client().get(url).status_code == 200
    return url


def delete_file(variants: Path, url: str) -> None:
    (variants / url.removeprefix("/img/")).unlink()


def test_response_is_the_same_without_its_file(url: str, variants: Path) -> None:
    served = []

    def note(**told: Any) -> None:
        served.append((told["status"], told["is_hit"], told["bytes"]))

    variant_served.connect(note)
    try:
        first = Client().get(url)
        delete_file(variants, url)
        second = Client().get(url)
    finally:
        variant_served.disconnect(note)
    assert (second.status_code, second.content, second.headers) == (
        200,
        first.content,
        first.headers,
    )
    assert served == [(200, True, len(first.content))] * 2
    tallies.flush()
    assert Tally.objects.get(name=tallies.HIT).count == 3


def test_conditions_methods_and_spellings_count(url: str) -> None:
    first = Client().get(url)
    assert Client().get(url, headers={"If-None-Match": first["ETag"]}).status_code == 304
    since = {"If-Modified-Since": first["Last-Modified"]}
    assert Client().get(url, headers=since).status_code == 304
    assert Client().head(url).content == b""
    assert Client().get(url, RAW_URI=url.replace("/img/a", "/img/%61")).status_code == 302


def test_purge_shows_at_once_in_its_process(url: str, variants: Path) -> None:
    store.delete_files([url.removeprefix("/img/")])
    assert "miss" in Client().get(url)["Server-Timing"]


def test_memory_ends_with_that_of_the_cache(
    url: str, variants: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    delete_file(variants, url)
    monkeypatch.setattr(cache, "_near", Memo(1))
    assert "miss" in Client().get(url)["Server-Timing"]


@pytest.mark.parametrize(("given", "kept"), [(None, 0), (100, 0), (1_000_000, 2)])
def test_bytes_in_memory_are_limited(
    url: str, settings: Settings, given: int | None, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hot, "_responses", hot._Responses())
    settings.RESIZER = {"HOT_BYTES": given}
    for other in (url, url.replace("/320.", "/480.")):
        for _ in range(3):
            assert Client().get(other).status_code == 200
    assert len(hot._responses.by_path) == kept


def test_large_variants_are_not_kept(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hot, "MAX_BYTES", 10)
    monkeypatch.setattr(hot, "_responses", hot._Responses())
    assert Client().get(url).status_code == 200
    assert not hot._responses.by_path


def test_nothing_is_kept_without_a_memory_of_the_cache(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "NEAR_SECONDS", 0)
    monkeypatch.setattr(cache, "_near", Memo(1))
    monkeypatch.setattr(hot, "_responses", hot._Responses())
    assert Client().get(url).status_code == 200
    assert not hot._responses.by_path
