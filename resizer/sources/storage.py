"""Originals in one of Django's storages, such as the files of a model field."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, cast
from urllib.parse import unquote

from django.core.files.storage import storages

from resizer.conf import get_settings
from resizer.errors import ResizerError, SourceFailed
from resizer.keys.names import tidy_name
from resizer.sources import absence
from resizer.sources.bulkhead import one_fetch_from
from resizer.sources.files import OriginalFile, listing_errors, storage_errors
from resizer.sources.identity import is_same, own_alias
from resizer.sources.protocol import try_stat
from resizer.storages.kinds import kind_of
from resizer.storages.protocol import Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from django.core.files.storage import Storage

    from resizer.storages.protocol import Kind, Stat


class _Open:
    is_over = False


class _Thread(threading.local):
    open: _Open | None = None

    @property
    def is_reading(self) -> bool:
        return self.open is not None and not self.open.is_over


class StorageSource:
    """The files of a storage. `storage` is an alias in `STORAGES`, or a storage object.

    In a directory, links are followed within it. With `follow_symlinks`, all links are followed.
    With `by_content`, a local file is read to find its version, so that equal bytes have the same version. Their time does
    not count.
    """

    def __init__(
        self,
        storage: str | Storage = "default",
        *,
        follow_symlinks: bool = False,
        by_content: bool = False,
    ) -> None:
        # The text "False" is true, and would follow links by mistake.
        for option, value in (("follow_symlinks", follow_symlinks), ("by_content", by_content)):
            if not isinstance(value, bool):
                raise TypeError(f"{option} must be True or False, not {value!r}")
        self._storage = storage
        self._follows_all = follow_symlinks
        self._by_content = by_content
        self._this_thread = _Thread()

    @property
    def storage(self) -> Storage:
        """The storage object. Raises InvalidStorageError for an unknown alias, and the errors of the storage's setup."""
        # Not cached, because Django rebuilds its storages when settings change.
        return storages[self._storage] if isinstance(self._storage, str) else self._storage

    @property
    def _kind(self) -> Kind:
        """Raises SourceFailed if the storage cannot be loaded. A system check reports it too."""
        try:
            return kind_of(self.storage)
        except Exception as error:
            # The project's own code can raise anything.
            text = f"the storage cannot be loaded: {type(error).__name__}: {error}"
            raise SourceFailed(text) from error

    @property
    def _loaded_kind(self) -> Kind | None:
        """None if the storage cannot be loaded."""
        with suppress(SourceFailed):
            return self._kind
        return None

    @property
    def _options(self) -> Reading:
        return Reading(get_settings().MAX_BYTES, self._follows_all, self._by_content)

    @property
    def is_local(self) -> bool:
        kind = self._loaded_kind
        return kind is not None and kind.is_local

    def claims(self, storage: Storage) -> bool:
        """Whether `storage` is this storage, or another object for the same place."""
        return self._loaded_kind is not None and is_same(storage, self.storage)

    def spell(self, name: str) -> str:
        """Tidy a name if the storage does so itself; in a bucket, `a//b` and `a/b` are two files."""
        kind = self._loaded_kind
        return tidy_name(name) if kind is not None and kind.names_are_paths else name

    def stat(self, name: str, known: str | None = None) -> Stat:
        """Return size and fingerprint: from size and time, or ETag; with `by_content` from the bytes.

        If the original is `known`, an empty directory counts as a disk that is not mounted.
        """
        # A thread with an open file may call this too.
        with (
            self._fetch_unless_reading(),
            storage_errors(name),
            self._absence(had_files=known is not None),
        ):
            return self._kind.stat(name, self._options)

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """Open an original. A remote file counts as a fetch until it was read to its end."""
        with ExitStack() as stack, ExitStack() as fetch:
            fetch.enter_context(self._one_fetch())
            stack.enter_context(self._reading())
            # Only an original that was there a moment ago is opened.
            with storage_errors(name), self._absence(had_files=True):
                content = stack.enter_context(self._kind.open(name, self._options))
            yield cast("BinaryIO", OriginalFile(content, name, fetch.close))

    @contextmanager
    def _absence(self, *, had_files: bool) -> Iterator[None]:
        """Raise SourceFailed if the directory or the bucket is absent: then a missing file means nothing."""
        try:
            yield
        except (FileNotFoundError, NotADirectoryError) as error:
            if self._kind.is_absent(had_files=had_files):
                absence.tell(self._name, error)
                raise SourceFailed(f"the storage is empty or missing: {error}") from error
            raise

    @contextmanager
    def _reading(self) -> Iterator[None]:
        if self._this_thread.is_reading:
            yield
            return
        opened = self._this_thread.open = _Open()
        try:
            yield
        finally:
            # Perhaps in another thread: any thread may close a file.
            opened.is_over = True

    def names(self) -> Iterator[str]:
        """The names of all files, in the order of the storage.

        Links are listed wherever they lead; `open` refuses links out of the directory, unless `follow_symlinks` is on. Raises
        SourceFailed, SourceTimedOut; NotImplementedError if the storage cannot list.
        """
        with listing_errors():
            yield from self._kind.names()

    def stat_many(self, names: Iterable[str]) -> Iterator[tuple[str, Stat | ResizerError]]:
        """Yield each name with its Stat or its error.

        A bucket is listed where the names are: one request for up to 1000 names. An absent storage is not detected here:
        `maintenance/presence.py` notices that most names are missing.
        """
        if self._loaded_kind is None:
            yield from ((name, try_stat(self.stat, name)) for name in names)
            return
        asking = self._kind.stat_many(names, self._options, self._fetch_unless_reading)
        yield from ((name, try_stat(partial(_ask, ask), name)) for name, ask in asking)

    def _fetch_unless_reading(self) -> AbstractContextManager[None]:
        # A thread with an open file already counts as a fetch.
        return nullcontext() if self._this_thread.is_reading else self._one_fetch()

    def _one_fetch(self) -> AbstractContextManager[None]:
        if self._kind.is_local:
            return nullcontext()
        return one_fetch_from(f"storage {self._name!r}")

    @property
    def _name(self) -> str | None:
        return self._storage if isinstance(self._storage, str) else own_alias(self._storage)

    def url(self, name: str) -> str:
        """The storage's own URL of a file. A bucket may sign it."""
        with storage_errors(name):
            return self.storage.url(name)

    def name_of(self, url: str) -> str | None:
        """The name below the storage's base URL. None for another URL, and if the storage signs its URLs.

        Security: anybody can write the URL of a private file. Only its signature shows who may see it, and nothing here can
        check that.
        """
        base = self._base_url().removeprefix("https:").removeprefix("http:")
        # Without MEDIA_URL, every path of the site would be a media file.
        if base in {"", "/"} or not url.startswith(base):
            return None
        # A query is the version of a file for browsers.
        return self.spell(unquote(url.removeprefix(base).partition("?")[0]))

    def _base_url(self) -> str:
        """The URL before all names; empty if there is none, if URLs are signed, or if the storage cannot be loaded."""
        if self._loaded_kind is None:
            return ""
        base = getattr(self.storage, "base_url", None)
        if base is not None:
            return str(base)
        # A bucket has no such attribute, and may sign each URL by a query.
        with suppress(ResizerError):
            url = self.url("x")
            return "" if "?" in url else url.removesuffix("x")
        return ""


def _ask(ask: Callable[[], Stat], name: str) -> Stat:
    with storage_errors(name):
        return ask()
