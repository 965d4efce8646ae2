"""Semaphores: a number of permits, and a number of megabytes for all holders together. Per machine, or per process."""

from __future__ import annotations

import random
import threading
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, TypeAlias, cast

from resizer.concurrency import lockfiles

if TYPE_CHECKING:
    from collections.abc import Callable

#: Releases a permit.
Release: TypeAlias = "Callable[[], object]"

_guard = threading.Lock()
#: The megabytes of each permit held in this process, by the name of the semaphore.
_held: dict[str, dict[object, int]] = {}


def acquire(name: str, permits: int, megabytes: int = 0, budget: int = 0) -> Release | None:
    """Acquire one of the permits, and megabytes of the budget. None while there is no room.

    A sole holder may exceed the budget. So a small machine makes each allowed variant too.
    """
    try:
        return _acquire_on_machine(name, permits, megabytes, budget)
    except OSError:
        # Processes share no directory. Each counts for itself.
        return acquire_in_process(name, permits, megabytes, budget)


def acquire_in_process(
    name: str, permits: int, megabytes: int = 0, budget: int = 0
) -> Release | None:
    """`acquire`, from a semaphore of this process alone."""
    with _guard:
        held = _held.setdefault(name, {})
        if len(held) >= permits or not _fits(megabytes, list(held.values()), budget):
            return None
        permit = object()
        held[permit] = megabytes
    return partial(_release_in_process, name, permit)


def _release_in_process(name: str, permit: object) -> None:
    with _guard:
        held = _held[name]
        del held[permit]
        if not held:
            # Names may be those of hosts, and there may be many.
            del _held[name]


def _acquire_on_machine(name: str, permits: int, megabytes: int, budget: int) -> Release | None:
    """A permit is a locked file. The file contains the megabytes of its holder."""
    if not budget:
        return _acquire_any(name, permits)
    with ExitStack() as gate, ExitStack() as held:
        # The sum must not change while it is added up.
        gate.callback(lockfiles.unlock, cast("int", lockfiles.lock(f"{name}-gate", waits=True)))
        mine: int | None = None
        taken = []
        for permit in (f"{name}-{number}" for number in range(permits)):
            descriptor = lockfiles.lock(permit)
            if descriptor is None:
                taken.append(int(lockfiles.read_unlocked(permit) or 0))
            elif mine is None:
                mine = descriptor
                held.callback(lockfiles.unlock, mine)
            else:
                lockfiles.unlock(descriptor)
        if mine is None or not _fits(megabytes, taken, budget):
            return None
        lockfiles.write(mine, str(megabytes))
        return held.pop_all().close


def _acquire_any(name: str, permits: int) -> Release | None:
    # Start anywhere: the first permits are taken most of the time.
    first = random.randrange(permits)
    for number in (*range(first, permits), *range(first)):
        descriptor = lockfiles.lock(f"{name}-{number}")
        if descriptor is not None:
            return partial(lockfiles.unlock, descriptor)
    return None


def _fits(megabytes: int, taken: list[int], budget: int) -> bool:
    return not taken or sum(taken) + megabytes <= budget
