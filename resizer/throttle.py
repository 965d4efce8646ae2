"""Say something at most once in a while, however often it happens."""

from __future__ import annotations

import logging
import math
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable


class Throttle:
    """Lets each key pass once in so many seconds, in this process."""

    def __init__(self, seconds: float, size: int = 1024) -> None:
        """Beyond `size` keys, all are forgotten."""
        self._seconds = seconds
        self._size = size
        self._lock = threading.Lock()
        self._passed_at: dict[Hashable, float] = {}

    def passes(self, key: Hashable) -> bool:
        now = time.monotonic()
        with self._lock:
            if now - self._passed_at.get(key, -math.inf) < self._seconds:
                return False
            if len(self._passed_at) >= self._size:
                self._passed_at.clear()
            self._passed_at[key] = now
            return True

    def level(self, key: Hashable, level: int = logging.WARNING) -> int:
        """The level of a line in the log: INFO if the last line with this key was in the same period."""
        return level if self.passes(key) else logging.INFO

    def forget(self) -> None:
        """Let every key pass again."""
        with self._lock:
            self._passed_at.clear()


#: Problems that last: while a disk is full or a server is away, every request meets them.
problems = Throttle(60)
