"""The content of an opened file, read from any position: of a file that is there, or of one still being fetched."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from typing import BinaryIO

    from resizer.scratch import Spool


class Content(Protocol):
    """Bytes at positions. Methods raise OSError, or errors of `resizer.errors`."""

    #: Identifies the version of the file, like `Stat.fingerprint`. None if the file can change while it is read.
    fingerprint: str | None

    def read(self, position: int, size: int) -> bytes:
        """At most `size` bytes from a position on, fewer at the end of the file. A size of -1 reads the rest."""
        ...

    def length(self) -> int:
        """The length of the whole file, bytes."""
        ...

    def fileno(self) -> int:
        """A descriptor of the same bytes. Raises OSError if there is none."""
        ...


class FileContent:
    """The content of a seekable file. The storage may open the file itself only when it is first read."""

    fingerprint: str | None = None

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, position: int, size: int) -> bytes:
        self._file.seek(position)
        return self._file.read(size)

    def length(self) -> int:
        return self._file.seek(0, os.SEEK_END)

    def fileno(self) -> int:
        # A decompressing file has the descriptor of the compressed one.
        if not isinstance(getattr(self._file, "raw", None), io.FileIO):
            raise io.UnsupportedOperation("this is not a local file")
        return self._file.fileno()


class Fetching(Protocol):
    """Fetches a remote file into a spool."""

    def fetch(self, end: int | None) -> None:
        """Fetch up to a position, or further. None fetches everything. Does nothing more at the end of the file."""
        ...

    def length(self) -> int:
        """The length of the whole file, bytes. Fetches the file if the server did not tell its length."""
        ...


class Download:
    """The content of a remote file, fetched only as far as it is read. Raises what `fetching` raises, and Busy."""

    def __init__(self, fetching: Fetching, spool: Spool, fingerprint: str) -> None:
        self._fetching = fetching
        self._spool = spool
        self.fingerprint: str | None = fingerprint
        self.length = fetching.length

    def read(self, position: int, size: int) -> bytes:
        self._fetching.fetch(None if size < 0 else position + size)
        return self._spool.read(position, size)

    def fileno(self) -> int:
        raise io.UnsupportedOperation("a file that may be incomplete has no descriptor")
