"""What does not answer is left alone for a while: to try again for each request could take seconds of each."""

from __future__ import annotations

import threading
import time


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
