"""Hold a key against others: against the processes of this machine, and against other hosts.

Locks save work. That a variant is whole, and there once, does not depend on them.
"""

from __future__ import annotations

import logging
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from django.core.cache import caches

from resizer.concurrency import lockfiles
from resizer.concurrency.waiting import Pauses
from resizer.conf import get_settings
from resizer.databases import lock_timeout_of_cache
from resizer.keys.digests import digest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.core.cache import BaseCache

    from resizer.concurrency.waiting import Deadline

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

#: Classes of caches, and parents of such, whose `add` succeeds for one of many. That of files lets several in.
LOCKING = {
    "django.core.cache.backends.db.DatabaseCache",
    "django.core.cache.backends.memcached.BaseMemcachedCache",
    "django.core.cache.backends.redis.RedisCache",
    "django_redis.cache.RedisCache",
}
#: The longest pause before another look, seconds: at a file of this machine, and at a cache and a storage.
MACHINE_PAUSE = 0.05
HOST_PAUSE = 0.4


def locking_cache() -> BaseCache | None:
    """The configured cache if hosts can lock by it."""
    cache: BaseCache = caches[get_settings().CACHE]
    names = {f"{one.__module__}.{one.__qualname__}" for one in type(cache).__mro__}
    return cache if names & LOCKING else None


@contextmanager
def lock_machine(key: str, deadline: Deadline) -> Iterator[str | None]:
    """Hold a key against all processes of this machine, and tell its name; None where they share no directory.

    Raises Busy at the deadline.
    """
    pauses = Pauses(f"{key!r}, which another process makes", deadline, longest=MACHINE_PAUSE)
    machine = descriptor = None
    try:
        while (descriptor := lockfiles.lock(f"key-{lockfiles.slot(key)}")) is None:
            pauses.pause()
        machine = lockfiles.identity()
    except OSError as error:
        logger.info("Processes do not lock each other out: %.500r", error)
    try:
        yield machine
    finally:
        if descriptor is not None:
            lockfiles.unlock(descriptor)


@contextmanager
def lock_hosts(
    key: str, look: Callable[[], Result | None], deadline: Deadline, machine: str | None
) -> Iterator[Result | None]:
    """Hold a key against other hosts if the cache can do that. Give the result of a host that was faster.

    `machine` is what `lock_machine` gave. Raises Busy at the deadline, and what `look` raises.
    """
    cache = locking_cache()
    if cache is None:
        yield None
        return
    lease = _Lease(cache, key, machine)
    try:
        yield _wait(
            lease, look, Pauses(f"{key!r}, which a host makes", deadline, longest=HOST_PAUSE)
        )
    finally:
        lease.release()


def _wait(lease: _Lease, look: Callable[[], Result | None], pauses: Pauses) -> Result | None:
    has_waited = False
    while not lease.acquire():
        found = look()
        if found is not None:
            return found
        pauses.pause()
        has_waited = True
    return look() if has_waited else None


class _Lease:
    """An entry of the cache that names the holder of a key. It expires by itself, in case its holder dies."""

    def __init__(self, cache: BaseCache, key: str, machine: str | None) -> None:
        self._cache = cache
        self._name = f"resizer:lease:{digest_of(key)}"
        self._machine = machine
        self._token = f"{machine} {secrets.token_hex(8)}"
        self._is_ours = False

    def acquire(self) -> bool:
        """Whether to go on: as its holder, or because the cache does not answer."""
        try:
            holder = self._acquire()
            if holder is None:
                # It may have ended between two questions.
                holder = self._acquire()
        except Exception as error:
            # A cache's library raises classes of its own, of which we know nothing. Without it work may be done twice.
            logger.warning(
                "Hosts do not lock each other out: %s: %.500r", type(error).__name__, str(error)
            )
            return True
        if holder is None:
            # As from a table that somebody has locked: Django does not tell.
            logger.warning("Hosts do not lock each other out: the cache keeps nothing.")
            return True
        return self._is_ours

    def _acquire(self) -> str | None:
        """Who holds it now; None if nobody does, though we cannot have it."""
        seconds = get_settings().LOCK_SECONDS
        with lock_timeout_of_cache(self._cache):
            self._is_ours = self._cache.add(self._name, self._token, seconds)
            if self._is_ours:
                return self._token
            holder = self._cache.get(self._name)
            if self._is_left(holder):
                self._cache.set(self._name, self._token, seconds)
                self._is_ours = True
            return None if holder is None else str(holder)

    def _is_left(self, holder: object) -> bool:
        """Its holder was a process of this machine, where the key is ours now: that process has died."""
        return self._machine is not None and str(holder).startswith(f"{self._machine} ")

    def release(self) -> None:
        if not self._is_ours:
            return
        try:
            with lock_timeout_of_cache(self._cache):
                # It may have ended meanwhile, and be another's.
                if self._cache.get(self._name) == self._token:
                    self._cache.delete(self._name)
        except Exception as error:
            logger.warning(
                "A lease is left to end by itself: %s: %.500r", type(error).__name__, str(error)
            )
