"""Leases: cache entries that lock keys against other hosts.

A thread renews all leases of its process. If the process or its host dies, they expire within seconds.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from contextlib import suppress

from django.core.cache import caches

from resizer.breaker import CircuitBreaker
from resizer.concurrency.waiting import release_connections
from resizer.conf import get_settings
from resizer.databases import lock_timeout_of_cache
from resizer.keys.digests import digest_of
from resizer.throttle import problems

logger = logging.getLogger(__name__)

#: A lease expires so long after it was acquired or renewed, seconds.
LEASE_SECONDS = 10
#: The pause between two renewals, seconds. A busy machine may be late with a few.
RENEW_SECONDS = 2.0
#: After a slow failure, no lease is asked for in this time, seconds. Each new variant would wait for the cache.
DOWN_SECONDS = 10
#: A failure is slow after this time, seconds.
SLOW_SECONDS = 0.1

_breaker = CircuitBreaker(DOWN_SECONDS)


class Lease:
    """A cache entry with the name of a key's holder."""

    def __init__(self, alias: str, key: str, machine: str | None) -> None:
        self._alias = alias
        self._name = f"resizer:lease:{digest_of(key)}"
        self._machine = machine
        self._token = f"{machine} {secrets.token_hex(8)}"
        self._is_ours = False
        self._ends_at = 0.0

    def acquire(self) -> bool:
        """Whether to go on: with the lease, or because the cache does not respond."""
        if not _breaker.allows_call():
            return True
        asked_at = time.monotonic()
        try:
            holder = self._acquire()
            if holder is None:
                # The entry may have expired between two calls.
                holder = self._acquire()
        except Exception as error:
            # Each cache library has its own error classes. Without the cache, hosts may do the same work twice.
            _tell("Hosts do not lock each other out", error)
            if time.monotonic() - asked_at >= SLOW_SECONDS:
                _breaker.open()
            return True
        _breaker.close()
        if holder is None:
            # For example, the table is locked. Django does not report it.
            level = problems.level("Hosts do not lock each other out")
            logger.log(level, "Hosts do not lock each other out: the cache keeps nothing.")
            return True
        if self._is_ours:
            self._ends_at = time.monotonic() + get_settings().LOCK_SECONDS
            _renewals.add(self)
        return self._is_ours

    def release(self) -> None:
        if not self._is_ours:
            return
        _renewals.discard(self)
        try:
            cache = caches[self._alias]
            with lock_timeout_of_cache(cache):
                # The lease may have expired, and belong to another host.
                if cache.get(self._name) == self._token:
                    cache.delete(self._name)
        except Exception as error:
            _tell("A lease is left to end by itself", error)

    @property
    def is_overdue(self) -> bool:
        """Whether its holder has had it for `LOCK_SECONDS`: it may hang, so others get their turn."""
        return time.monotonic() >= self._ends_at

    def renew(self) -> None:
        """Raises the errors of the cache."""
        cache = caches[self._alias]
        with lock_timeout_of_cache(cache):
            if cache.get(self._name) == self._token:
                cache.touch(self._name, LEASE_SECONDS)

    def _acquire(self) -> str | None:
        """The present holder. None if there is none, and we cannot get the lease either."""
        cache = caches[self._alias]
        with lock_timeout_of_cache(cache):
            self._is_ours = cache.add(self._name, self._token, LEASE_SECONDS)
            if self._is_ours:
                return self._token
            holder = cache.get(self._name)
            if self._is_left(holder):
                cache.set(self._name, self._token, LEASE_SECONDS)
                self._is_ours = True
            return None if holder is None else str(holder)

    def _is_left(self, holder: object) -> bool:
        """Whether the holder was a process of this machine. We hold the key on this machine now, so it has died."""
        return self._machine is not None and str(holder).startswith(f"{self._machine} ")


class _Renewals:
    """Renews leases, in a thread that ends when there are none."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._leases: set[Lease] = set()
        self._thread: threading.Thread | None = None

    def add(self, lease: Lease) -> None:
        with self._guard:
            self._leases.add(lease)
            # A forked process has the object of the thread, but not the thread.
            if self._thread is None or not self._thread.is_alive():
                # Starting one for each lease would cost more than most leases last.
                self._thread = threading.Thread(target=self._run, name="resizer-leases")
                self._thread.daemon = True
                # Without a thread, a lease ends after `LEASE_SECONDS`. The next one tries again to start it.
                with suppress(RuntimeError):
                    self._thread.start()

    def discard(self, lease: Lease) -> None:
        with self._guard:
            self._leases.discard(lease)

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            pause.wait(RENEW_SECONDS)
            with self._guard:
                self._leases = {one for one in self._leases if not one.is_overdue}
                leases = list(self._leases)
                if not leases:
                    self._thread = None
                    return
            _renew(leases)


def _tell(what: str, error: Exception) -> None:
    level = problems.level(what)
    logger.log(level, "%s: %s: %.500r", what, type(error).__name__, str(error))


def _renew(leases: list[Lease]) -> None:
    try:
        for lease in leases:
            lease.renew()
    except Exception as error:
        # A cache that fails for one lease would keep the others waiting. There is another renewal before they expire.
        _tell("Leases are not renewed", error)
    finally:
        # This thread has connections of its own.
        release_connections()


_renewals = _Renewals()
