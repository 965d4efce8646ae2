"""Semaphores: so many permits, and so many megabytes together, on the whole machine or in a process."""

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

#: Gives a permit back.
Release: TypeAlias = "Callable[[], object]"

_guard = threading.Lock()
#: The megabytes of each permit that this process has given, by the name of the semaphore.
_held: dict[str, dict[object, int]] = defaultdict(dict)


def acquire(name: str, permits: int, megabytes: int = 0, budget: int = 0) -> Release | None:
    """Acquire one of so many permits, and megabytes of the budget; None while there is no room.

    A sole holder may exceed the budget: a variant within the limits is made on a small machine too.
    """
    try:
        return _acquire_on_machine(name, permits, megabytes, budget)
    except OSError:
        # Processes share no directory: each counts for itself.
        return acquire_in_process(name, permits, megabytes, budget)


def acquire_in_process(
    name: str, permits: int, megabytes: int = 0, budget: int = 0
) -> Release | None:
    """`acquire`, of a semaphore that each process has for itself."""
    with _guard:
        held = _held[name]
        if len(held) >= permits or not _fits(megabytes, list(held.values()), budget):
            return None
        permit = object()
        held[permit] = megabytes
    return partial(held.pop, permit)


def _acquire_on_machine(name: str, permits: int, megabytes: int, budget: int) -> Release | None:
    """A permit is a locked file, in which stand the megabytes of its holder."""
    if not budget:
        return _acquire_any(name, permits)
    with ExitStack() as gate, ExitStack() as held:
        # What all of them take together stays the same while it is added up.
        gate.callback(lockfiles.unlock, cast("int", lockfiles.lock(f"{name}-gate", waits=True)))
        mine: int | None = None
        taken = []
        for permit in (f"{name}-{number}" for number in range(permits)):
            descriptor = lockfiles.lock(permit)
            if descriptor is None:
                taken.append(lockfiles.read_number(permit))
            elif mine is None:
                mine = descriptor
                held.callback(lockfiles.unlock, mine)
            else:
                lockfiles.unlock(descriptor)
        if mine is None or not _fits(megabytes, taken, budget):
            return None
        lockfiles.write_number(mine, megabytes)
        return held.pop_all().close


def _acquire_any(name: str, permits: int) -> Release | None:
    # From anywhere on: the first ones are taken most of the time.
    first = random.randrange(permits)
    for number in (*range(first, permits), *range(first)):
        descriptor = lockfiles.lock(f"{name}-{number}")
        if descriptor is not None:
            return partial(lockfiles.unlock, descriptor)
    return None


def _fits(megabytes: int, taken: list[int], budget: int) -> bool:
    return not taken or sum(taken) + megabytes <= budget
