"""Variants and originals as files in a local directory."""

from __future__ import annotations

import contextlib
import functools
import os
import secrets
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from django.core.files.storage import FileSystemStorage

from resizer.storages import directories
from resizer.storages.contents import FileContent
from resizer.storages.local import open_file, stat_content, stat_file
from resizer.storages.protocol import Stored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from django.core.files.storage import Storage

    from resizer.formats import Format
    from resizer.storages.contents import Content
    from resizer.storages.protocol import Reading, Sending, Stat

#: Directory for variants among the originals, for projects without an entry for variants in STORAGES.
VARIANTS_DIRECTORY = "_resized"
#: Flags to read a file: not by other programs, and on Windows without a change of its line ends.
_READ = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class Files:
    """The files of a `FileSystemStorage`.

    If the process is killed or the disk is full, Django's own `save` can leave half a file under the final name. And
    each concurrent writer gets a file with a random suffix.
    """

    is_local = True
    names_are_paths = True
    has_unsigned_urls = False

    def __init__(self, storage: FileSystemStorage) -> None:
        self._storage = storage

    @property
    def for_variants(self) -> Storage:
        return _variants_below(str(self._storage.location))

    @property
    def place(self) -> tuple[object, ...] | None:
        # There is no location without STATIC_ROOT.
        return (self._storage.location,) if self._storage.location else None

    def lasting_place(self, project: str | None) -> tuple[object, ...] | None:
        if not self._storage.location:
            return None
        path = Path(self._storage.location)
        if project is not None and path.is_relative_to(project):
            # The project's directory differs between releases and hosts.
            return (path.relative_to(project).as_posix(),)
        return (str(self._storage.location),)

    def publish(
        self, key: str, content: bytes, written_as: Format, made_at: float | None = None
    ) -> Stored | None:
        """Write a temporary file, then link it. So a name appears with all its bytes, and the first writer wins."""
        path = Path(self._storage.path(key))
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
        try:
            try:
                new, modified_at = self._begin(temporary, content, made_at)
            except FileNotFoundError:
                # A purge has just deleted the directory, because it was empty.
                new, modified_at = self._begin(temporary, content, made_at)
            try:
                os.link(temporary, path)
            except FileExistsError:
                return None
            except (AttributeError, OSError):
                # Some systems and network shares have no hard links. Then the last writer wins, with the same picture.
                temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        _flush(path.parent)
        for directory in new:
            # Flush the parent too, or a power cut could lose the new directory.
            _flush(directory.parent)
        return _stored(key, len(content), modified_at)

    def etag_of(self, content: bytes, made_at: float) -> str | None:
        return _stored("", len(content), made_at).etag

    def fetch(self, key: str) -> tuple[bytes, Stored] | None:
        try:
            content, status = _read(_path(self._storage, str(self._storage.location), key))
        except FileNotFoundError:
            return None
        return content, _stored(key, len(content), status.st_mtime)

    def exists(self, key: str) -> bool:
        return self._storage.exists(key)

    def missing(self, keys: Iterable[str]) -> list[str]:
        return [key for key in keys if not self._storage.exists(key)]

    def walk(self, directory: str = "", after: str = "") -> Iterator[Stored]:
        # Raises for names that the storage refuses.
        self._storage.path(directory)
        root = str(self._storage.location)
        for name in directories.walk(root, directory, directories.below(directory, after)):
            # Another process may delete it meanwhile.
            with contextlib.suppress(FileNotFoundError):
                status = os.lstat(os.path.join(root, name))
                yield Stored(name, status.st_size, status.st_mtime, read_at=status.st_atime)

    def remove(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._storage.delete(key)
            self._remove_empty_directories(key)

    def url(self, key: str) -> None:
        """None. Only a web server before the app may have URLs for them."""

    def is_absent(self, *, had_files: bool) -> bool:
        try:
            with os.scandir(self._storage.location) as entries:
                return had_files and next(entries, None) is None
        except OSError:
            # It may be there, but only its files can be read.
            return not os.path.isdir(self._storage.location)

    def stat(self, name: str, reading: Reading) -> Stat:
        path, bound = self._storage.path(name), self._bound(reading)
        if reading.by_content:
            return stat_content(path, reading.max_bytes, bound)
        return stat_file(path, bound)

    def stat_many(
        self, names: Iterable[str], reading: Reading, sending: Sending
    ) -> Iterator[tuple[str, Callable[[], Stat]]]:
        return ((name, partial(self.stat, name, reading)) for name in names)

    @contextmanager
    def open(self, name: str, reading: Reading) -> Iterator[Content]:
        with open_file(self._storage.path(name), self._bound(reading)) as file:
            yield FileContent(file)

    def names(self) -> Iterator[str]:
        return directories.walk_linked(self._storage.location)

    def _bound(self, reading: Reading) -> str | None:
        """The directory for all links, or None."""
        return None if reading.follows_links else str(self._storage.location)

    def _begin(self, path: Path, content: bytes, made_at: float | None) -> tuple[list[Path], float]:
        """Write a new file, and make its directories. Returns the new directories, and the file's time."""
        new = self._make_directories(path.parent)
        return new, _write(path, content, self._storage.file_permissions_mode, made_at)

    def _make_directories(self, directory: Path) -> list[Path]:
        """Make a directory and its parents. Returns the new ones."""
        mode = self._storage.directory_permissions_mode
        missing = [parent for parent in (directory, *directory.parents) if not parent.exists()]
        directory.mkdir(parents=True, exist_ok=True)
        if mode is not None:
            for parent in missing:
                parent.chmod(mode)
        return missing

    def _remove_empty_directories(self, key: str) -> None:
        root = str(self._storage.location)
        directory = os.path.dirname(self._storage.path(key))
        with contextlib.suppress(OSError):
            # Stops with OSError at the first directory that is not empty.
            while directory != root:
                os.rmdir(directory)
                directory = os.path.dirname(directory)


@functools.lru_cache(maxsize=16)
def _variants_below(location: str) -> FileSystemStorage:
    return FileSystemStorage(location=Path(location) / VARIANTS_DIRECTORY)


# Django's `path` takes as long as to open the file.
@functools.lru_cache(maxsize=4096)
def _path(storage: FileSystemStorage, location: str, name: str) -> str:
    """The path of a name. `location` is part of the memo, because tests move storages."""
    return storage.path(name)


def _read(path: str) -> tuple[bytes, os.stat_result]:
    """The content and the status of a file. Takes a third of the time of `open`, `read` and `fstat`."""
    descriptor = os.open(path, _READ)
    try:
        status = os.fstat(descriptor)
        content = os.read(descriptor, status.st_size)
        # A system may read large files in several parts.
        while len(content) < status.st_size and (more := os.read(descriptor, status.st_size)):
            content += more
    finally:
        os.close(descriptor)
    return content, status


def _stored(key: str, length: int, modified_at: float) -> Stored:
    """A stored file. Its ETag is the one of nginx, so that a client gets the same from nginx and from the app."""
    return Stored(key, length, modified_at, f"{int(modified_at):x}-{length:x}")


def _write(path: Path, content: bytes, mode: int | None, made_at: float | None) -> float:
    """Write a new file to disk. Returns its modification time, POSIX seconds. `made_at` sets it."""
    # 0o666 minus the umask, like any new file. The storage's own mode replaces it.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    with open(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        if mode is not None:
            os.chmod(path, mode)
        if made_at is not None:
            os.utime(path, (made_at, made_at))
        # Otherwise, a power cut can leave an empty file.
        os.fsync(descriptor)
        return os.fstat(descriptor).st_mtime


def _flush(directory: Path) -> None:
    """Write a directory to disk, so that a new name in it survives a power cut."""
    # It may belong to another user, and be unreadable. Windows opens no directory. A purge may have deleted it.
    with contextlib.suppress(FileNotFoundError, PermissionError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
