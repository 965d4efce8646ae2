"""Single flight: make a variant once, for all threads, processes and hosts with a request for it at the same moment."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from resizer.concurrency import threads
from resizer.concurrency.locks import lock_hosts, lock_machine
from resizer.concurrency.waiting import release_connections
from resizer.errors import Busy

if TYPE_CHECKING:
    from collections.abc import Callable

    from resizer.concurrency.locks import Look
    from resizer.concurrency.waiting import Deadline

Result = TypeVar("Result")

#: After this many seconds, only `MAX_PATIENT` threads of a process go on waiting for one variant. The others are
#: needed for other requests.
PATIENCE_SECONDS = 2.0
MAX_PATIENT = 4
#: During this time after its start, all threads of a process may wait for one variant, seconds. So many requests at
#: once for a new variant all get it, and hits hardly notice.
GRACE_SECONDS = 0.5

_guard = threading.Lock()
_flights: dict[str, _Flight] = {}


class _Flight:
    def __init__(self) -> None:
        self.future: Future[Any] = Future()
        self.waiters = 0
        self._grace_ends_at = time.monotonic() + GRACE_SECONDS

    def wait_briefly(self, key: str) -> Any:
        """The result, for a thread above the limit of waiting threads. Raises Busy."""
        try:
            return self.future.result(timeout=max(0, self._grace_ends_at - time.monotonic()))
        except TimeoutError as error:
            raise Busy(f"no more threads of this process wait for {key!r}") from error

    def wait(self, key: str, deadline: Deadline) -> Any:
        """The result. Raises Busy."""
        with _guard:
            self.waiters += 1
        with ExitStack() as counted:
            counted.callback(self._count_out)
            try:
                return self.future.result(timeout=min(PATIENCE_SECONDS, deadline.seconds_left))
            except TimeoutError as error:
                with _guard:
                    if self.waiters > MAX_PATIENT:
                        # Counted out at once, so that another thread after the same time is not refused as well.
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


class _Job(NamedTuple, Generic[Result]):
    """The arguments of `share`."""

    key: str
    work: Callable[[], Result]
    look: Look[Result]
    deadline: Deadline
    finish: Callable[[Result], Result]
    defer: Callable[[Callable[[], object], Result], bool]


def share(
    key: str,
    work: Callable[[], Result],
    *,
    look: Look[Result],
    deadline: Deadline,
    finish: Callable[[Result], Result],
    defer: Callable[[Callable[[], object], Result], bool],
) -> Result:
    """Do the work, or wait for another thread with the same key. Both get the result, or the error.

    Once the key is locked, `look` finds the result of another process or host. Raises Busy at the deadline. Raises Busy
    earlier if too many threads wait, for this key or in all: a waiting thread never begins the same work.

    `finish` completes a new result while the key stays locked. If `defer` accepts this for later, all threads get the
    result before, and `result_of` returns it meanwhile.
    """
    with ExitStack() as held:
        release = threads.acquire()
        if release is not None:
            held.callback(release)
        with _guard:
            flight = _flights.get(key)
            mine = _Flight() if flight is None and release is not None else None
            if mine is not None:
                _flights[key] = mine
        if mine is not None:
            held.callback(_forget, key)
            return _fly(_Job(key, work, look, deadline, finish, defer), mine, held)
        if flight is None:
            raise Busy(f"no more threads of this process make {key!r}")
        release_connections()
        shared: Result = flight.wait_briefly(key) if release is None else flight.wait(key, deadline)
        return shared


def _forget(key: str) -> None:
    with _guard:
        del _flights[key]


def result_of(key: str) -> Any:
    """A result in memory, to be finished later. None if there is none."""
    with _guard:
        flight = _flights.get(key)
    if flight is None or not flight.future.done() or flight.future.exception() is not None:
        return None
    return flight.future.result()


def _fly(job: _Job[Result], flight: _Flight, held: ExitStack) -> Result:
    try:
        result = _lead(job, held)
    except Exception as error:
        flight.future.set_exception(error)
        raise
    except BaseException:
        # The other threads must not end with this one.
        flight.future.set_exception(Busy(f"the thread that made {job.key!r} was stopped"))
        raise
    flight.future.set_result(result)
    return result


def _lead(job: _Job[Result], held: ExitStack) -> Result:
    """Lock the key, and find or make its result. The locks are released with `held`, or once the result is finished."""
    lock = held.enter_context(lock_machine(job.key, job.deadline))
    # Only one process of each machine waits for other hosts.
    found = held.enter_context(lock_hosts(job.look, job.deadline, lock))
    if found is not None:
        return found
    result = job.work()
    rest = held.pop_all()
    if job.defer(partial(_finish, job, result, rest), result):
        return result
    held.enter_context(rest)
    return job.finish(result)


def _finish(job: _Job[Result], result: Result, held: ExitStack) -> None:
    with held:
        job.finish(result)
