"""The threads of this process that make variants, or wait for them. The other threads stay free for stored variants."""

from __future__ import annotations

import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from resizer.concurrency import semaphores
from resizer.conf import get_settings
from resizer.errors import Busy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resizer.concurrency.semaphores import Release


#: How many may wait in a small pool, and where nothing tells how many threads there are.
USUAL_WAITING = 8


class _Permit:
    is_over = False


class _Thread(threading.local):
    permit: _Permit | None = None


_this = _Thread()


def acquire() -> Release | None:
    """Count this thread, once however often it is acquired; None where no more may be."""
    if _this.permit is not None and not _this.permit.is_over:
        return _nothing
    release = semaphores.acquire_in_process("thread", most_waiting())
    if release is None:
        return None
    permit = _this.permit = _Permit()

    def end() -> None:
        # Perhaps in another thread: a file may be closed in any.
        permit.is_over = True
        release()

    return end


def most_waiting() -> int:
    """How many threads of this process may make variants, or wait for them, as this thread tells it.

    Of a pool, such as gunicorn's, a quarter stays free. In a small one all may wait: a free thread would refuse whatever
    is in the queue, and browsers do not ask again for a picture. Where each request has a thread of its
    own, as under `runserver` and ASGI, the threads cannot run out.
    """
    given = get_settings().MAX_WAITING_PER_PROCESS
    if given is not None:
        return given
    size = _pool_size(threading.current_thread())
    if size is None:
        return USUAL_WAITING
    return max(USUAL_WAITING, size - size // 4) if size > 1 else sys.maxsize


def _pool_size(thread: threading.Thread) -> int | None:
    """How many threads the pool of a thread has; 1 for a thread that serves a single request. None if unknown."""
    # The name that the standard library gives the threads of its servers (socketserver.ThreadingMixIn).
    if thread.name.endswith("(process_request_thread)"):
        return 1
    # ThreadPoolExecutor hands its threads a weak reference to itself, and tells nobody else (Python 3.11 to 3.14).
    reference, *_ = getattr(thread, "_args", None) or (None,)
    pool = reference() if isinstance(reference, weakref.ref) else None
    return pool._max_workers if isinstance(pool, ThreadPoolExecutor) else None


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
