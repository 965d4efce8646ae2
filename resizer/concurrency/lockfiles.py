"""Files that the processes of one machine lock; the kernel frees them when their holder dies.

They are never unlinked: a file that is unlinked while somebody holds it can be made and locked once more. So
there are a fixed number, and keys share them. All functions raise OSError where there is no directory for them.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from django.conf import settings as django_settings

from resizer.conf import get_settings
from resizer.keys.digests import digest_of

if TYPE_CHECKING:
    from collections.abc import Iterator

#: How many files stand for all keys; two that share one wait for each other, which with 32 at work happens to one in 128.
SLOTS = 4096
#: The length of a note: a digest, a moment and a word, filled up with spaces.
NOTE_BYTES = 96


def place() -> Path:
    """The directory: of this project and this user."""
    configured = get_settings().LOCK_DIRECTORY
    if configured is not None:
        return Path(configured)
    module = sys.modules.get(str(django_settings.SETTINGS_MODULE))
    project = digest_of(str(getattr(module, "__file__", "")))[:12]
    return Path(tempfile.gettempdir()) / f"resizer-{os.geteuid()}-{project}"


def slot(key: str) -> int:
    return int(digest_of(key), 16) % SLOTS


def lock(name: str, *, waits: bool = False) -> int | None:
    """Lock a file: a descriptor for `unlock`; None while another thread or process has it."""
    descriptor = _open(name)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
    except OSError as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            return None
        raise
    return descriptor


def unlock(descriptor: int) -> None:
    """Closing alone does not: a process that was forked meanwhile has the same opening of the file."""
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)


def identity() -> str:
    """A name for all processes that share this directory."""
    with _locked("identity") as descriptor:
        name = os.pread(descriptor, 32, 0).decode()
        if not name:
            name = secrets.token_hex(16)
            os.pwrite(descriptor, name.encode(), 0)
        return name


def read_number(name: str) -> int:
    descriptor = _open(name)
    try:
        return int(os.pread(descriptor, 16, 0) or b"0")
    finally:
        os.close(descriptor)


def write_number(descriptor: int, number: int) -> None:
    os.pwrite(descriptor, b"%16d" % number, 0)


def note(text: str, word: str) -> None:
    """Tell the other processes something about a text; where it cannot be told, that costs time only."""
    content = f"{digest_of(text)} {time.time():.3f} {word}".ljust(NOTE_BYTES)
    with contextlib.suppress(OSError), _locked(f"note-{slot(text)}") as descriptor:
        os.pwrite(descriptor, content.encode(), 0)


def noted(text: str, *, seconds: int) -> str | None:
    """What was told about a text, unless that was longer ago, or another text has taken its place since."""
    try:
        with _locked(f"note-{slot(text)}") as descriptor:
            content = os.pread(descriptor, NOTE_BYTES, 0).decode().split()
    except OSError:
        return None
    if len(content) != 3 or content[0] != digest_of(text):
        return None
    return content[2] if time.time() - float(content[1]) < seconds else None


@contextmanager
def _locked(name: str) -> Iterator[int]:
    descriptor = cast("int", lock(name, waits=True))
    try:
        yield descriptor
    finally:
        unlock(descriptor)


def _open(name: str) -> int:
    path = place()
    try:
        directory = _open_directory(path)
    except FileNotFoundError:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory = _open_directory(path)
    try:
        status = os.fstat(directory)
        if status.st_uid != os.geteuid() or status.st_mode & 0o022:
            raise PermissionError(f"others may write into {path}")
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
        return os.open(name, flags, 0o600, dir_fd=directory)
    finally:
        os.close(directory)


def _open_directory(path: Path) -> int:
    # In a directory for all, such as /tmp, another user may have put a link or a directory of their own there.
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
