"""A remote file that is fetched as far as it is read, and can be read again."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from typing import Any

    from resizer.scratch import Spool


class Fetching(Protocol):
    """Brings a file into a spool."""

    def fetch(self, end: int | None) -> None:
        """Have the file in the spool up to a position, or more of it; None is all. At the end of the file there is no more."""
        ...

    def length(self) -> int:
        """Of the whole file, bytes; fetches all where nothing tells it sooner."""
        ...


class Download(io.RawIOBase):
    """Reading raises what fetching does, and Busy."""

    def __init__(self, fetching: Fetching, spool: Spool, fingerprint: str) -> None:
        self._fetching = fetching
        self._spool = spool
        self._position = 0
        self.fingerprint = fingerprint

    def fileno(self) -> int:
        raise io.UnsupportedOperation("a file that may not be whole yet has no descriptor")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = 0
        if whence != os.SEEK_SET:
            start = self._position if whence == os.SEEK_CUR else self._fetching.length()
        self._position = max(0, start + offset)
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        is_all = size is None or size < 0
        self._fetching.fetch(None if is_all else self._position + (size or 0))
        content = self._spool.read(self._position, -1 if is_all else size or 0)
        self._position += len(content)
        return content

    def readinto(self, buffer: Any) -> int:
        content = self.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)
