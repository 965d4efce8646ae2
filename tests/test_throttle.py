from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.core.cache.backends.locmem import LocMemCache
from django.db import OperationalError

from resizer.markup import picture
from resizer.records import cache, tables
from resizer.throttle import Throttle
from tests.conftest import save

if TYPE_CHECKING:
    from pathlib import Path

    from django.test import Client
    from freezegun.api import FrozenDateTimeFactory
    from pytest_django import Settings


class FailingCache(LocMemCache):
    def get(self, *_: Any, **__: Any) -> Any:
        raise ConnectionError("refused")


def test_each_key_passes_once_in_a_while(clock: FrozenDateTimeFactory) -> None:
    throttle = Throttle(60)
    assert [throttle.passes(key) for key in ("a", "a", "b")] == [True, False, True]
    clock.tick(59)
    assert not throttle.passes("a")
    clock.tick(1)
    assert throttle.passes("a")
    throttle.forget()
    assert throttle.passes("a")


def test_memory_is_bounded(clock: FrozenDateTimeFactory) -> None:
    throttle = Throttle(60, size=2)
    for key in ("a", "b", "c"):
        assert throttle.passes(key)
    # The two before are forgotten.
    assert [throttle.passes(key) for key in ("c", "a")] == [False, True]


@pytest.mark.django_db
def test_page_with_many_missing_originals_warns_once_a_minute(
    clock: FrozenDateTimeFactory, caplog: pytest.LogCaptureFixture, settings: Settings
) -> None:
    save("there.jpg")
    # Even if nothing is remembered.
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}

    def warnings() -> int:
        for number in range(3):
            picture.build(f"{number}.jpg", alt="")
        return sum(one.levelname == "WARNING" for one in caplog.records)

    assert [warnings(), warnings()] == [1, 1]
    clock.tick(60)
    assert warnings() == 2


@pytest.mark.django_db
def test_cache_that_is_down_warns_once_a_minute(
    clock: FrozenDateTimeFactory, caplog: pytest.LogCaptureFixture, settings: Settings
) -> None:
    settings.CACHES = {"default": {"BACKEND": "tests.test_throttle.FailingCache"}}
    save("a.jpg")

    def warnings() -> int:
        for _ in range(9):
            cache.read("a")
        return sum("The cache does not answer" in one for one in caplog.messages)

    assert [warnings(), warnings()] == [1, 1]
    clock.tick(60)
    assert warnings() == 2


def levels(caplog: pytest.LogCaptureFixture, text: str) -> list[str]:
    """The levels of the lines with a text, in the order of the log."""
    return [one.levelname for one in caplog.records if text in one.getMessage()]


@pytest.mark.django_db
def test_variants_that_cannot_be_kept_are_an_error_once_a_minute(
    client: Client,
    clock: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
    settings: Settings,
) -> None:
    settings.STORAGES = {
        **settings.STORAGES,
        "resizer": {
            "BACKEND": "tests.test_store.ReadOnlyStorage",
        },
    }
    caplog.set_level("INFO", logger="resizer")
    save("a.jpg")
    urls = [picture.url("a.jpg", width=width) for width in (320, 480, 640)]

    def ask() -> list[str]:
        assert {client.get(url).status_code for url in urls} == {200}
        return levels(caplog, "could not be kept")

    assert ask() == ["ERROR", "INFO", "INFO"]
    clock.tick(60)
    assert ask()[3:] == ["ERROR", "INFO", "INFO"]


@pytest.mark.django_db
def test_source_that_is_away_is_a_warning_once_a_minute(
    client: Client, clock: FrozenDateTimeFactory, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level("INFO", logger="resizer")
    names = ["a.jpg", "b.jpg", "c.jpg"]
    for name in names:
        save(name)
    urls = [picture.url(name, width=320) for name in names]
    (tmp_path / "originals").rename(tmp_path / "away")

    def ask() -> None:
        clock.tick(400)
        assert {client.get(url).status_code for url in urls} == {502}

    ask()
    assert levels(caplog, "502 for ") == ["WARNING", "INFO", "INFO"]
    assert levels(caplog, "counts as unchanged") == ["WARNING", "INFO", "INFO"]
    ask()
    assert levels(caplog, "502 for ")[3:] == ["WARNING", "INFO", "INFO"]


@pytest.mark.django_db
def test_failing_table_is_a_warning_once_a_minute(
    clock: FrozenDateTimeFactory, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="resizer")

    def fail() -> None:
        raise OperationalError("database is locked")

    def ask() -> list[str]:
        for name in ("a.jpg", "b.jpg"):
            tables.write("… is not recorded", fail, about=name)
        tables.write("Originals are not forgotten", fail)
        return levels(caplog, "database is locked")

    assert ask() == ["WARNING", "INFO", "WARNING"]
    clock.tick(60)
    assert ask()[3:] == ["WARNING", "INFO", "WARNING"]
