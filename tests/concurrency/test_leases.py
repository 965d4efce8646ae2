"""Leases are renewed while their process lives, and end soon after it."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from django.core.cache import caches
from django.db import connection

from resizer.concurrency import leases
from resizer.concurrency.leases import Lease
from resizer.concurrency.locks import lock_hosts
from resizer.concurrency.waiting import Deadline
from resizer.keys.digests import digest_of
from tests.concurrency.test_locks import (
    KEY,
    BrittleCache,
    cache,  # noqa: F401  # a fixture
    host,
    nothing,
    redis,  # noqa: F401  # a fixture
    use,
)
from tests.conftest import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.core.cache import BaseCache
    from freezegun.api import FrozenDateTimeFactory
    from pytest_django import Settings

NAME = f"resizer:lease:{digest_of(KEY)}"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Renewed at once; and no thread of it is left for another test."""
    monkeypatch.setattr(leases, "RENEW_SECONDS", 0.005)
    yield
    wait_until(is_over)


@pytest.fixture
def brittle(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> BaseCache:
    monkeypatch.setattr(
        "resizer.concurrency.locks.LOCKING", {"tests.concurrency.test_locks.BrittleCache"}
    )
    use(settings, "tests.concurrency.test_locks.BrittleCache", "leases")
    shared: BaseCache = caches["shared"]
    shared.clear()
    return shared


def is_over() -> bool:
    return not any(one.name == "resizer-leases" for one in threading.enumerate())


def seconds_left(shared: Any) -> float:
    """Until the lease expires."""
    if not hasattr(shared, "_table"):
        return float(shared._cache.get_client().ttl(shared.make_key(NAME)))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT expires FROM {shared._table}")
        (expires,) = cursor.fetchone()
    return float((expires.replace(tzinfo=UTC) - datetime.now(UTC)).total_seconds())


def test_held_lease_is_renewed(cache: BaseCache) -> None:  # noqa: F811
    with lock_hosts(nothing, Deadline(0), host("one")):
        cache.touch(NAME, 5)
        wait_until(lambda: seconds_left(cache) > 5)
        assert seconds_left(cache) <= leases.LEASE_SECONDS
    assert cache.get(NAME) is None


def test_lease_of_a_dead_host_ends_within_seconds(
    brittle: BaseCache, clock: FrozenDateTimeFactory
) -> None:
    brittle.add(NAME, "one 0123456789abcdef", leases.LEASE_SECONDS)
    clock.tick(timedelta(seconds=leases.LEASE_SECONDS + 1))
    with lock_hosts(nothing, Deadline(0), host("two")) as found:
        assert found is None


def test_lease_is_not_renewed_for_a_holder_that_hangs(
    brittle: BaseCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(leases, "time", SimpleNamespace(monotonic=lambda: now[0]))
    with lock_hosts(nothing, Deadline(0), host("one")):
        now[0] += 29
        brittle.touch(NAME, None)
        wait_until(lambda: brittle._expire_info[brittle.make_key(NAME)])  # type: ignore[attr-defined]
        now[0] += 2
        wait_until(is_over)


def test_renewals_go_on_after_a_failure_of_the_cache(
    brittle: BaseCache, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with lock_hosts(nothing, Deadline(0), host("one")):
        with monkeypatch.context() as patch:
            patch.setattr(BrittleCache, "is_broken", True)
            wait_until(lambda: "Leases are not renewed: RuntimeError" in caplog.text)
        renewed = threading.Event()
        monkeypatch.setattr(BrittleCache, "touch", lambda *_: renewed.set())
        assert renewed.wait(30)


def test_lease_that_is_anothers_by_now_is_not_renewed(
    brittle: BaseCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = threading.Event()
    touched = []
    monkeypatch.setattr(BrittleCache, "touch", lambda *_: touched.append(1))
    with lock_hosts(nothing, Deadline(0), host("one")):
        brittle.set(NAME, "two 0123456789abcdef", 60)
        del touched[:]
        monkeypatch.setattr(Lease, "is_overdue", property(lambda _: looked.is_set()))
        real = Lease.renew

        def renew(lease: Lease) -> None:
            real(lease)
            looked.set()

        monkeypatch.setattr(Lease, "renew", renew)
        wait_until(is_over)
    assert touched == []
    assert brittle.get(NAME) == "two 0123456789abcdef"


def test_cache_that_keeps_nothing_stops_nobody(
    brittle: BaseCache, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(BrittleCache, "add", lambda *_: False)
    with lock_hosts(nothing, Deadline(0), host("one")) as found:
        assert found is None
    assert "the cache keeps nothing" in caplog.text


def test_lease_is_held_without_a_thread_to_renew_it(
    brittle: BaseCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with lock_hosts(nothing, Deadline(0), host("one")):
            assert brittle.get(NAME)
    with lock_hosts(nothing, Deadline(0), host("one")):
        assert not is_over()


def test_leases_held_at_once_share_a_thread(brittle: BaseCache) -> None:
    with (
        lock_hosts(nothing, Deadline(0), host("one")),
        lock_hosts(nothing, Deadline(0), host("one", key="another")),
    ):
        assert [one.name for one in threading.enumerate()].count("resizer-leases") == 1
