"""The deadline of a fetch. It also ends a body that arrives byte by byte."""

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
    #: Time of all its fetches until now.
    seconds = 0.0


#: The current request.
_request: ContextVar[_Request | None] = ContextVar("request", default=None)


class FetchDeadline(Deadline):
    """The deadline of one fetch: `seconds` from now, less `spent`."""

    def __init__(self, seconds: float, *, spent: float = 0) -> None:
        super().__init__(seconds - spent)
        self._seconds = seconds

    def remaining(self) -> float:
        """The seconds left, more than 0. Raises SourceTimedOut after the deadline."""
        left = self.seconds_left
        if not left:
            raise self.missed()
        return left

    def missed(self) -> SourceTimedOut:
        """The error to raise after the deadline."""
        return SourceTimedOut(f"not done within {self._seconds:g} s")

    @contextmanager
    def bounding(self, connection: socket.socket) -> Iterator[None]:
        """Limit one call of a socket to the seconds left. Raises SourceTimedOut."""
        connection.settimeout(self.remaining())
        try:
            yield
        except TimeoutError as error:
            raise self.missed() from error


@contextmanager
def one_request() -> Iterator[None]:
    """Inside this block, all fetches together may take as long as one. The time between fetches does not count."""
    token = _request.set(_Request())
    try:
        yield
    finally:
        _request.reset(token)


def is_in_request() -> bool:
    """Whether this code runs inside `one_request`."""
    return _request.get() is not None


@contextmanager
def one_fetch(seconds: float) -> Iterator[FetchDeadline]:
    """Yield the deadline of a fetch: `seconds`, less the time of earlier fetches in this request."""
    request = _request.get() or _Request()
    deadline = FetchDeadline(seconds, spent=request.seconds)
    try:
        yield deadline
    finally:
        request.seconds = seconds - deadline.seconds_left
