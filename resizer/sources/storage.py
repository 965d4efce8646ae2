"""Originals in one of Django's storages, as file fields keep them."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, cast

from django.core.exceptions import SuspiciousOperation
from django.core.files.storage import FileSystemStorage, storages

from resizer.errors import OriginalNotFound, SourceFailed, SourceTimedOut
from resizer.sources.protocol import Stat

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.core.files.storage import Storage

_NOT_FOUND = (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)


class StorageSource:
    """`storage` is an alias in `STORAGES`."""

    def __init__(self, storage: str = "default") -> None:
        self._alias = storage

    @property
    def storage(self) -> Storage:
        # Asked for each time, because Django rebuilds its storages when settings change.
        return storages[self._alias]

    def claims(self, storage: Storage) -> bool:
        # Compared from the right: Django's lazy default storage unwraps itself to be compared.
        return bool(storage == self.storage)

    def stat(self, name: str) -> Stat:
        with _errors(name):
            if isinstance(self.storage, FileSystemStorage):
                status = os.stat(self.storage.path(name))
                if not stat.S_ISREG(status.st_mode):
                    # A directory; or a pipe, of which the reader would wait for ever.
                    raise IsADirectoryError(name)
                return Stat(status.st_size, f"{status.st_size}-{status.st_mtime_ns}")
            size = self.storage.size(name)
            modified_at = self.storage.get_modified_time(name).timestamp()
            return Stat(size, f"{size}-{modified_at}")

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        with _errors(name):
            file = self.storage.open(name)
            # Django's File wraps the real one, which a remote storage fetches when first asked for it.
            content = cast("BinaryIO", file.file)
        with file:
            yield content

    def url(self, name: str) -> str:
        with _errors(name):
            return self.storage.url(name)


@contextmanager
def _errors(name: str) -> Iterator[None]:
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
        if error.errno == errno.ENAMETOOLONG:
            raise OriginalNotFound(f"{shown!r}: {error}") from error
        raise SourceFailed(f"{shown!r}: {error}") from error
    except Exception as error:
        # A storage's library raises classes of its own, of which we know nothing.
        raise SourceFailed(f"{shown!r}: {error}") from error
