"""Make a thing once, however many threads, processes and hosts ask for it at the same moment."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, TypeVar

from resizer.concurrency import threads
from resizer.concurrency.locks import lock_hosts, lock_machine
from resizer.concurrency.waiting import release_connections
from resizer.errors import Busy

if TYPE_CHECKING:
    from collections.abc import Callable

    from resizer.concurrency.waiting import Deadline

Result = TypeVar("Result")

#: For longer than so many seconds …
PATIENCE_SECONDS = 2.0
#: … no more threads of a process wait for one thing: the rest of them are needed for others.
MAX_PATIENT = 4
#: All threads of a process may wait for one thing until it has been in the making for so many seconds: many requests
#: for a new variant at once all get it, and hits hardly notice.
GRACE_SECONDS = 0.2

_guard = threading.Lock()
_flights: dict[str, _Flight] = {}


class _Flight:
    def __init__(self) -> None:
        self.future: Future[Any] = Future()
        self.waiters = 0
        self._grace_ends_at = time.monotonic() + GRACE_SECONDS

    def wait_briefly(self, key: str) -> Any:
        """What comes of it, for a thread that has to be free again soon. Raises Busy."""
        try:
            return self.future.result(timeout=max(0, self._grace_ends_at - time.monotonic()))
        except TimeoutError as error:
            raise Busy(f"no more threads of this process wait for {key!r}") from error

    def wait(self, key: str, deadline: Deadline) -> Any:
        """What comes of it. Raises Busy."""
        with _guard:
            self.waiters += 1
        with ExitStack() as counted:
            counted.callback(self._count_out)
            try:
                return self.future.result(timeout=min(PATIENCE_SECONDS, deadline.seconds_left))
            except TimeoutError as error:
                with _guard:
                    if self.waiters > MAX_PATIENT:
                        # Counted out at once: another thread that is as late must not be refused as well.
                        counted.pop_all()
                        self.waiters -= 1
                        raise Busy(f"too many wait for {key!r}") from error
            try:
                return self.future.result(timeout=deadline.seconds_left)
            except TimeoutError as error:
                raise Busy(f"{key!r} is still being made") from error

    def _count_out(self) -> None:
        with _guard:
            self.waiters -= 1


def share(
    key: str,
    work: Callable[[], Result],
    *,
    look: Callable[[], Result | None],
    deadline: Deadline,
) -> Result:
    """Do the work, or wait for the thread that does it under the same key; both get its result or its error.

    `look` finds what a host has made that was faster. Raises Busy at the deadline, or before it where too many wait, for
    this or for anything: a waiter never begins the work that another is at.
    """
    with ExitStack() as taken:
        thread = threads.acquire()
        if thread is not None:
            taken.callback(thread)
        with _guard:
            flight = _flights.get(key)
            mine = _Flight() if flight is None and thread is not None else None
            if mine is not None:
                _flights[key] = mine
        if mine is not None:
            return _fly(key, mine, work, look, deadline)
        if flight is None:
            raise Busy(f"no more threads of this process make {key!r}")
        release_connections()
        shared: Result = flight.wait_briefly(key) if thread is None else flight.wait(key, deadline)
        return shared


def _fly(
    key: str,
    flight: _Flight,
    work: Callable[[], Result],
    look: Callable[[], Result | None],
    deadline: Deadline,
) -> Result:
    try:
        result = _lead(key, work, look, deadline)
    except Exception as error:
        flight.future.set_exception(error)
        raise
    except BaseException:
        # What ends this thread is not meant for others.
        flight.future.set_exception(Busy(f"the thread that made {key!r} was stopped"))
        raise
    else:
        flight.future.set_result(result)
        return result
    finally:
        with _guard:
            del _flights[key]


def _lead(
    key: str, work: Callable[[], Result], look: Callable[[], Result | None], deadline: Deadline
) -> Result:
    # One process of each machine waits for other hosts.
    with (
        lock_machine(key, deadline) as machine,
        lock_hosts(key, look, deadline, machine) as found,
    ):
        return work() if found is None else found
