"""How many renders run at once: as many as there are cores and memory for, on the whole machine."""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, TypeAlias, cast

from resizer import lockfiles, machine
from resizer.conf import get_settings
from resizer.engines.memory import estimate
from resizer.errors import Busy
from resizer.waiting import Pauses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from resizer.engines import Header
    from resizer.variant import Variant
    from resizer.waiting import Deadline

#: Ends what it was given for.
Leave: TypeAlias = "Callable[[], object]"

_guard = threading.Lock()
#: Megabytes by place, for each kind of place, where processes share no directory.
_taken: dict[str, dict[object, int]] = defaultdict(dict)

#: How many renders may wait for each core, unless settings say otherwise.
WAITING_PER_CORE = 16
#: The longest pause before another try, seconds.
PAUSE = 0.05


@contextmanager
def admit(header: Header, variant: Variant, deadline: Deadline) -> Iterator[None]:
    """Render within this: it holds a core and the megabytes that the render will take.

    Raises Busy where too many wait already, and at the deadline.
    """
    settings = get_settings()
    cores = machine.cores()
    places = settings.MAX_RENDERS or cores
    budget = settings.MAX_RENDER_MEGABYTES or machine.megabytes() // 2
    megabytes = estimate(header, variant)
    leave = _enter("render", places, megabytes, budget)
    if leave is None:
        stop_waiting = _enter("waiting", settings.MAX_WAITING or WAITING_PER_CORE * cores)
        if stop_waiting is None:
            raise Busy("too many renders wait already")
        pauses = Pauses(f"a core and {megabytes} MB", deadline, longest=PAUSE)
        try:
            while leave is None:
                pauses.pause()
                leave = _enter("render", places, megabytes, budget)
        finally:
            stop_waiting()
    try:
        yield
    finally:
        leave()


def _enter(name: str, places: int, megabytes: int = 0, budget: int = 0) -> Leave | None:
    """Take one of so many places, and megabytes of the budget; None while there is no room.

    Who is alone has room: a picture within the limits is made on a small machine too.
    """
    try:
        return _enter_machine(name, places, megabytes, budget)
    except OSError:
        # Processes share no directory: each counts for itself.
        return _enter_process(name, places, megabytes, budget)


def _enter_machine(name: str, places: int, megabytes: int, budget: int) -> Leave | None:
    """A place is a file, locked, in which stand the megabytes that its holder takes."""
    with ExitStack() as opened:
        gate = lockfiles.lock(f"{name}-gate", waits=True)
        opened.callback(os.close, cast("int", gate))
        mine: int | None = None
        taken = []
        for place in (f"{name}-{number}" for number in range(places)):
            descriptor = lockfiles.lock(place)
            if descriptor is None:
                taken.append(lockfiles.read_number(place))
            elif mine is None:
                mine = descriptor
                opened.callback(os.close, mine)
            else:
                os.close(descriptor)
        if mine is None or not _fits(megabytes, taken, budget):
            return None
        lockfiles.write_number(mine, megabytes)
        # A file stays locked until all descriptors of one opening are closed.
        return partial(os.close, os.dup(mine))


def _enter_process(name: str, places: int, megabytes: int, budget: int) -> Leave | None:
    with _guard:
        taken = _taken[name]
        if len(taken) >= places or not _fits(megabytes, list(taken.values()), budget):
            return None
        place = object()
        taken[place] = megabytes
    return partial(taken.pop, place)


def _fits(megabytes: int, taken: list[int], budget: int) -> bool:
    return not taken or sum(taken) + megabytes <= budget
