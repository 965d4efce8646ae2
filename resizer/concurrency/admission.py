"""Limit the renders at once on the whole machine, by cores and by memory."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from resizer.concurrency import machine, semaphores
from resizer.concurrency.waiting import Pauses
from resizer.conf import get_settings
from resizer.errors import Busy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from resizer.concurrency.waiting import Deadline

#: How many renders may wait for each core. `MAX_WAITING` overrides it.
WAITING_PER_CORE = 16
#: The longest pause before another try, seconds.
PAUSE = 0.05


@contextmanager
def admit(megabytes: Callable[[], int], deadline: Deadline) -> Iterator[None]:
    """Hold a core and memory for a render. `megabytes` is called at each try, as a batch may grow meanwhile.

    Raises Busy if too many renders wait already, and at the deadline.
    """
    settings = get_settings()
    cores = machine.cores()
    most = settings.MAX_RENDERS or cores
    budget = settings.MAX_RENDER_MEGABYTES or machine.megabytes() // 2
    release = semaphores.acquire("render", most, megabytes(), budget)
    if release is None:
        stop_waiting = semaphores.acquire(
            "waiting", settings.MAX_WAITING or WAITING_PER_CORE * cores
        )
        if stop_waiting is None:
            raise Busy("too many renders wait already")
        pauses = Pauses(f"a core and {megabytes()} MB", deadline, longest=PAUSE)
        try:
            while release is None:
                pauses.pause()
                release = semaphores.acquire("render", most, megabytes(), budget)
        finally:
            stop_waiting()
    try:
        yield
    finally:
        release()
