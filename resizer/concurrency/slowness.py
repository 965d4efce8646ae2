"""Let a disk or storage that has become slow take few threads of a process. Other requests need them."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from resizer.concurrency import threads
from resizer.errors import Busy

if TYPE_CHECKING:
    from collections.abc import Iterator


class Slowness:
    """Leaves some threads free while calls are quick, and most of them while calls are slow."""

    def __init__(self, what: str, seconds: float, most: int, error: type[Busy] = Busy) -> None:
        self._what = what
        #: A call is slow after this time, and waits this long for its turn.
        self._seconds = seconds
        self._most = most
        self._error = error
        self._changed = threading.Condition()
        self._was_slow = False
        #: When each call in progress began.
        self._begun: list[float] = []

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Count as a call inside the block. Raises `error`."""
        with self._changed:
            # All may begin in the same moment, before it is known that they are slow.
            most = threads.most_reading()
            self._changed.wait_for(
                lambda: len(self._begun) < most or self._is_slow(), self._seconds
            )
            if len(self._begun) >= (min(self._most, most) if self._is_slow() else most):
                raise self._error(f"{self._what} is slow, and other threads wait for it already")
            begun_at = time.monotonic()
            self._begun.append(begun_at)
        try:
            yield
        finally:
            with self._changed:
                self._begun.remove(begun_at)
                self._was_slow = self._is_over(begun_at)
                self._changed.notify()

    def _is_slow(self) -> bool:
        return self._was_slow or any(self._is_over(one) for one in self._begun)

    def _is_over(self, begun_at: float) -> bool:
        return time.monotonic() - begun_at > self._seconds
