"""A moment on the clock by which something is done, however slowly its parts drip in."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from resizer.concurrency.waiting import Deadline
from resizer.errors import SourceTimedOut

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator


class _Request:
    #: What its fetches have taken until now.
    seconds = 0.0


#: The one at hand.
_request: ContextVar[_Request | None] = ContextVar("request", default=None)


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
    """In here, all fetches together take no longer than one may; what is between them does not count."""
    token = _request.set(_Request())
    try:
        yield
    finally:
        _request.reset(token)


def is_in_request() -> bool:
    return _request.get() is not None


@contextmanager
def one_fetch(seconds: float) -> Iterator[FetchDeadline]:
    """By when a fetch has to be done, which may take so long, less what those before it in this request took."""
    request = _request.get() or _Request()
    deadline = FetchDeadline(seconds, spent=request.seconds)
    try:
        yield deadline
    finally:
        request.seconds = seconds - deadline.seconds_left
