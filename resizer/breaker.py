"""The circuit breaker, for a cache, a database or a source without response.

Without it, each request could wait for seconds.
"""

from __future__ import annotations

import threading
import time


class CircuitBreaker:
    """A circuit breaker of this process. While open, it allows no call for a number of seconds, then one call.

    Close it after a call with a response, and open it after one without.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._open_until = 0.0
        #: Whether all calls are allowed. A caller can read it to spare two locks.
        self.is_closed = True

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
            self.is_closed = False

    def close(self) -> None:
        with self._lock:
            self._open_until = 0.0
            self.is_closed = True
