from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from resizer.concurrency import machine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    machine._limits.cache_clear()
    yield
    machine._limits.cache_clear()


@pytest.fixture
def limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put the process into the group /site/web, and give groups files."""
    own = tmp_path / "own"
    own.write_text("1:name=systemd:/elsewhere\n0::/site/web\n")
    (tmp_path / "groups/site/web").mkdir(parents=True)
    monkeypatch.setattr(machine, "OWN_GROUP", own)
    monkeypatch.setattr(machine, "GROUPS", tmp_path / "groups")
    if hasattr(os, "sched_getaffinity"):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(8))

    def limit(group: str, name: str, text: str) -> None:
        (tmp_path / "groups" / group / name).write_text(f"{text}\n")

    return limit


def test_seconds_of_a_core_are_told_of_a_process_that_is_there() -> None:
    before = machine.processor_seconds(os.getpid())
    assert before is not None
    ends_at = time.process_time() + 0.1
    while time.process_time() < ends_at:
        pass
    assert (machine.processor_seconds(os.getpid()) or 0) > before
    # Above the largest number of a process (proc_sys_kernel(5), pid_max).
    assert machine.processor_seconds(2**22 + 1) is None


def test_all_that_the_machine_has_where_nothing_limits_it(limit: Callable[..., None]) -> None:
    limit("site/web", "cpu.max", "max 100000")
    limit("site/web", "memory.max", "max")
    assert machine.cores() == 8
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert machine.megabytes() == pages // 1_000_000


def test_least_that_a_group_around_allows(limit: Callable[..., None]) -> None:
    limit("site/web", "cpu.max", "400000 100000")
    limit("site", "cpu.max", "250000 100000")
    limit("site/web", "memory.max", "64000000")
    limit("site", "memory.max", "512000000")
    assert machine.cores() == 2
    assert machine.megabytes() == 64


def test_a_part_of_a_core_is_one(limit: Callable[..., None]) -> None:
    limit("site/web", "cpu.max", "50000 100000")
    assert machine.cores() == 1


def test_system_without_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "OWN_GROUP", tmp_path / "none")
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert machine.cores() == 1
    assert machine.megabytes() > 0
