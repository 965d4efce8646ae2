"""Any other storage, by the methods of every Django storage."""

from __future__ import annotations

import contextlib
import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, cast

from django.core.files.base import ContentFile

from resizer.storages import directories
from resizer.storages.contents import FileContent
from resizer.storages.protocol import Stat, Stored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from django.core.files.storage import Storage

    from resizer.formats import Format
    from resizer.storages.contents import Content
    from resizer.storages.protocol import Reading, Sending


class AnyStorage:
    """A storage of an unknown class. A failed save may leave half a file, so it is deleted."""

    is_local = False
    #: It may hold both spellings, as two files.
    names_are_paths = False
    has_unsigned_urls = False
    for_variants: Storage | None = None

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    @property
    def place(self) -> tuple[object, ...] | None:
        return known_place(self._storage)

    def lasting_place(self, project: str | None) -> None:
        return None

    def publish(
        self, key: str, content: bytes, written_as: Format, made_at: float | None = None
    ) -> Stored | None:
        file = ContentFile(content, name=key)
        # Object storages keep the type. Guessed from the name, it can be wrong or missing.
        file.content_type = written_as.content_type  # type: ignore[attr-defined]
        started_at = time.time()
        try:
            saved = self._storage.save(key, file)
        except Exception:
            # A web server could find half a file. If another process wrote the file, it is made again.
            with contextlib.suppress(Exception):
                self._storage.delete(key)
            raise
        if saved != key:
            # Another process was first, and the storage invented a name for our file.
            self._storage.delete(saved)
            return None
        return Stored(key, len(content), started_at)

    def etag_of(self, content: bytes, made_at: float) -> None:
        """None: an unknown storage tells no ETag."""

    def fetch(self, key: str) -> tuple[bytes, Stored] | None:
        try:
            with self._storage.open(key) as file:
                content = bytes(file.read())
            return content, Stored(key, len(content), self._modified_at(key))
        except FileNotFoundError:
            return None

    def exists(self, key: str) -> bool:
        return self._storage.exists(key)

    def missing(self, keys: Iterable[str]) -> list[str]:
        return [key for key in keys if not self._storage.exists(key)]

    def walk(self, directory: str = "", after: str = "") -> Iterator[Stored]:
        below = directories.below(directory, after)
        for name in directories.walk_storage(self._storage, directory, below):
            with contextlib.suppress(FileNotFoundError):
                yield Stored(name, self._storage.size(name), self._modified_at(name))

    def remove(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._storage.delete(key)

    def url(self, key: str) -> str | None:
        try:
            return self._storage.url(key)
        except NotImplementedError:
            # Django's storages without URLs raise it.
            return None

    def is_absent(self, *, had_files: bool) -> bool:
        return False

    def stat(self, name: str, reading: Reading) -> Stat:
        size = self._storage.size(name)
        try:
            modified_at = self._storage.get_modified_time(name).timestamp()
        except NotImplementedError:
            # Without a time, only another length shows a new version.
            return Stat(size, str(size))
        return Stat(size, f"{size}-{modified_at}")

    def stat_many(
        self, names: Iterable[str], reading: Reading, sending: Sending
    ) -> Iterator[tuple[str, Callable[[], Stat]]]:
        return ((name, partial(self._stat_within, sending, name, reading)) for name in names)

    def _stat_within(self, sending: Sending, name: str, reading: Reading) -> Stat:
        with sending():
            return self.stat(name, reading)

    @contextmanager
    def open(self, name: str, reading: Reading) -> Iterator[Content]:
        with self._storage.open(name) as file:
            # Django's File wraps the real file. A remote storage may fetch it only now.
            yield FileContent(cast("BinaryIO", file.file))

    def names(self) -> Iterator[str]:
        return directories.walk_storage(self._storage)

    def _modified_at(self, key: str) -> float:
        try:
            return self._storage.get_modified_time(key).timestamp()
        except NotImplementedError:
            # Django's storages without times raise it.
            return time.time()


def known_place(storage: Storage) -> tuple[object, ...] | None:
    """The bucket of a storage, or else the arguments of its class. None if both are unknown."""
    bucket = getattr(storage, "bucket_name", None)
    if bucket:
        location = getattr(storage, "location", None) or ""
        return getattr(storage, "endpoint_url", None), bucket, location.strip("/")
    if not hasattr(storage, "deconstruct"):
        return None
    try:
        return cast("tuple[object, ...]", storage.deconstruct())
    except ValueError:
        # Django raises it for a class without an import path.
        return None
