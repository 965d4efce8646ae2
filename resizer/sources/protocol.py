"""The protocol of a source."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from resizer.errors import ResizerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from typing import BinaryIO

    from django.core.files.storage import Storage

    from resizer.storages.protocol import Stat


class Source(Protocol):
    """A place of originals. `OPTIONS` are the keyword arguments of its class.

    `stat`, `open` and `url` raise OriginalNotFound, SourceFailed, SourceTimedOut or Busy, `open` also TooManyBytes, and
    nothing else. So does reading an opened file.
    """

    def claims(self, storage: Storage) -> bool:
        """Whether a file of a model field in this storage is an original of this source. Raises nothing."""
        ...

    def spell(self, name: str) -> str:
        """Return the one spelling of a name. Templates may write others. An invalid name stays the same. Raises nothing.

        The other methods take only this spelling: every other spelling would be another original.
        """
        ...

    def stat(self, name: str, known: str | None = None) -> Stat:
        """Return size and fingerprint of an original.

        `known` is an earlier fingerprint of this source, or empty if the original was there, but with an unknown one. A source
        may use it to ask only for changes.
        """
        ...

    def open(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Open an original, seekable. A local file has a `fileno`.

        A file that cannot change while it is read may have the `fingerprint` of its `stat`.
        """
        ...

    def url(self, name: str) -> str:
        """The URL of the original itself, for a browser."""
        ...


@runtime_checkable
class ListableSource(Source, Protocol):
    """A source with a list of its files. Optional."""

    def names(self) -> Iterator[str]:
        """The names of all files, images or not.

        Raises SourceFailed, SourceTimedOut, Busy; NotImplementedError if its storage cannot list.
        """
        ...


@runtime_checkable
class SourceWithURLs(Source, Protocol):
    """A source able to find the name of an original by its URL. Optional."""

    def name_of(self, url: str) -> str | None:
        """The name of the original at a URL. None for a URL of another site or source.

        `url` is a path or "//host/path", perhaps with a query, without a fragment.
        """
        ...


@runtime_checkable
class BulkSource(Source, Protocol):
    """A source with a faster `stat` for many names. Optional."""

    def stat_many(self, names: Iterable[str]) -> Iterator[tuple[str, Stat | ResizerError]]:
        """Yield each name with its Stat, or with the error of its `stat`. In any order."""
        ...


@runtime_checkable
class NearbySource(Source, Protocol):
    """A source that may have its files on this machine. Optional."""

    @property
    def is_local(self) -> bool:
        """Whether `stat` asks no other machine."""
        ...


def stat_each(
    source: Source, names: Iterable[str], known: Mapping[str, str]
) -> Iterator[tuple[str, Stat | ResizerError]]:
    """Yield each name with its Stat or its error, for any source. `known` has fingerprints by name."""
    if isinstance(source, BulkSource):
        yield from source.stat_many(names)
        return
    for name in names:
        yield name, try_stat(partial(source.stat, known=known.get(name)), name)


def try_stat(stat: Callable[[str], Stat], name: str) -> Stat | ResizerError:
    """Return the ResizerError instead of raising it."""
    try:
        return stat(name)
    except ResizerError as error:
        return error
