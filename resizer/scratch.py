"""Files of our own: nobody else sees them, and they are gone when they are closed.

That the system has no more room, descriptors or memory for them is no fault of an original, nor of its source.
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

#: What of a file that is fetched is held in memory; more goes to a temporary file, bytes.
SPOOL_BYTES = 8_000_000
#: What the system says where a process, or all of them, have too much open, or take too much memory.
_SHORTAGES = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS}


def raise_shortage(error: BaseException) -> None:
    """Raises Busy where the system could not give what opening anything takes, whatever was to be opened."""
    cause: BaseException | None = error
    # Libraries put errors of their own around it.
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in _SHORTAGES:
            raise Busy(f"the system is short of something: {cause!r:.300}") from error
        cause = cause.__cause__ or cause.__context__


@contextmanager
def own_files() -> Iterator[None]:
    """What is done to files of our own in here. Raises Busy for what the system says; else nothing of its own."""
    try:
        yield
    except OSError as error:
        # What Pillow says of its encoders is without a number.
        if error.errno is None:
            raise
        raise Busy(f"a file of our own: {error!r}") from error


@contextmanager
def open_scratch() -> Iterator[BinaryIO]:
    """A file with a descriptor, in memory where the system has such. Raises Busy, also for what is done to it."""
    with own_files():
        file = _open_in_memory() or tempfile.TemporaryFile()  # noqa: SIM115  # closed below
        try:
            yield file
        finally:
            # What could not be written would be tried again.
            with suppress(OSError):
                file.close()


class Spool:
    """What has been fetched until now."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(SPOOL_BYTES)  # noqa: SIM115  # closed by `close`
        self.length = 0

    def append(self, content: bytes) -> None:
        """Raises Busy."""
        with own_files():
            self._file.seek(self.length)
            self._file.write(content)
            # Here, not when it is next read.
            self._file.flush()
        self.length += len(content)

    def read(self, position: int, size: int = -1) -> bytes:
        """Raises Busy."""
        with own_files():
            self._file.seek(position)
            return self._file.read(size)

    def close(self) -> None:
        with suppress(OSError):
            self._file.close()


def _open_in_memory() -> BinaryIO | None:
    # Some containers forbid it.
    with suppress(OSError, AttributeError):
        return open(os.memfd_create("resizer"), "w+b")
    return None
