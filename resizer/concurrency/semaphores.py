"""So many at once, and so many megabytes together: places, counted on the whole machine or in a process."""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, TypeAlias, cast

from resizer.concurrency import lockfiles

if TYPE_CHECKING:
    from collections.abc import Callable

#: Ends what it was given for.
Leave: TypeAlias = "Callable[[], object]"

_guard = threading.Lock()
#: Megabytes by place, for each kind of place that this process counts for itself.
_taken: dict[str, dict[object, int]] = defaultdict(dict)


def enter(name: str, places: int, megabytes: int = 0, budget: int = 0) -> Leave | None:
    """Take one of so many places, and megabytes of the budget; None while there is no room.

    Who is alone has room: a picture within the limits is made on a small machine too.
    """
    try:
        return _enter_machine(name, places, megabytes, budget)
    except OSError:
        # Processes share no directory: each counts for itself.
        return enter_process(name, places, megabytes, budget)


def enter_process(name: str, places: int, megabytes: int = 0, budget: int = 0) -> Leave | None:
    """`enter` of places that each process has for itself."""
    with _guard:
        taken = _taken[name]
        if len(taken) >= places or not _fits(megabytes, list(taken.values()), budget):
            return None
        place = object()
        taken[place] = megabytes
    return partial(taken.pop, place)


def _enter_machine(name: str, places: int, megabytes: int, budget: int) -> Leave | None:
    """A place is a file, locked, in which stand the megabytes that its holder takes."""
    if not budget:
        return _enter_any(name, places)
    with ExitStack() as gate, ExitStack() as held:
        # What all of them take together stays the same while it is added up.
        gate.callback(lockfiles.unlock, cast("int", lockfiles.lock(f"{name}-gate", waits=True)))
        mine: int | None = None
        taken = []
        for place in (f"{name}-{number}" for number in range(places)):
            descriptor = lockfiles.lock(place)
            if descriptor is None:
                taken.append(lockfiles.read_number(place))
            elif mine is None:
                mine = descriptor
                held.callback(lockfiles.unlock, mine)
            else:
                lockfiles.unlock(descriptor)
        if mine is None or not _fits(megabytes, taken, budget):
            return None
        lockfiles.write_number(mine, megabytes)
        return held.pop_all().close


def _enter_any(name: str, places: int) -> Leave | None:
    # From anywhere on: the first ones are taken most of the time.
    first = random.randrange(places)
    for number in (*range(first, places), *range(first)):
        descriptor = lockfiles.lock(f"{name}-{number}")
        if descriptor is not None:
            return partial(lockfiles.unlock, descriptor)
    return None


def _fits(megabytes: int, taken: list[int], budget: int) -> bool:
    return not taken or sum(taken) + megabytes <= budget
