"""What this machine, or the container that we are in, has, and what a process has had of it: cores and memory."""

from __future__ import annotations

import functools
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Control groups as Linux shows them (cgroup v2), and which of them this process is in.
GROUPS = Path("/sys/fs/cgroup")
OWN_GROUP = Path("/proc/self/cgroup")
#: For how long what they say is believed, seconds: each request asks several times.
LOOK_SECONDS = 10


def cores() -> int:
    """How many cores this process may use, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    # Such as "150000 100000": microseconds of all cores, in a period of so many; or "max 100000".
    quotas = [text.split() for text in _limits("cpu.max")]
    shares = [int(quota) // int(period) for quota, period in quotas if quota != "max"]
    return max(1, min([count, *shares]))


def megabytes() -> int:
    """How much memory there is for this process and its siblings."""
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limits = [int(text) for text in _limits("memory.max") if text != "max"]
    return min([physical, *limits]) // 1_000_000


def processor_seconds(pid: int) -> float | None:
    """What a process has had of all cores, its threads included; None where the system does not tell."""
    try:
        # Behind the name, which may hold anything (proc_pid_stat(5)): utime is the twelfth, stime the next.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _limits(name: str) -> tuple[str, ...]:
    """What the process's group and those around it say; nothing where there are no such groups."""
    return _read_limits(name, int(time.monotonic() / LOOK_SECONDS))


@functools.lru_cache(maxsize=2)
def _read_limits(name: str, _moment: int) -> tuple[str, ...]:
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
