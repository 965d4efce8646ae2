"""Opened originals, and storages' errors as our errors."""

from __future__ import annotations

import errno
import io
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.core.exceptions import SuspiciousOperation

from resizer.errors import OriginalNotFound, ResizerError, SourceFailed, SourceTimedOut
from resizer.scratch import raise_shortage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from resizer.storages.contents import Content

_NOT_FOUND = (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)


class OriginalFile(io.RawIOBase):
    """An opened original. Reading raises SourceFailed or SourceTimedOut, so a decoder cannot take it for a broken original."""

    def __init__(
        self, content: Content, name: str, on_end: Callable[[], object] | None = None
    ) -> None:
        """`on_end` is called when the file has been read to its end."""
        self._content = content
        self._name = name
        self._on_end = on_end
        self._position = 0
        self._length: int | None = None
        self.fingerprint = content.fingerprint
        #: Raises OSError for a remote or decompressed file.
        self.fileno = content.fileno  # type: ignore[method-assign]

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Raises SourceFailed, SourceTimedOut or Busy, if the end of the file is not known yet."""
        start = self._position if whence == os.SEEK_CUR else 0
        if whence == os.SEEK_END:
            with self._errors():
                start = self._length = self._content.length()
        self._position = max(0, start + offset)
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """Raises SourceFailed, SourceTimedOut, TooManyBytes or Busy."""
        size = -1 if size is None else size
        with self._errors():
            content = self._content.read(self._position, size)
        self._position += len(content)
        if self._on_end is not None and (size < 0 or self._position == self._length):
            # Decoding may take longer than the fetch.
            self._on_end()
        return content

    def readinto(self, buffer: Any) -> int:
        content = self.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (MemoryError, ResizerError):
            raise
        except Exception as error:
            raise _failure(error, f"{self._name!r}: {error}") from error


@contextmanager
def storage_errors(name: str) -> Iterator[None]:
    """Turn a storage's errors into OriginalNotFound, SourceFailed, SourceTimedOut or Busy."""
    try:
        yield
    except ResizerError:
        raise
    except Exception as error:
        text = f"{name[:200]!r}: {error}"
        failure = _failure(error, text)
        raise (OriginalNotFound(text) if _is_refused(error) else failure) from error


def _failure(error: Exception, text: str) -> ResizerError:
    """Our error for one of a storage's library, whose classes are unknown. Raises Busy for a shortage."""
    raise_shortage(error)
    return (SourceTimedOut if isinstance(error, TimeoutError) else SourceFailed)(text)


def _is_refused(error: Exception) -> bool:
    """Whether a storage lacks or refuses a name: traversal, NUL bytes, directories. Both look the same from outside."""
    kinds = (*_NOT_FOUND, SuspiciousOperation, ValueError)
    return isinstance(error, kinds) or (
        getattr(error, "errno", None) in {errno.ENAMETOOLONG, errno.ELOOP}
    )


@contextmanager
def listing_errors() -> Iterator[None]:
    """Turn errors of a listing into SourceFailed, SourceTimedOut or Busy: a failed listing is not an empty one."""
    try:
        yield
    except (NotImplementedError, ResizerError):
        # Django's storages raise NotImplementedError if they cannot list.
        raise
    except Exception as error:
        raise _failure(error, str(error)) from error
