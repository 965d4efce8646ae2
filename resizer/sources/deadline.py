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

#: The deadlines of the request at hand, by their seconds; None outside of one.
_of_request: ContextVar[dict[float, FetchDeadline] | None] = ContextVar("deadlines", default=None)


class FetchDeadline(Deadline):
    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
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
def sharing_deadline() -> Iterator[None]:
    """In here, all fetches of a source end by the deadline of the first."""
    token = _of_request.set({})
    try:
        yield
    finally:
        _of_request.reset(token)


def begin_fetch(seconds: float) -> FetchDeadline:
    shared = _of_request.get()
    deadline = FetchDeadline(seconds)
    return deadline if shared is None else shared.setdefault(seconds, deadline)
