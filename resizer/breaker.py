"""The circuit breaker, for a cache, a database or a source without response. And a limit for a slow storage.

Without them, each request could wait for seconds.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from resizer.errors import Busy

if TYPE_CHECKING:
    from collections.abc import Iterator


class Slowness:
    """Allows any number of calls at once while they are quick, and few while they are slow. Other requests need the threads."""

    def __init__(self, seconds: float, most: int) -> None:
        self._seconds = seconds
        self._most = most
        self._lock = threading.Lock()
        self._is_slow = False
        #: When each call in progress began.
        self._begun: list[float] = []

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Raises Busy."""
        begun_at = time.monotonic()
        with self._lock:
            is_slow = self._is_slow or any(self._is_over(one) for one in self._begun)
            if is_slow and len(self._begun) >= self._most:
                raise Busy("it is slow, and other threads wait for it already")
            self._begun.append(begun_at)
        try:
            yield
        finally:
            with self._lock:
                self._begun.remove(begun_at)
                self._is_slow = self._is_over(begun_at)

    def _is_over(self, begun_at: float) -> bool:
        return time.monotonic() - begun_at > self._seconds


class CircuitBreaker:
    """A circuit breaker of this process. While open, it allows no call for a number of seconds, then one call.

    Close it after a call with a response, and open it after one without.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._open_until = 0.0

    def allows_call(self) -> bool:
        """Whether to call now. After the first seconds, one call is allowed in each such period."""
        with self._lock:
            now = time.monotonic()
            if now < self._open_until:
                return False
            if self._open_until:
                self._open_until = now + self._seconds
            return True

    def open(self) -> None:
        with self._lock:
            self._open_until = time.monotonic() + self._seconds

    def close(self) -> None:
        with self._lock:
            self._open_until = 0.0
