"""Files of this machine and of storages, and what goes wrong with them as our errors."""

from __future__ import annotations

import errno
import functools
import hashlib
import io
import os
import stat
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from django.core.exceptions import SuspiciousOperation

from resizer.conf import get_settings
from resizer.errors import OriginalNotFound, ResizerError, SourceFailed, SourceTimedOut
from resizer.scratch import raise_shortage
from resizer.sources.protocol import Stat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_NOT_FOUND = (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)
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


def stat_content(path: str, below: str | None = None) -> Stat:
    """`stat_file` by the file's bytes, whenever they were written. Raises OSError."""
    status = _status(path, below)
    if status.st_size > get_settings().MAX_BYTES:
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


class Reader:
    """A file whose errors are the source's, not to be taken for those of a broken picture."""

    def __init__(
        self,
        file: BinaryIO,
        name: str,
        fingerprint: str | None = None,
        end: Callable[[], object] | None = None,
    ) -> None:
        """`end` is called as soon as it has been read to its end."""
        self._file = file
        self._name = name
        self._end = end
        self._length: int | None = None
        self.fingerprint = fingerprint
        self.tell = file.tell

    def fileno(self) -> int:
        """Raises OSError unless the bytes of the descriptor are those of the file: what is unpacked has the packed one's."""
        if not isinstance(getattr(self._file, "raw", None), io.FileIO):
            raise io.UnsupportedOperation("no file of this machine")
        return self._file.fileno()

    def read(self, size: int = -1) -> bytes:
        with self._errors():
            content = self._file.read(size)
            is_read = size < 0 or self._file.tell() == self._length
        if is_read and self._end is not None:
            # What is done with it may take longer than the fetch.
            self._end()
        return content

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        with self._errors():
            position = self._file.seek(offset, whence)
        if whence == os.SEEK_END and not offset:
            self._length = position
        return position

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except TimeoutError as error:
            raise SourceTimedOut(f"{self._name!r}: {error}") from error
        except OSError as error:
            raise_shortage(error)
            raise SourceFailed(f"{self._name!r}: {error}") from error


@contextmanager
def storage_errors(name: str) -> Iterator[None]:
    """Turn what storages raise into our errors."""
    try:
        yield
    except ResizerError:
        raise
    except Exception as error:
        raise_shortage(error)
        raise _told(error)(f"{name[:200]!r}: {error}") from error


def _told(error: Exception) -> type[ResizerError]:
    """What an error of a storage tells of an original."""
    if isinstance(error, TimeoutError):
        return SourceTimedOut
    # Traversal, NUL bytes and directories: a name that the storage refuses answers like one that it lacks.
    is_refused = isinstance(error, (*_NOT_FOUND, SuspiciousOperation, ValueError))
    if is_refused or getattr(error, "errno", None) in {errno.ENAMETOOLONG, errno.ELOOP}:
        return OriginalNotFound
    # A storage's library raises classes of its own, of which we know nothing.
    return SourceFailed


@contextmanager
def listing_errors() -> Iterator[None]:
    """The same of a listing: none that fails is like one of nothing."""
    try:
        yield
    except NotImplementedError:
        # Django's word for a storage that cannot list.
        raise
    except TimeoutError as error:
        raise SourceTimedOut(str(error)) from error
    except Exception as error:
        raise SourceFailed(str(error)) from error


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
