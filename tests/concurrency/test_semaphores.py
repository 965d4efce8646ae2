from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING, TypeAlias

import pytest

from resizer.concurrency import semaphores

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_django import Settings

Acquire: TypeAlias = "Callable[..., semaphores.Release | None]"


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, settings: Settings) -> Path:
    settings.RESIZER = {"LOCK_DIRECTORY": str(tmp_path / "locks")}
    return tmp_path / "locks"


@pytest.fixture(params=["machine", "no directory", "process"])
def acquire(request: pytest.FixtureRequest, directory: Path) -> Acquire:
    """Places of the machine, in files or where there can be none, and of the process."""
    if request.param == "no directory":
        directory.write_text("a file")
    return semaphores.acquire_in_process if request.param == "process" else semaphores.acquire


def test_place_is_taken_until_it_is_left(acquire: Acquire) -> None:
    first, second = acquire("a", 2), acquire("a", 2)
    assert first is not None
    assert second is not None
    assert acquire("a", 2) is None
    first()
    third = acquire("a", 2)
    assert third is not None
    assert acquire("a", 2) is None
    second()
    third()


def test_kinds_of_places_are_counted_apart(acquire: Acquire) -> None:
    release, other = acquire("a", 1), acquire("b", 1)
    assert release is not None
    assert other is not None
    release()
    other()


def test_who_is_alone_may_take_more_than_the_budget(acquire: Acquire) -> None:
    release = acquire("a", 3, 500, 100)
    assert release is not None
    assert acquire("a", 3, 1, 100) is None
    release()
    release, other = acquire("a", 3, 60, 100), acquire("a", 3, 40, 100)
    assert release is not None
    assert other is not None
    assert acquire("a", 3, 1, 100) is None
    release()
    other()


def test_place_of_a_process_that_is_killed_is_free(directory: Path) -> None:
    code = f"""
import django
from django.conf import settings
settings.configure(RESIZER={{"LOCK_DIRECTORY": {str(directory)!r}}})
settings.SETTINGS_MODULE = ""
from resizer.concurrency import semaphores
semaphores.acquire("a", 1)
print("entered", flush=True)
input()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "entered\n"
        assert semaphores.acquire("a", 1) is None
        other.send_signal(signal.SIGKILL)
    release = semaphores.acquire("a", 1)
    assert release is not None
    release()
