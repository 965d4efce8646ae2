"""Lock a key against the other processes of this machine, and against other hosts.

Locks save work. Without them, each variant is still whole, and there once.
"""

from __future__ import annotations

import contextlib
import logging
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from django.core.cache import caches

from resizer.concurrency import lockfiles
from resizer.concurrency.leases import Lease
from resizer.concurrency.waiting import Pauses
from resizer.conf import get_settings
from resizer.errors import BY_NAME, ResizerError
from resizer.keys.digests import digest_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.core.cache import BaseCache

    from resizer.concurrency.waiting import Deadline

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
Found = TypeVar("Found", covariant=True)

#: Cache classes, and parents of such classes, whose `add` succeeds for one caller only. Django's file cache lets
#: several callers in.
LOCKING = {
    "django.core.cache.backends.db.DatabaseCache",
    "django.core.cache.backends.memcached.BaseMemcachedCache",
    "django.core.cache.backends.redis.RedisCache",
    "django_redis.cache.RedisCache",
}
#: The longest pause between two tries, seconds: for a file of this machine, and for a cache and a storage.
MACHINE_PAUSE = 0.05
HOST_PAUSE = 0.4


class Look(Protocol[Found]):
    """Finds a result that another process or host has made. `has_waited` is true if it waited for one of them."""

    def __call__(self, *, has_waited: bool) -> Found | None: ...


def locking_cache() -> BaseCache | None:
    """The configured cache, if hosts can use it for locks."""
    cache: BaseCache = caches[get_settings().CACHE]
    names = {f"{one.__module__}.{one.__qualname__}" for one in type(cache).__mro__}
    return cache if names & LOCKING else None


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineLock:
    """A key locked on this machine."""

    key: str
    #: None if the processes share no directory.
    descriptor: int | None
    has_waited: bool = False

    @property
    def machine(self) -> str | None:
        """The name of this machine, the same for all its processes. None if they share no directory."""
        # On a full disk a new name cannot be written.
        with contextlib.suppress(OSError):
            return None if self.descriptor is None else lockfiles.identity()
        return None

    def raise_failure(self) -> None:
        """Raise the error of the last holder, if it would be the same now.

        A waiting process thus gets the error of the process it waited for, as a waiting thread does.
        """
        if self.descriptor is None:
            return
        # Another key may share the file, and another release may have written it.
        words = lockfiles.read(self.descriptor).split()
        if len(words) != 3 or words[0] != digest_of(self.key):
            return
        failure = BY_NAME.get(words[2])
        if failure is not None and time.time() - float(words[1]) < failure.failure_seconds:
            error = failure(f"{self.key!r} failed in another process a moment ago")
            error.is_remembered = True
            raise error

    def keep_failure(self, error: ResizerError) -> None:
        """Leave an error for the next holder."""
        if self.descriptor is None or not error.failure_seconds or error.is_remembered:
            return
        text = f"{digest_of(self.key)} {time.time():.3f} {type(error).__name__}"
        # On a full disk the next holder tries once more.
        with contextlib.suppress(OSError):
            lockfiles.write(self.descriptor, text)


@contextmanager
def lock_machine(key: str, deadline: Deadline) -> Iterator[MachineLock]:
    """Lock a key against all processes of this machine.

    Raises Busy at the deadline, and the error of the last holder if it would be the same now.
    """
    lock = _lock(key, deadline)
    try:
        lock.raise_failure()
        yield lock
    except ResizerError as error:
        lock.keep_failure(error)
        raise
    finally:
        if lock.descriptor is not None:
            lockfiles.unlock(lock.descriptor)


def _lock(key: str, deadline: Deadline) -> MachineLock:
    pauses = Pauses(f"{key!r}, which another process makes", deadline, longest=MACHINE_PAUSE)
    descriptor, has_waited = None, False
    try:
        while (descriptor := lockfiles.lock(f"key-{lockfiles.slot(key)}")) is None:
            pauses.pause()
            has_waited = True
    except OSError as error:
        logger.info("Processes do not lock each other out: %.500r", error)
    return MachineLock(key=key, descriptor=descriptor, has_waited=has_waited)


@contextmanager
def lock_hosts(
    look: Look[Result], deadline: Deadline, lock: MachineLock
) -> Iterator[Result | None]:
    """Lock a key against other hosts, if the cache can do that. Yields what `look` finds, else None.

    Raises Busy at the deadline, and the errors of `look`.
    """
    if locking_cache() is None:
        yield look(has_waited=lock.has_waited)
        return
    lease = Lease(get_settings().CACHE, lock.key, lock.machine)
    try:
        yield _wait(lease, look, deadline, lock)
    finally:
        lease.release()


def _wait(lease: Lease, look: Look[Result], deadline: Deadline, lock: MachineLock) -> Result | None:
    pauses = Pauses(f"{lock.key!r}, which a host makes", deadline, longest=HOST_PAUSE)
    has_waited = lock.has_waited
    while not lease.acquire():
        found = look(has_waited=True)
        if found is not None:
            return found
        pauses.pause()
        has_waited = True
    return look(has_waited=has_waited)
