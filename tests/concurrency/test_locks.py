from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.core.cache import caches
from django.core.cache.backends.locmem import LocMemCache
from django.core.management import call_command

from resizer.concurrency import lockfiles
from resizer.concurrency.locks import MachineLock, lock_hosts, lock_machine, locking_cache
from resizer.concurrency.waiting import Deadline
from resizer.errors import Busy, SourceFailed, StoreFailed, UndecodableOriginal
from resizer.keys.digests import digest_of
from tests.servers import free_port, redis_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    from django.core.cache import BaseCache
    from freezegun.api import FrozenDateTimeFactory
    from pytest_django import Settings

KEY = "a.jpg/5d41402a-nFGBozSE6GBqnk/640.avif"
BACKENDS = "django.core.cache.backends"


class BrittleCache(LocMemCache):
    """As good as a lock in one process; may break while somebody holds it."""

    is_broken = False

    def get(self, *args: Any, **kwargs: Any) -> Any:
        if self.is_broken:
            raise RuntimeError("gone for lunch")
        return super().get(*args, **kwargs)


@dataclass(frozen=True, kw_only=True)
class Host(MachineLock):
    """A key locked on a machine of this name."""

    name: str | None

    @property
    def machine(self) -> str | None:
        return self.name


def host(name: str | None, key: str = KEY) -> MachineLock:
    return Host(key=key, descriptor=None, name=name)


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("redis")) as redis:
        yield redis


@pytest.fixture(
    params=[
        pytest.param("redis", marks=pytest.mark.service("redis")),
        pytest.param("database", marks=pytest.mark.django_db(transaction=True)),
    ]
)
def cache(request: pytest.FixtureRequest, settings: Settings) -> BaseCache:
    if request.param == "redis":
        location = request.getfixturevalue("redis")
        use(settings, f"{BACKENDS}.redis.RedisCache", location)
    else:
        use(settings, f"{BACKENDS}.db.DatabaseCache", "locks")
        call_command("createcachetable")
    cache: BaseCache = caches["shared"]
    cache.clear()
    return cache


def use(settings: Settings, backend: str, location: str = "") -> None:
    settings.CACHES = {**settings.CACHES, "shared": {"BACKEND": backend, "LOCATION": location}}
    settings.RESIZER = {"CACHE": "shared"}


def nothing(*, has_waited: bool) -> None:
    return None


@pytest.mark.parametrize(
    ("backend", "locks"),
    [
        (f"{BACKENDS}.locmem.LocMemCache", False),
        (f"{BACKENDS}.dummy.DummyCache", False),
        (f"{BACKENDS}.filebased.FileBasedCache", False),
        (f"{BACKENDS}.db.DatabaseCache", True),
        (f"{BACKENDS}.redis.RedisCache", True),
    ],
)
def test_caches_that_lock_are_known_by_their_class(
    settings: Settings, tmp_path: Path, backend: str, locks: bool
) -> None:
    use(settings, backend, str(tmp_path / "cache"))
    assert (locking_cache() is not None) is locks


def test_processes_lock_each_other_out() -> None:
    with lock_machine(KEY, Deadline(0)) as lock:
        assert (lock.machine, lock.has_waited) == (lockfiles.identity(), False)
        with (
            pytest.raises(Busy, match="which another process makes"),
            lock_machine(KEY, Deadline(0)),
        ):
            pass
        with lock_machine("another", Deadline(0)):
            pass
    with lock_machine(KEY, Deadline(0)):
        pass


def test_who_waits_for_another_process_goes_on_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    waits = threading.Event()
    monkeypatch.setattr("resizer.concurrency.waiting.release_connections", waits.set)

    def work() -> str:
        with lock_machine(KEY, Deadline(10)) as lock:
            assert lock.has_waited
            return "done"

    with ThreadPoolExecutor(1) as pool:
        with lock_machine(KEY, Deadline(0)):
            waiter = pool.submit(work)
            assert waits.wait(10)
            assert not waiter.done()
        assert waiter.result(10) == "done"


def test_processes_without_a_directory_go_on_without_a_lock(
    settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    settings.RESIZER = {"LOCK_DIRECTORY": str(tmp_path / "file")}
    with lock_machine(KEY, Deadline(0)) as lock:
        assert lock.machine is None
        with lock_machine(KEY, Deadline(0)):
            pass


def test_machine_whose_name_cannot_be_written_has_none() -> None:
    with lock_machine(KEY, Deadline(0)) as lock:
        (lockfiles.directory() / "identity").mkdir()
        assert lock.machine is None


def end_in(error: Exception, key: str = KEY) -> None:
    """As a process whose render fails."""
    with pytest.raises(type(error)), lock_machine(key, Deadline(0)):
        raise error


def test_next_process_gets_the_failure_of_the_former_for_a_minute(
    clock: FrozenDateTimeFactory,
) -> None:
    end_in(UndecodableOriginal("broken"))
    clock.tick(timedelta(seconds=59))
    for _ in range(2):
        with pytest.raises(UndecodableOriginal, match="in another process a moment ago") as caught:
            end_in(RuntimeError("never reached"))
        assert caught.value.is_remembered
    # A repeated failure does not begin another minute.
    clock.tick(timedelta(seconds=1))
    with lock_machine(KEY, Deadline(0)):
        pass


def test_failure_that_may_be_over_is_not_left_to_the_next_process() -> None:
    end_in(SourceFailed("no route to host"))
    remembered = UndecodableOriginal("broken")
    remembered.is_remembered = True
    end_in(remembered)
    with lock_machine(KEY, Deadline(0)):
        pass


def test_failure_is_of_its_key_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lockfiles, "SLOTS", 1)
    end_in(UndecodableOriginal("broken"))
    with lock_machine("another", Deadline(0)):
        pass
    end_in(UndecodableOriginal("broken"), "another")
    with lock_machine(KEY, Deadline(0)):
        pass


def test_failure_of_another_release_is_no_failure() -> None:
    descriptor = lockfiles.lock(f"key-{lockfiles.slot(KEY)}")
    assert descriptor is not None
    lockfiles.write(descriptor, f"{digest_of(KEY)} 1.0 UnheardOf")
    lockfiles.unlock(descriptor)
    with lock_machine(KEY, Deadline(0)):
        pass


def test_processes_without_a_directory_leave_no_failure(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings.RESIZER = {"LOCK_DIRECTORY": str(tmp_path / "file")}
    end_in(UndecodableOriginal("broken"))
    with lock_machine(KEY, Deadline(0)):
        pass


def test_hosts_lock_each_other_out(cache: BaseCache) -> None:
    with lock_hosts(nothing, Deadline(0), host("one")):
        with (
            pytest.raises(Busy, match="which a host makes"),
            lock_hosts(nothing, Deadline(0), host("two")),
        ):
            pass
        with lock_hosts(nothing, Deadline(0), host("two", key="another")):
            pass
    with lock_hosts(nothing, Deadline(0), host("two")) as found:
        assert found is None


def test_who_waits_finds_what_another_host_has_made(cache: BaseCache) -> None:
    with (
        lock_hosts(nothing, Deadline(0), host("one")),
        lock_hosts(lambda **_: "made", Deadline(0), host("two")) as found,
    ):
        assert found == "made"


def test_what_was_made_just_before_the_lease_ended_is_found(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "resizer.concurrency.locks.LOCKING", {"tests.concurrency.test_locks.BrittleCache"}
    )
    use(settings, "tests.concurrency.test_locks.BrittleCache", "just before")
    looks: list[str | None] = [None, "made"]
    cache = locking_cache()
    assert cache is not None
    monkeypatch.setattr("resizer.concurrency.waiting.release_connections", cache.clear)
    cache.add(f"resizer:lease:{digest_of(KEY)}", "one ")
    with lock_hosts(lambda **_: looks.pop(0), Deadline(10), host("two")) as found:
        assert found == "made"


def test_lease_of_a_process_of_this_machine_that_has_died_is_taken_over(cache: BaseCache) -> None:
    name = f"resizer:lease:{digest_of(KEY)}"
    cache.set(name, "one 0123456789abcdef", 60)
    with lock_hosts(nothing, Deadline(0), host("one")) as found:
        assert found is None
        with pytest.raises(Busy), lock_hosts(nothing, Deadline(0), host("two")):
            pass
    assert cache.get(name) is None


def test_lease_ends_by_itself(cache: BaseCache) -> None:
    cache.set(f"resizer:lease:{digest_of(KEY)}", "one 0123456789abcdef", 1)
    with lock_hosts(nothing, Deadline(10), host("two")) as found:
        assert found is None


def test_lease_that_is_anothers_by_now_stays(cache: BaseCache) -> None:
    name = f"resizer:lease:{digest_of(KEY)}"
    with lock_hosts(nothing, Deadline(0), host("one")):
        cache.set(name, "two 0123456789abcdef", 60)
    assert cache.get(name) == "two 0123456789abcdef"


def test_failing_look_ends_the_wait(cache: BaseCache) -> None:
    def fail(*, has_waited: bool) -> None:
        raise StoreFailed("gone for lunch")

    with (
        lock_hosts(nothing, Deadline(0), host("one")),
        pytest.raises(StoreFailed),
        lock_hosts(fail, Deadline(10), host("two")),
    ):
        pass


def test_cache_that_does_not_answer_stops_nobody(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    use(settings, f"{BACKENDS}.redis.RedisCache", f"redis://127.0.0.1:{free_port()}")
    with lock_hosts(nothing, Deadline(0), host(None)) as found:
        assert found is None
    assert "Hosts do not lock each other out" in caplog.text


def test_cache_that_breaks_meanwhile_stops_nobody(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(
        "resizer.concurrency.locks.LOCKING", {"tests.concurrency.test_locks.BrittleCache"}
    )
    use(settings, "tests.concurrency.test_locks.BrittleCache", "meanwhile")
    with lock_hosts(nothing, Deadline(0), host(None)):
        monkeypatch.setattr(BrittleCache, "is_broken", True)
    assert "A lease is left to end by itself" in caplog.text


def test_hosts_that_share_nothing_go_on() -> None:
    with (
        lock_hosts(nothing, Deadline(0), host("one")) as first,
        lock_hosts(nothing, Deadline(0), host("two")) as second,
    ):
        assert first is second is None
