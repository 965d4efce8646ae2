"""Originals in one of Django's storages, as file fields keep them."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING, BinaryIO, cast

from django.core.files.storage import FileSystemStorage, InMemoryStorage, storages

from resizer.conf import get_settings
from resizer.errors import TooManyBytes
from resizer.keys.names import tidy_name
from resizer.sources.bulkhead import one_fetch_from
from resizer.sources.files import (
    Reader,
    listing_errors,
    open_file,
    stat_content,
    stat_file,
    storage_errors,
)
from resizer.sources.identity import is_same, own_alias
from resizer.sources.protocol import Stat, try_stat
from resizer.storages import directories
from resizer.storages.buckets import bucket_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from django.core.files.storage import Storage

    from resizer.errors import ResizerError
    from resizer.storages.buckets import Facts


class _Thread(threading.local):
    is_reading = False


class StorageSource:
    """`storage` is an alias in `STORAGES`, or a storage itself.

    In a directory, links are followed as long as they stay within it; `follow_symlinks` follows all.
    With `by_content`, equal bytes are one version, whenever they were written: a local file is read for that.
    """

    def __init__(
        self,
        storage: str | Storage = "default",
        *,
        follow_symlinks: bool = False,
        by_content: bool = False,
    ) -> None:
        # Not "False", which is true, and would open what is meant to be closed.
        for option, value in (("follow_symlinks", follow_symlinks), ("by_content", by_content)):
            if not isinstance(value, bool):
                raise TypeError(f"{option} is True or False, not {value!r}")
        self._storage = storage
        self._follows_all = follow_symlinks
        self._by_content = by_content
        self._this_thread = _Thread()

    @property
    def storage(self) -> Storage:
        # Asked for each time, because Django rebuilds its storages when settings change.
        return storages[self._storage] if isinstance(self._storage, str) else self._storage

    def claims(self, storage: Storage) -> bool:
        return is_same(storage, self.storage)

    def spell(self, name: str) -> str:
        # Other storages may hold both spellings, as two files.
        is_path = isinstance(self.storage, FileSystemStorage | InMemoryStorage)
        return tidy_name(name) if is_path or bucket_of(self.storage) is not None else name

    def stat(self, name: str, known: str | None = None) -> Stat:
        bucket = bucket_of(self.storage)
        if bucket is not None:
            with self._one_fetch(), storage_errors(name):
                facts = bucket.stat(name)
            return Stat(facts.length, self._fingerprint(facts))
        with storage_errors(name):
            if isinstance(self.storage, FileSystemStorage):
                tell = stat_content if self._by_content else stat_file
                return tell(self.storage.path(name), self._bound(self.storage))
            # A thread that has a file open asks this as well, and has had its place.
            with nullcontext() if self._this_thread.is_reading else self._one_fetch():
                return self._ask(name)

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        bucket = bucket_of(self.storage)
        with ExitStack() as stack, ExitStack() as fetch:
            fetch.enter_context(self._one_fetch())
            stack.enter_context(self._reading())
            if bucket is not None:
                with storage_errors(name):
                    download = stack.enter_context(bucket.open(name))
                if download.facts.length > get_settings().MAX_BYTES:
                    raise TooManyBytes(f"{name[:200]!r} has {download.facts.length} bytes")
                fingerprint = self._fingerprint(download.facts)
                content = cast("BinaryIO", download)
                yield cast("BinaryIO", Reader(content, name, fingerprint, fetch.close))
                return
            with storage_errors(name):
                content = self._open_file(name, stack)
            yield cast("BinaryIO", Reader(content, name, end=fetch.close))

    def _ask(self, name: str) -> Stat:
        size = self.storage.size(name)
        try:
            modified_at = self.storage.get_modified_time(name).timestamp()
        except NotImplementedError:
            # Django's word for a storage that keeps no times: a file of the same length passes for the former one.
            return Stat(size, str(size))
        return Stat(size, f"{size}-{modified_at}")

    @contextmanager
    def _reading(self) -> Iterator[None]:
        before = self._this_thread.is_reading
        self._this_thread.is_reading = True
        try:
            yield
        finally:
            self._this_thread.is_reading = before

    def names(self) -> Iterator[str]:
        """In the order of the storage. Links are followed wherever they lead: what they name is refused by `open`."""
        bucket = bucket_of(self.storage)
        with listing_errors():
            if isinstance(self.storage, FileSystemStorage):
                yield from directories.walk_linked(self.storage.location)
            elif bucket is not None:
                yield from (one.name for one in bucket.walk(""))
            else:
                yield from directories.walk_storage(self.storage)

    def stat_many(self, names: Iterable[str]) -> Iterator[tuple[str, Stat | ResizerError]]:
        """A bucket is listed where its names lie, which takes one request for up to a thousand."""
        bucket = bucket_of(self.storage)
        if bucket is None:
            yield from ((name, try_stat(self.stat, name)) for name in names)
            return
        look_up = bucket.look_up(self._one_fetch)

        def stat(name: str) -> Stat:
            with storage_errors(name):
                facts = look_up.stat(name)
            return Stat(facts.length, self._fingerprint(facts))

        yield from ((name, try_stat(stat, name)) for name in sorted(names))

    def _fingerprint(self, facts: Facts) -> str:
        # Written again, an object has another time, but of the same bytes the same ETag.
        return f"{facts.length}-{facts.etag[:64]}" if self._by_content else facts.fingerprint

    def _one_fetch(self) -> AbstractContextManager[None]:
        if isinstance(self.storage, FileSystemStorage):
            return nullcontext()
        name = self._storage if isinstance(self._storage, str) else own_alias(self._storage)
        return one_fetch_from(f"storage {name!r}")

    def _open_file(self, name: str, stack: ExitStack) -> BinaryIO:
        if isinstance(self.storage, FileSystemStorage):
            path = self.storage.path(name)
            return stack.enter_context(open_file(path, self._bound(self.storage)))
        file = stack.enter_context(self.storage.open(name))
        # Django's File wraps the real one, which a remote storage fetches when first asked for it.
        return cast("BinaryIO", file.file)

    def _bound(self, storage: FileSystemStorage) -> str | None:
        """The directory that no link may leave."""
        return None if self._follows_all else str(storage.location)

    def url(self, name: str) -> str:
        with storage_errors(name):
            return self.storage.url(name)
