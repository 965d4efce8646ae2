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


class Outage:
    """When this process may ask something again that was down."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._until = 0.0

    def may_try(self) -> bool:
        """Whether to ask it now. Tells one of those who ask after it, and only one, to try."""
        with self._lock:
            now = time.monotonic()
            if now < self._until:
                return False
            if self._until:
                self._until = now + self._seconds
            return True

    def begin(self) -> None:
        with self._lock:
            self._until = time.monotonic() + self._seconds

    def end(self) -> None:
        with self._lock:
            self._until = 0.0
