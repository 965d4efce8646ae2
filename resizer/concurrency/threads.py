"""The threads of this process that make variants, or wait for them. The other threads stay free for stored variants."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from resizer.concurrency import semaphores
from resizer.conf import get_settings
from resizer.errors import Busy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resizer.concurrency.semaphores import Release


class _Permit:
    is_over = False


class _Thread(threading.local):
    permit: _Permit | None = None


_this = _Thread()


def acquire() -> Release | None:
    """Count this thread, once however often it is acquired; None where no more may be."""
    if _this.permit is not None and not _this.permit.is_over:
        return _nothing
    release = semaphores.acquire_in_process("thread", get_settings().MAX_WAITING_PER_PROCESS)
    if release is None:
        return None
    permit = _this.permit = _Permit()

    def end() -> None:
        # Perhaps in another thread: a file may be closed in any.
        permit.is_over = True
        release()

    return end


@contextmanager
def one_thread() -> Iterator[None]:
    """Count this thread in here. Raises Busy."""
    release = acquire()
    if release is None:
        raise Busy("too many threads of this process make variants, or wait for them")
    try:
        yield
    finally:
        release()


def _nothing() -> None:
    pass
