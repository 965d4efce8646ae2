"""Opened originals, and storages' errors as our errors."""

from __future__ import annotations

import errno
import io
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from django.core.exceptions import SuspiciousOperation

from resizer.errors import OriginalNotFound, ResizerError, SourceFailed, SourceTimedOut
from resizer.scratch import raise_shortage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_NOT_FOUND = (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)


class Reader:
    """A file of a source. Reading raises SourceFailed or SourceTimedOut, so a decoder cannot take it for a broken original."""

    def __init__(
        self,
        file: BinaryIO,
        name: str,
        fingerprint: str | None = None,
        end: Callable[[], object] | None = None,
    ) -> None:
        """`end` is called as soon as the file was read to its end."""
        self._file = file
        self._name = name
        self._end = end
        self._length: int | None = None
        self.fingerprint = fingerprint
        self.tell = file.tell

    def fileno(self) -> int:
        """The descriptor of a local file. Raises OSError for others: an unpacked file has the descriptor of its packed one."""
        if not isinstance(getattr(self._file, "raw", None), io.FileIO):
            raise io.UnsupportedOperation("no file of this machine")
        return self._file.fileno()

    def read(self, size: int = -1) -> bytes:
        with self._errors():
            content = self._file.read(size)
            is_read = size < 0 or self._file.tell() == self._length
        if is_read and self._end is not None:
            # Decoding may take longer than fetching, so end the fetch here.
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
    """Turn a storage's errors into OriginalNotFound, SourceFailed, SourceTimedOut or Busy."""
    try:
        yield
    except ResizerError:
        raise
    except Exception as error:
        raise_shortage(error)
        raise _told(error)(f"{name[:200]!r}: {error}") from error


def _told(error: Exception) -> type[ResizerError]:
    """The class of our error for an error of a storage."""
    if isinstance(error, TimeoutError):
        return SourceTimedOut
    # Traversal, NUL bytes, directories: a refused name answers like a missing one.
    is_refused = isinstance(error, (*_NOT_FOUND, SuspiciousOperation, ValueError))
    if is_refused or getattr(error, "errno", None) in {errno.ENAMETOOLONG, errno.ELOOP}:
        return OriginalNotFound
    # A storage's library raises its own classes, unknown to us.
    return SourceFailed


@contextmanager
def listing_errors() -> Iterator[None]:
    """Turn errors of a listing into SourceFailed or SourceTimedOut: a failed listing is not an empty one."""
    try:
        yield
    except NotImplementedError:
        # Django's storages raise it if they cannot list.
        raise
    except TimeoutError as error:
        raise SourceTimedOut(str(error)) from error
    except Exception as error:
        raise SourceFailed(str(error)) from error
