"""Originals in one of Django's storages, as file fields keep them."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, BinaryIO, cast

from django.core.exceptions import SuspiciousOperation
from django.core.files.storage import FileSystemStorage, storages

from resizer.buckets import bucket_of
from resizer.conf import get_settings
from resizer.errors import OriginalNotFound, SourceFailed, SourceTimedOut, TooManyBytes
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
                _refuse_irregular(status)
                return Stat(status.st_size, f"{status.st_size}-{status.st_mtime_ns}")
            bucket = bucket_of(self.storage)
            if bucket is not None:
                facts = bucket.stat(name)
                return Stat(facts.length, facts.fingerprint)
            size = self.storage.size(name)
            modified_at = self.storage.get_modified_time(name).timestamp()
            return Stat(size, f"{size}-{modified_at}")

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        bucket = bucket_of(self.storage)
        with ExitStack() as stack:
            if bucket is not None:
                with _errors(name):
                    download = stack.enter_context(bucket.open(name))
                if download.facts.length > get_settings().MAX_BYTES:
                    raise TooManyBytes(f"{name[:200]!r} has {download.facts.length} bytes")
                content, fingerprint = cast("BinaryIO", download), download.facts.fingerprint
                yield cast("BinaryIO", _Reader(content, name, fingerprint))
                return
            with _errors(name):
                content = self._open_file(name, stack)
            yield cast("BinaryIO", _Reader(content, name))

    def _open_file(self, name: str, stack: ExitStack) -> BinaryIO:
        if isinstance(self.storage, FileSystemStorage):
            return stack.enter_context(open(self.storage.path(name), "rb", opener=_open_regular))
        file = stack.enter_context(self.storage.open(name))
        # Django's File wraps the real one, which a remote storage fetches when first asked for it.
        return cast("BinaryIO", file.file)

    def url(self, name: str) -> str:
        with _errors(name):
            return self.storage.url(name)


class _Reader:
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
        if error.errno in {errno.ENAMETOOLONG, errno.ELOOP}:
            raise OriginalNotFound(f"{shown!r}: {error}") from error
        raise SourceFailed(f"{shown!r}: {error}") from error
    except Exception as error:
        # A storage's library raises classes of its own, of which we know nothing.
        raise SourceFailed(f"{shown!r}: {error}") from error
