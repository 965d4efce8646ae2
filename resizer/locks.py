"""Make a thing once, however many threads ask for it at the same moment."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

from resizer.errors import Busy

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")

_guard = threading.Lock()
_flights: dict[str, Future[Any]] = {}


def share(key: str, work: Callable[[], Result], *, seconds: float) -> Result:
    """Do the work, or wait for the thread that does it under the same key; both get its result or its error.

    Raises Busy when that takes longer than `seconds`: a waiter never begins the same work again.
    """
    with _guard:
        flight = _flights.get(key)
        is_leader = flight is None
        if flight is None:
            flight = _flights[key] = Future()
    if not is_leader:
        try:
            return flight.result(timeout=seconds)  # type: ignore[no-any-return]  # one key, one kind of work
        except TimeoutError as error:
            raise Busy(f"{key!r} is still being made") from error
    try:
        result = work()
    except BaseException as error:
        flight.set_exception(error)
        raise
    else:
        flight.set_result(result)
        return result
    finally:
        with _guard:
            del _flights[key]
