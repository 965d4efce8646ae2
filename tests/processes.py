"""What the processes of a server take, as Linux tells it (proc(5))."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: They may end while they are looked at.
_ENDED = (FileNotFoundError, ProcessLookupError)


def tree(pid: int) -> set[int]:
    """A process and all below it, as far as they are still there."""
    while threads := _threads(pid):
        children: set[str] = set()
        # Each thread has the children that it has started.
        for thread in threads:
            with suppress(*_ENDED):
                children.update(_read(f"/proc/{pid}/task/{thread}/children").split())
        # The children of a thread that has ended are another's, which may have been read before.
        if _threads(pid) >= threads:
            return {pid}.union(*(tree(int(child)) for child in children))
    return set()


def _read(path: str) -> str:
    """Which `Path` does in four times as long: tests do it by the ten thousand."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.read(descriptor, 1 << 16).decode()
    finally:
        os.close(descriptor)


def _threads(pid: int) -> set[str]:
    try:
        return set(os.listdir(f"/proc/{pid}/task"))
    except _ENDED:
        return set()


def peak(pid: int) -> int:
    """The most that a process has held at once, bytes; 0 if it has ended."""
    lines: list[str] = []
    with suppress(*_ENDED):
        status = _read(f"/proc/{pid}/status")
        lines = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(lines[0].split()[1]) * 1024 if lines else 0


@dataclass
class Watched:
    #: `peak` by pid, of those as well that have ended.
    peaks: dict[int, int] = field(default_factory=dict)
    #: How many there were at most at once.
    most: int = 0


@contextmanager
def watched(pid: int) -> Iterator[Watched]:
    """A process and all below it."""
    seen = Watched()
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(0.03):
            present = tree(pid)
            seen.most = max(seen.most, len(present))
            seen.peaks.update({one: peak(one) or seen.peaks.get(one, 0) for one in present})

    with ThreadPoolExecutor(1) as pool:
        watching = pool.submit(watch)
        try:
            yield seen
        finally:
            is_over.set()
        watching.result()


def processor_seconds(pid: int) -> float:
    """What a process and all below it have taken until now, those included that have ended."""
    present: set[int] = set()
    ticks = 0
    # Once more if one has ended meanwhile: it would be missing, or be counted for its parent too.
    while present != (present := tree(pid)):
        ticks = sum(map(_ticks, present))
    return ticks / os.sysconf("SC_CLK_TCK")


def _ticks(pid: int) -> int:
    with suppress(*_ENDED):
        # Behind the name, which may hold anything: utime, stime, cutime and cstime.
        fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
        return sum(map(int, fields[11:15]))
    return 0
