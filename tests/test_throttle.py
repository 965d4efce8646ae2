from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.core.cache.backends.locmem import LocMemCache

from resizer.markup import picture
from resizer.records import cache
from resizer.throttle import Throttle
from tests.conftest import save

if TYPE_CHECKING:
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
