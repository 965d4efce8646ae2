"""Wait in growing pauses until a deadline, without a connection to the database."""

from __future__ import annotations

import random
import time
from contextlib import suppress

from django.core.exceptions import SynchronousOnlyOperation
from django.db import connections

from resizer.errors import Busy


class Deadline:
    """The end of all waits of a request together."""

    def __init__(self, seconds: float) -> None:
        self._ends_at = time.monotonic() + seconds

    @property
    def seconds_left(self) -> float:
        return max(0.0, self._ends_at - time.monotonic())


class Pauses:
    """Pauses from 10 ms up to `longest` seconds. Each is shortened at random, so that threads do not wake together."""

    def __init__(self, what: str, deadline: Deadline, *, longest: float) -> None:
        self._what = what
        self._deadline = deadline
        self._longest = longest
        self._seconds = 0.01

    def pause(self) -> None:
        """Raises Busy when the deadline is over."""
        left = self._deadline.seconds_left
        if not left:
            raise Busy(f"waited too long for {self._what}")
        release_connections()
        time.sleep(min(left, self._seconds * random.uniform(0.5, 1)))
        self._seconds = min(self._longest, self._seconds * 1.5)


def release_connections() -> None:
    """Close this thread's database connections, unless a transaction needs them. Connections are few."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            # An async view has no connections of its own.
            with suppress(SynchronousOnlyOperation):
                connection.close()
