"""The cores and the memory of this machine, or of the container around the process. And the CPU time of a process."""

from __future__ import annotations

import functools
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Control groups as Linux shows them (cgroup v2), and the group of this process.
GROUPS = Path("/sys/fs/cgroup")
OWN_GROUP = Path("/proc/self/cgroup")
#: What a machine is taken to have if it does not tell, bytes.
UNKNOWN_MEMORY = 4_000_000_000


def cores() -> int:
    """How many cores this process may use, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    # Such as "150000 100000": microseconds of all cores, and the period; or "max 100000".
    quotas = [text.split() for text in _limits("cpu.max")]
    shares = [int(quota) // int(period) for quota, period in quotas if quota != "max"]
    return max(1, min([count, *shares]))


def megabytes() -> int:
    """The memory for this process and its siblings."""
    limits = [int(text) for text in _limits("memory.max") if text != "max"]
    return min([_physical(), *limits]) // 1_000_000


def _physical() -> int:
    """The memory of the machine, bytes."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError):
        # Windows does not tell it so.
        return UNKNOWN_MEMORY


def processor_seconds(pid: int) -> float | None:
    """The CPU time of a process with its threads, seconds. None if the system does not provide it."""
    try:
        # How Linux numbers the clock of another process, for clock_getcpuclockid(3). Python does not wrap that function.
        return time.clock_gettime(~pid << 3 | 2)
    except (AttributeError, OSError):
        return None


# Read once for a process: each render needs them several times.
@functools.cache
def _limits(name: str) -> tuple[str, ...]:
    """A limit of the process's group, and of those around it. Empty if there are no groups."""
    return tuple(_find_limits(name))


def _find_limits(name: str) -> Iterator[str]:
    try:
        lines = OWN_GROUP.read_text().splitlines()
    except OSError:
        return
    path = next((line.removeprefix("0::") for line in lines if line.startswith("0::")), "/")
    own = GROUPS / path.strip("/")
    for group in (own, *own.parents):
        if group.is_relative_to(GROUPS):
            try:
                text = (group / name).read_text().strip()
            except OSError:
                continue
            yield text
