"""The threads of this process that make pictures, or wait for them. The other threads stay free for what is there."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from resizer.concurrency import semaphores
from resizer.conf import get_settings
from resizer.errors import Busy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resizer.concurrency.semaphores import Leave


class _Taken:
    is_over = False


class _Thread(threading.local):
    taken: _Taken | None = None


_this = _Thread()


def take() -> Leave | None:
    """Count this thread, once however often it is taken; None where no more may be."""
    if _this.taken is not None and not _this.taken.is_over:
        return _nothing
    leave = semaphores.enter_process("thread", get_settings().MAX_WAITING_PER_PROCESS)
    if leave is None:
        return None
    taken = _this.taken = _Taken()

    def end() -> None:
        # Perhaps in another thread: a file may be closed in any.
        taken.is_over = True
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
