"""A moment on the clock by which something is done, however slowly its parts drip in."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from resizer.errors import SourceTimedOut
from resizer.waiting import Deadline

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

#: What fetches of the request at hand have taken, seconds, by those that they may take; None outside of one.
_spent: ContextVar[dict[float, float] | None] = ContextVar("spent", default=None)


class FetchDeadline(Deadline):
    def __init__(self, seconds: float, *, spent: float = 0) -> None:
        super().__init__(seconds - spent)
        self._seconds = seconds

    def remaining(self) -> float:
        """Seconds, more than 0. Raises SourceTimedOut."""
        left = self.seconds_left
        if not left:
            raise self.missed()
        return left

    def missed(self) -> SourceTimedOut:
        return SourceTimedOut(f"not done within {self._seconds:g} s")

    @contextmanager
    def bounding(self, connection: socket.socket) -> Iterator[None]:
        """Let one call of a socket take what is left, and no more."""
        connection.settimeout(self.remaining())
        try:
            yield
        except TimeoutError as error:
            raise self.missed() from error


@contextmanager
def one_request() -> Iterator[None]:
    """In here, all fetches of a source together take no longer than one may; what is between them does not count."""
    token = _spent.set({})
    try:
        yield
    finally:
        _spent.reset(token)


@contextmanager
def one_fetch(seconds: float) -> Iterator[FetchDeadline]:
    spent = _spent.get()
    if spent is None:
        yield FetchDeadline(seconds)
        return
    deadline = FetchDeadline(seconds, spent=spent.get(seconds, 0))
    try:
        yield deadline
    finally:
        spent[seconds] = seconds - deadline.seconds_left
