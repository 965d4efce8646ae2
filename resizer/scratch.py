"""Temporary files: without a name, and deleted when they are closed.

If the system is out of disk space, descriptors or memory, it is not the fault of an original or of its source.
"""

from __future__ import annotations

import errno
import os
import tempfile
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from resizer.errors import Busy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

#: A fetched file is held in memory up to this size; a larger one goes to a temporary file.
SPOOL_BYTES = 8_000_000
#: Too many open files, or too little memory, in this process or in all.
_SHORTAGES = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS}


def raise_shortage(error: BaseException) -> None:
    """Raise Busy if the cause of an error is a shortage of descriptors or memory. Else do nothing."""
    cause: BaseException | None = error
    # Libraries wrap the OSError in their own errors.
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in _SHORTAGES:
            raise Busy(f"the system is short of descriptors or memory: {cause!r:.300}") from error
        cause = cause.__cause__ or cause.__context__


@contextmanager
def own_files() -> Iterator[None]:
    """Use temporary files in this block. Raises Busy for an OSError of the system."""
    try:
        yield
    except OSError as error:
        # Pillow raises OSErrors without a number for its encoders.
        if error.errno is None:
            raise
        raise Busy(f"a temporary file failed: {error!r}") from error


@contextmanager
def open_scratch() -> Iterator[BinaryIO]:
    """Open a temporary file with a descriptor, in memory if the system can. Raises Busy, also for errors in the block."""
    with own_files():
        file = _open_in_memory() or tempfile.TemporaryFile()  # noqa: SIM115  # closed below
        try:
            yield file
        finally:
            # Closing tries to write the rest again, after a failure.
            with suppress(OSError):
                file.close()


class Spool:
    """The fetched beginning of a file. `length` is its length in bytes."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(SPOOL_BYTES)  # noqa: SIM115  # closed by `close`
        self.length = 0

    def append(self, content: bytes) -> None:
        """Add bytes at the end. Raises Busy."""
        with own_files():
            self._file.seek(self.length)
            self._file.write(content)
            # Raise errors here, not at the next read.
            self._file.flush()
        self.length += len(content)

    def read(self, position: int, size: int = -1) -> bytes:
        """Read `size` bytes from a position, or all. Raises Busy."""
        with own_files():
            self._file.seek(position)
            return self._file.read(size)

    def close(self) -> None:
        with suppress(OSError):
            self._file.close()


def _open_in_memory() -> BinaryIO | None:
    # Some containers forbid `memfd_create`.
    with suppress(OSError, AttributeError):
        return open(os.memfd_create("resizer"), "w+b")
    return None
