from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from resizer.concurrency import lockfiles

if TYPE_CHECKING:
    from pytest_django import Settings

HOLD = """
import fcntl, os, sys, time
descriptor = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(descriptor, fcntl.LOCK_EX)
print("locked", flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, settings: Settings) -> Path:
    directory = tmp_path / "locks"
    settings.RESIZER = {"LOCK_DIRECTORY": str(directory)}
    return directory


def test_directory_is_of_the_project_and_the_user(settings: Settings) -> None:
    settings.RESIZER = {}
    place = lockfiles.directory()
    assert place.parent == Path(tempfile.gettempdir())
    assert place.name.startswith(f"resizer-{os.geteuid()}-")
    settings.SETTINGS_MODULE = "os"
    assert lockfiles.directory() != place


def test_directory_is_private(directory: Path) -> None:
    lockfiles.identity()
    assert directory.stat().st_mode & 0o777 == 0o700


def test_file_is_locked_once() -> None:
    descriptor = lockfiles.lock("a")
    assert descriptor is not None
    assert lockfiles.lock("a") is None
    os.close(descriptor)
    again = lockfiles.lock("a")
    assert again is not None
    os.close(again)


def test_killed_process_holds_nothing(directory: Path) -> None:
    directory.mkdir(mode=0o700)
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(directory / "a")], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == b"locked\n"
        assert lockfiles.lock("a") is None
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    descriptor = lockfiles.lock("a")
    assert descriptor is not None
    os.close(descriptor)


def test_lock_is_given_back_though_a_child_has_its_file_open() -> None:
    descriptor = lockfiles.lock("a")
    assert descriptor is not None
    # As a process that is forked while the lock is held.
    child = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"],
        stdin=subprocess.PIPE,
        pass_fds=[descriptor],
    )
    try:
        lockfiles.unlock(descriptor)
        again = lockfiles.lock("a")
        assert again is not None
        lockfiles.unlock(again)
    finally:
        child.communicate()


def test_directory_of_another_is_refused(directory: Path, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir(mode=0o700)
    directory.symlink_to(tmp_path / "theirs")
    with pytest.raises(NotADirectoryError):
        lockfiles.lock("a")
    directory.unlink()
    directory.mkdir()
    directory.chmod(0o777)
    with pytest.raises(PermissionError, match="others may write"):
        lockfiles.lock("a")
    assert list((tmp_path / "theirs").iterdir()) == []


def test_link_in_the_place_of_a_file_is_not_followed(directory: Path, tmp_path: Path) -> None:
    directory.mkdir(mode=0o700)
    (directory / "a").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError, match=os.strerror(errno.ELOOP)):
        lockfiles.lock("a")
    assert not (tmp_path / "precious").exists()


def test_file_system_without_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OSError, match="no locks available"):
        lockfiles.lock("a")


def test_identity_is_of_the_directory(settings: Settings, tmp_path: Path) -> None:
    identity = lockfiles.identity()
    assert lockfiles.identity() == identity
    settings.RESIZER = {"LOCK_DIRECTORY": str(tmp_path / "other")}
    assert lockfiles.identity() != identity


def test_text_is_what_was_written() -> None:
    assert lockfiles.read_unlocked("a") == ""
    descriptor = lockfiles.lock("a")
    assert descriptor is not None
    lockfiles.write(descriptor, "the first text")
    lockfiles.write(descriptor, "second")
    assert lockfiles.read(descriptor) == lockfiles.read_unlocked("a") == "second"
    os.close(descriptor)
