"""Make a thing once, however many threads, processes and hosts ask for it at the same moment."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

from resizer.errors import Busy
from resizer.locks import lock_hosts, lock_machine
from resizer.waiting import release_connections

if TYPE_CHECKING:
    from collections.abc import Callable

    from resizer.waiting import Deadline

Result = TypeVar("Result")

_guard = threading.Lock()
_flights: dict[str, Future[Any]] = {}


def share(
    key: str,
    work: Callable[[], Result],
    *,
    look: Callable[[], Result | None],
    deadline: Deadline,
) -> Result:
    """Do the work, or wait for the thread that does it under the same key; both get its result or its error.

    `look` finds what a host has made that was faster. Raises Busy at the deadline: a waiter never begins the work
    that another is at.
    """
    with _guard:
        flight = _flights.get(key)
        is_leader = flight is None
        if flight is None:
            flight = _flights[key] = Future()
    if not is_leader:
        release_connections()
        try:
            return flight.result(timeout=deadline.seconds_left)  # type: ignore[no-any-return]  # one key, one kind of work
        except TimeoutError as error:
            raise Busy(f"{key!r} is still being made") from error
    try:
        result = _lead(key, work, look, deadline)
    except BaseException as error:
        flight.set_exception(error)
        raise
    else:
        flight.set_result(result)
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
