"""Work for after the response, such as storing a new variant. Its visitor does not wait for it.

Django's WSGI and ASGI handlers tell the end of each response. Other handlers do not, such as that of Django's test
client. Under them, nothing is done later.
"""

from __future__ import annotations

import functools
import logging
import math
import sys
import threading
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from django.db import close_old_connections

from resizer.concurrency import semaphores
from resizer.concurrency.waiting import release_connections
from resizer.conf import get_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from resizer.concurrency.semaphores import Release

Result = TypeVar("Result")

logger = logging.getLogger(__name__)

#: The most megabytes of one process that wait in memory for the end of a response.
MOST_MEGABYTES = 64
#: The longest wait for the end of a response, seconds. A visitor with a slow connection must not delay other
#: processes, and neither must a server that never tells the end.
LATEST_SECONDS = 2.0

HANDLERS = {"django.core.handlers.wsgi.WSGIHandler", "django.core.handlers.asgi.ASGIHandler"}


class _Thread(threading.local):
    #: The present response. None if nothing will tell its end.
    response: _Response | None = None


_this = _Thread()


class _Response:
    """Work to be done once, at the end of a response, or by a timer if that takes too long."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._tasks: list[tuple[Callable[[], object], Release]] = []
        self._timer: threading.Timer | None = None

    def add(self, work: Callable[[], object], release: Release) -> None:
        """Add work. `release` is called after it. Raises RuntimeError if no timer can be started."""
        with self._guard:
            if self._timer is None:
                timer = threading.Timer(LATEST_SECONDS, self._run_late)
                timer.daemon = True
                timer.start()
                self._timer = timer
            self._tasks.append((work, release))

    def run(self) -> bool:
        """Do the work. Whether there was any left."""
        with self._guard:
            tasks, self._tasks = self._tasks, []
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        for work, release in tasks:
            try:
                work()
            except Exception:
                # The visitor has the response. A server would only close the connection.
                logger.exception("Work after a response failed")
            finally:
                release()
        return bool(tasks)

    def _run_late(self) -> None:
        try:
            self.run()
        finally:
            # The thread ends here.
            release_connections()


def defer(work: Callable[[], object], size: int) -> bool:
    """Do work after this thread's response. Its result has so many bytes in memory.

    False without `RESPOND_FIRST`, if nothing will tell the end of the response, if too many bytes wait already, or if no
    thread can be started. Then do the work now.
    """
    response = _this.response
    if response is None or not get_settings().RESPOND_FIRST:
        return False
    megabytes = math.ceil(size / 1_000_000)
    release = semaphores.acquire_in_process("after", sys.maxsize, megabytes, MOST_MEGABYTES)
    if release is None:
        return False
    try:
        response.add(work, release)
    except RuntimeError:
        # Its timer is a thread.
        release()
        return False
    return True


def beside(work: Callable[[], Result]) -> Future[Result]:
    """Do work beside this thread's response, in a thread of its own. Without `defer`, do it now.

    Work that holds a core should not wait for the end of a response. It must not use a database.
    """
    future: Future[Result] = Future()
    run = functools.partial(_settle, future, work)
    if _this.response is not None and get_settings().RESPOND_FIRST:
        # Without a further thread, do it here.
        with suppress(RuntimeError):
            threading.Thread(target=run, daemon=True).start()
            return future
    run()
    return future


def _settle(future: Future[Result], work: Callable[[], Result]) -> None:
    try:
        future.set_result(work())
    except Exception as error:
        future.set_exception(error)


def begin(sender: type, **_: object) -> None:
    """Receiver of Django's `request_started`."""
    # Work of a former request whose end was never told.
    _run()
    _this.response = _Response() if _tells_end(sender) else None


def end(**_: object) -> None:
    """Receiver of Django's `request_finished`, after the response was sent.

    A signal, because a middleware may have replaced our response by its own.
    """
    if _run():
        # Django has closed them already, before our work opened one again.
        close_old_connections()


def _run() -> bool:
    """Do the work of this thread. Whether there was any."""
    response, _this.response = _this.response, None
    return response is not None and response.run()


@functools.cache
def _tells_end(sender: type) -> bool:
    return any(f"{one.__module__}.{one.__qualname__}" in HANDLERS for one in sender.__mro__)
