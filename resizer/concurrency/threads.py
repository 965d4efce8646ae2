"""Count the threads of this process at work on new variants, waiting ones included. The others serve stored variants."""

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


#: How many may wait in a small pool, and if the number of threads is unknown.
USUAL_WAITING = 8


class _Permit:
    is_over = False


class _Thread(threading.local):
    permit: _Permit | None = None


_this = _Thread()


def acquire() -> Release | None:
    """Count this thread, and only once if it is acquired again. None above the limit."""
    if _this.permit is not None and not _this.permit.is_over:
        return _nothing
    release = semaphores.acquire_in_process("thread", most_waiting())
    if release is None:
        return None
    permit = _this.permit = _Permit()

    def end() -> None:
        # Perhaps in another thread: any thread may close a file.
        permit.is_over = True
        release()

    return end


def most_waiting() -> int:
    """The limit for `acquire`, found from the pool of this thread.

    A quarter of a pool, such as gunicorn's, stays free. In a small pool all threads may wait: a free thread would refuse
    the requests in the queue, and browsers do not request a picture again. With a thread for each request, as under
    `runserver` and ASGI, there is no limit.
    """
    given = get_settings().MAX_WAITING_PER_PROCESS
    if given is not None:
        return given
    size = _pool_size(threading.current_thread())
    if size is None:
        return USUAL_WAITING
    return max(USUAL_WAITING, size - size // 4) if size > 1 else sys.maxsize


def most_reading() -> int:
    """The limit for reads of one storage at once. A quarter of a pool stays free, and always one thread of it."""
    given = get_settings().MAX_WAITING_PER_PROCESS
    size = _pool_size(threading.current_thread())
    if size is None:
        return given or USUAL_WAITING
    return min(given or size, size - max(1, size // 4)) if size > 1 else sys.maxsize


def _pool_size(thread: threading.Thread) -> int | None:
    """The number of threads in the pool of a thread. 1 for a thread of a single request. None if unknown."""
    # The standard library's servers name their threads so (socketserver.ThreadingMixIn).
    if thread.name.endswith("(process_request_thread)"):
        return 1
    # ThreadPoolExecutor gives its threads a weak reference to itself, and no other access (Python 3.11 to 3.14).
    reference, *_ = getattr(thread, "_args", None) or (None,)
    pool = reference() if isinstance(reference, weakref.ref) else None
    return pool._max_workers if isinstance(pool, ThreadPoolExecutor) else None


@contextmanager
def one_thread() -> Iterator[None]:
    """Count this thread inside the block. Raises Busy."""
    release = acquire()
    if release is None:
        raise Busy("too many threads of this process make variants, or wait for them")
    try:
        yield
    finally:
        release()


def _nothing() -> None:
    pass
