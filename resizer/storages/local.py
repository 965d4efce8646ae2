"""Files of this machine: what tells one from another, and how one is opened wherever links lead."""

from __future__ import annotations

import errno
import functools
import hashlib
import os
import stat
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from resizer.storages.protocol import Stat

if TYPE_CHECKING:
    import io

#: Passes through a directory. Where there is O_PATH, one that may be passed but not listed as well.
_PASS = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY
#: So much of the beginning and of the end of a file tells it from another of the same size and time, bytes.
SAMPLE_BYTES = 16_384


def stat_file(path: str, below: str | None = None) -> Stat:
    """With `below` only of a file within that directory, wherever links lead. Raises OSError.

    A file that takes the place of another of the same size and time has other bytes. Inode and time of change tell
    of it too, but also differ between machines, and after a change of rights or a restored backup.
    """
    status = _status(path, below)
    sample = _sample(path, below, _moment(status))
    return Stat(status.st_size, f"{status.st_size}-{status.st_mtime_ns}-{sample}")


def stat_content(path: str, max_bytes: int, below: str | None = None) -> Stat:
    """`stat_file` by the file's bytes, whenever they were written. Raises OSError."""
    status = _status(path, below)
    if status.st_size > max_bytes:
        # Nobody reads it.
        return stat_file(path, below)
    return Stat(status.st_size, f"{status.st_size}-{_digest(path, below, _moment(status))}")


def _moment(status: os.stat_result) -> tuple[int, ...]:
    # A file that is written again has another time of change, whatever its modification time is set to.
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


@functools.lru_cache(maxsize=4096)
def _sample(path: str, below: str | None, moment: tuple[int, ...]) -> str:
    """Of the beginning and the end of the file as it was at a moment. Raises OSError."""
    with open_file(path, below) as file:
        head = file.read(SAMPLE_BYTES)
        file.seek(-len(head), os.SEEK_END)
        return hashlib.blake2s(head + file.read(SAMPLE_BYTES), digest_size=4).hexdigest()


@functools.lru_cache(maxsize=4096)
def _digest(path: str, below: str | None, moment: tuple[int, ...]) -> str:
    """Of the file as it was at a moment, so that each is read once. Raises OSError."""
    with open_file(path, below) as file:
        return hashlib.file_digest(file, _hash).hexdigest()


def _hash() -> hashlib.blake2b:
    return hashlib.blake2b(digest_size=16)


def _status(path: str, below: str | None) -> os.stat_result:
    status = os.stat(path if below is None else os.path.join(below, *_resolve(path, below)))
    _refuse_irregular(status)
    return status


def open_file(path: str, below: str | None = None) -> io.BufferedReader:
    """With `below` only a file within that directory, wherever links lead. Raises OSError."""
    opener = _open_regular if below is None else partial(_open_below, below)
    return open(path, "rb", opener=opener)


def _resolve(path: str, below: str) -> tuple[str, ...]:
    """The steps from a directory to a file, none of them a link. Raises OSError."""
    root = os.path.realpath(below)
    found = Path(os.path.realpath(path, strict=True))
    if not found.is_relative_to(root):
        raise FileNotFoundError(errno.ENOENT, "a link leads out of the storage")
    return found.relative_to(root).parts or (".",)


def _open_below(below: str, path: str, flags: int) -> int:
    # Step by step, because a link could have taken the place of one since it was resolved.
    *parents, name = _resolve(path, below)
    here = os.open(below, _PASS)
    try:
        for parent in parents:
            passed = here
            here = os.open(parent, _PASS | os.O_NOFOLLOW, dir_fd=passed)
            os.close(passed)
        return _open_regular(name, flags | os.O_NOFOLLOW, here)
    finally:
        os.close(here)


def _open_regular(path: str, flags: int, directory: int | None = None) -> int:
    # A pipe in the place of a file would keep an ordinary open waiting for ever.
    descriptor = os.open(path, flags | os.O_NONBLOCK, dir_fd=directory)
    try:
        _refuse_irregular(os.fstat(descriptor))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _refuse_irregular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, "no regular file")
