"""Limit the fetches at once from one web host or remote storage, so that a slow one does not take all threads."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING

from resizer.concurrency import semaphores, threads
from resizer.concurrency.waiting import Deadline, Pauses
from resizer.conf import get_settings
from resizer.errors import Busy
from resizer.sources.deadline import is_in_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from resizer.concurrency.semaphores import Release

#: How long a request waits for a fetch to end, seconds, and how many requests of a process wait.
PATIENCE_SECONDS = 1
MAX_PATIENT = 2
#: How long a command waits, seconds. No visitor waits for a command.
COMMAND_SECONDS = 10

_is_in_command: ContextVar[bool] = ContextVar("is_in_command", default=False)


@contextmanager
def command() -> Iterator[None]:
    """Inside the block, fetches wait longer for their turn: many visitors may request new variants meanwhile."""
    token = _is_in_command.set(True)
    try:
        yield
    finally:
        _is_in_command.reset(token)


@contextmanager
def one_fetch_from(remote: str) -> Iterator[None]:
    """Count as a fetch from a host or storage.

    Raises Busy if there are too many fetches, or too many threads at work. A long wait would hold a thread, and a
    hanging source would soon hold them all.
    """
    most = get_settings().MAX_FETCHES
    acquire = partial(semaphores.acquire_in_process, f"fetch {remote}", most)
    with threads.one_thread():
        release = acquire() or _wait(acquire, remote, f"one of {most} fetches from {remote!r}")
        try:
            yield
        finally:
            release()


def _wait(acquire: Callable[[], Release | None], remote: str, what: str) -> Release:
    """Wait a moment: fetches from a healthy remote end soon. A page has other originals, and does not wait."""
    if _is_in_command.get():
        return _pause(acquire, what, COMMAND_SECONDS)
    stop_waiting = (
        semaphores.acquire_in_process(f"wait {remote}", MAX_PATIENT) if is_in_request() else None
    )
    if stop_waiting is None:
        raise Busy(f"there is no more room for {what}")
    try:
        return _pause(acquire, what, PATIENCE_SECONDS)
    finally:
        stop_waiting()


def _pause(acquire: Callable[[], Release | None], what: str, seconds: float) -> Release:
    """Raises Busy."""
    pauses = Pauses(what, Deadline(seconds), longest=0.05)
    while (release := acquire()) is None:
        pauses.pause()
    return release
