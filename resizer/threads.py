"""The threads of this process that make pictures, or wait for them. The other threads stay free for what is there."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from resizer import places
from resizer.conf import get_settings
from resizer.errors import Busy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resizer.places import Leave


class _Thread(threading.local):
    is_taken = False


_this = _Thread()


def take() -> Leave | None:
    """Count this thread, once however often it is taken; None where no more may be."""
    if _this.is_taken:
        return _nothing
    leave = places.enter_process("thread", get_settings().MAX_WAITING_PER_PROCESS)
    if leave is None:
        return None
    _this.is_taken = True

    def end() -> None:
        _this.is_taken = False
        leave()

    return end


@contextmanager
def one_thread() -> Iterator[None]:
    """Count this thread in here. Raises Busy."""
    leave = take()
    if leave is None:
        raise Busy("too many threads of this process make pictures, or wait for them")
    try:
        yield
    finally:
        leave()


def _nothing() -> None:
    pass
