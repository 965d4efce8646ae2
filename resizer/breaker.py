"""What does not answer is left alone for a while: to try again for each request could take seconds of each."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from resizer.errors import Busy

if TYPE_CHECKING:
    from collections.abc import Iterator


class Slowness:
    """Lets everybody ask something that is quick, and few at a time while it is slow: others have a use for the threads."""

    def __init__(self, seconds: float, most: int) -> None:
        self._seconds = seconds
        self._most = most
        self._lock = threading.Lock()
        self._is_slow = False
        #: When those began that wait for it.
        self._begun: list[float] = []

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Raises Busy."""
        begun_at = time.monotonic()
        with self._lock:
            is_slow = self._is_slow or any(self._is_over(one) for one in self._begun)
            if is_slow and len(self._begun) >= self._most:
                raise Busy("it is slow, and others wait for it already")
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
    """A circuit breaker of this process: open, nothing is asked for so many seconds; then one caller tries.

    Open and half-open it says no to all others. An answer closes it.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._open_until = 0.0

    def allows_call(self) -> bool:
        """Whether to ask now. Half-open, it allows one call in so many seconds."""
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
