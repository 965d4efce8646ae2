"""So many fetches from one place run at once: one that is slow does not take all threads of a server."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING

from resizer.concurrency import lockfiles, machine, semaphores, threads
from resizer.concurrency.waiting import Deadline, Pauses
from resizer.conf import get_settings
from resizer.errors import Busy
from resizer.sources.deadline import is_in_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from resizer.concurrency.semaphores import Release

#: How many, unless settings say otherwise: for each core of the machine, and in one process, where other variants are
#: to be made meanwhile.
FETCHES_PER_CORE = 8
FETCHES_PER_PROCESS = 4
#: How long a request waits for one of them to end, seconds …
PATIENCE_SECONDS = 1
#: … and how many of a process do.
MAX_PATIENT = 2
#: How long a command waits, which no visitor waits for, seconds.
COMMAND_SECONDS = 10
#: How many counts there are: each takes files, and what has the same number shares one.
COUNTS = 64

_is_in_command: ContextVar[bool] = ContextVar("is_in_command", default=False)


@contextmanager
def command() -> Iterator[None]:
    """In here a fetch waits for a place, where many visitors have new variants made at the same time."""
    token = _is_in_command.set(True)
    try:
        yield
    finally:
        _is_in_command.reset(token)


@contextmanager
def one_fetch_from(remote: str) -> Iterator[None]:
    """Be one of those from a host or a storage.

    Raises Busy where there are many already, or where this process has no more threads for it. A long wait would hold a
    thread as well, and a source that hangs would soon hold them all.
    """
    name = f"remote-{lockfiles.slot(remote) % COUNTS}"
    most = get_settings().MAX_FETCHES
    counted = [(semaphores.acquire, name, most or FETCHES_PER_CORE * machine.cores())]
    if most is None:
        counted.append((semaphores.acquire_in_process, f"process-{name}", FETCHES_PER_PROCESS))
    with threads.one_thread(), ExitStack() as held:
        for acquire, kind, number in counted:
            what = f"one of {number} fetches from {remote!r}"
            held.callback(
                acquire(kind, number) or _wait(partial(acquire, kind, number), kind, what)
            )
        yield


def _wait(acquire: Callable[[], Release | None], kind: str, what: str) -> Release:
    """Wait for a permit of a remote that is well: others soon release theirs. A page, which has other originals, does not wait."""
    if _is_in_command.get():
        return _pause(acquire, what, COMMAND_SECONDS)
    stop_waiting = (
        semaphores.acquire_in_process(f"patient-{kind}", MAX_PATIENT) if is_in_request() else None
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
