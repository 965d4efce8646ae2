"""Local files: their fingerprints, and how to open them without leaving a directory."""

from __future__ import annotations

import errno
import functools
import hashlib
import os
import stat
from functools import partial
from typing import TYPE_CHECKING

from resizer.storages.protocol import Stat

if TYPE_CHECKING:
    import io

#: Flags to pass through a directory. With O_PATH, it need not be readable.
_PASS = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0)
#: Windows has neither.
_NO_LINK, _NO_WAIT = getattr(os, "O_NOFOLLOW", 0), getattr(os, "O_NONBLOCK", 0)
#: The part of the beginning and of the end in a fingerprint, bytes.
SAMPLE_BYTES = 16_384


def stat_file(path: str, below: str | None = None) -> Stat:
    """The size and fingerprint of a file. With `below`, links must not leave that directory. Raises OSError.

    The fingerprint includes a sample of the bytes, because a new file may have the size and time of the old one. Inode
    and ctime would show this too, but they also change with permissions, backups and machines.
    """
    status = _status(path, below)
    sample = _sample(path, below, _moment(status))
    return Stat(status.st_size, f"{status.st_size}-{status.st_mtime_ns}-{sample}")


def stat_content(path: str, max_bytes: int, below: str | None = None) -> Stat:
    """`stat_file` with a fingerprint of the bytes alone, without the time. Raises OSError."""
    status = _status(path, below)
    if status.st_size > max_bytes:
        # It is refused later, so do not read it.
        return stat_file(path, below)
    return Stat(status.st_size, f"{status.st_size}-{_digest(path, below, _moment(status))}")


def _moment(status: os.stat_result) -> tuple[int, ...]:
    # Each write changes the ctime, even if the modification time is set back.
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


@functools.lru_cache(maxsize=4096)
def _sample(path: str, below: str | None, moment: tuple[int, ...]) -> str:
    """A digest of the beginning and the end of a file. `moment` is part of the memo. Raises OSError."""
    with open_file(path, below) as file:
        head = file.read(SAMPLE_BYTES)
        file.seek(-len(head), os.SEEK_END)
        return hashlib.blake2s(head + file.read(SAMPLE_BYTES), digest_size=4).hexdigest()


@functools.lru_cache(maxsize=4096)
def _digest(path: str, below: str | None, moment: tuple[int, ...]) -> str:
    """A digest of a whole file. `moment` is part of the memo, so each file is read once. Raises OSError."""
    with open_file(path, below) as file:
        return hashlib.file_digest(file, _hash).hexdigest()


def _hash() -> hashlib.blake2b:
    return hashlib.blake2b(digest_size=16)


def _status(path: str, below: str | None) -> os.stat_result:
    status = os.stat(path)
    # A missing file is not worth the time for links.
    if below is not None:
        status = os.stat(os.path.join(below, *_resolve(path, below)))
    _refuse_irregular(status)
    return status


def open_file(path: str, below: str | None = None) -> io.BufferedReader:
    """Open a regular file. With `below`, links must not leave that directory. Raises OSError."""
    opener = _open_regular if below is None else partial(_open_below, below)
    return open(path, "rb", opener=opener)


def _resolve(path: str, below: str) -> tuple[str, ...]:
    """The path from a directory to a file, with all links resolved. Raises OSError."""
    root = os.path.realpath(below)
    found = os.path.realpath(path, strict=True)
    if found == root:
        return (".",)
    # The root of the file system ends with a slash already.
    base = os.path.join(root, "")
    if not found.startswith(base):
        raise FileNotFoundError(errno.ENOENT, "a link leads out of the storage")
    return tuple(found.removeprefix(base).split(os.sep))


def _open_below(below: str, path: str, flags: int) -> int:
    # Open each directory in turn: another process may replace one by a link meanwhile.
    *parents, name = _resolve(path, below)
    if os.open not in os.supports_dir_fd:
        # On Windows a link can come between. Use it for development only.
        return _open_regular(os.path.join(below, *parents, name), flags)
    here = os.open(below, _PASS)
    try:
        for parent in parents:
            passed = here
            here = os.open(parent, _PASS | _NO_LINK, dir_fd=passed)
            os.close(passed)
        return _open_regular(name, flags | _NO_LINK, here)
    finally:
        os.close(here)


def _open_regular(path: str, flags: int, directory: int | None = None) -> int:
    # Without O_NONBLOCK, opening a pipe would wait for ever.
    descriptor = os.open(path, flags | _NO_WAIT, dir_fd=directory)
    try:
        _refuse_irregular(os.fstat(descriptor))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _refuse_irregular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, "no regular file")
