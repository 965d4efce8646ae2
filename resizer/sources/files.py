"""Files of this machine and of storages, and what goes wrong with them as our errors."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from django.core.exceptions import SuspiciousOperation

from resizer.errors import OriginalNotFound, SourceFailed, SourceTimedOut
from resizer.sources.protocol import Stat

if TYPE_CHECKING:
    from collections.abc import Iterator

_NOT_FOUND = (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)


def stat_file(path: str) -> Stat:
    """Raises OSError."""
    status = os.stat(path)
    _refuse_irregular(status)
    return Stat(status.st_size, f"{status.st_size}-{status.st_mtime_ns}")


def open_file(path: str) -> BinaryIO:
    """Raises OSError."""
    return open(path, "rb", opener=_open_regular)


class Reader:
    """A file whose errors are the source's, not to be taken for those of a broken picture."""

    def __init__(self, file: BinaryIO, name: str, fingerprint: str | None = None) -> None:
        self._file = file
        self._name = name
        self.fingerprint = fingerprint
        self.tell = file.tell
        self.fileno = file.fileno

    def read(self, size: int = -1) -> bytes:
        with self._errors():
            return self._file.read(size)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        with self._errors():
            return self._file.seek(offset, whence)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except TimeoutError as error:
            raise SourceTimedOut(f"{self._name!r}: {error}") from error
        except OSError as error:
            raise SourceFailed(f"{self._name!r}: {error}") from error


@contextmanager
def storage_errors(name: str) -> Iterator[None]:
    """Turn what storages raise into our errors."""
    shown = name[:200]
    try:
        yield
    except TimeoutError as error:
        raise SourceTimedOut(f"{shown!r}: {error}") from error
    except (*_NOT_FOUND, SuspiciousOperation, ValueError) as error:
        # Traversal, NUL bytes and directories: a name that the storage refuses answers like one that it lacks.
        raise OriginalNotFound(f"{shown!r}: {error}") from error
    except OSError as error:
        if error.errno in {errno.ENAMETOOLONG, errno.ELOOP}:
            raise OriginalNotFound(f"{shown!r}: {error}") from error
        raise SourceFailed(f"{shown!r}: {error}") from error
    except Exception as error:
        # A storage's library raises classes of its own, of which we know nothing.
        raise SourceFailed(f"{shown!r}: {error}") from error


def _open_regular(path: str, flags: int) -> int:
    # A pipe in the place of a file would keep an ordinary open waiting for ever.
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    try:
        _refuse_irregular(os.fstat(descriptor))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _refuse_irregular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, "no regular file")
