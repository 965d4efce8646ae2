"""What a source can do."""

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
    """A place of originals. Keyword arguments of its class are its `OPTIONS`.

    Every method that takes a name raises OriginalNotFound, SourceFailed, SourceTimedOut or Busy, `open` also
    TooManyBytes, and nothing else. So does reading what was opened.
    """

    def claims(self, storage: Storage) -> bool:
        """Whether a file of a model field in this storage is an original of this source."""
        ...

    def spell(self, name: str) -> str:
        """The one spelling of a name that a template may write otherwise; what is no name stays as it is.

        The other methods take this spelling alone: each other one would be an original more. This one raises nothing.
        """
        ...

    def stat(self, name: str, known: str | None = None) -> Stat:
        """`known` is a fingerprint that this source told before: it may ask whether that still holds."""
        ...

    def open(self, name: str) -> AbstractContextManager[BinaryIO]:
        """The original's file, seekable. One on the local disk has a `fileno`.

        One that cannot change while it is read may have the `fingerprint` that `stat` would have told of it.
        """
        ...

    def url(self, name: str) -> str:
        """Where a browser finds the original itself."""
        ...


@runtime_checkable
class ListableSource(Source, Protocol):
    """One that can say what it has; a source need not."""

    def names(self) -> Iterator[str]:
        """Of all files, pictures or not. Raises SourceFailed, SourceTimedOut, Busy; NotImplementedError where it cannot."""
        ...


@runtime_checkable
class AddressableSource(Source, Protocol):
    """One that knows its originals by the URLs that browsers find them at; a source need not."""

    def name_of(self, url: str) -> str | None:
        """The name behind a URL without query and fragment: a path, or "//host/path". None for a foreign one."""
        ...


@runtime_checkable
class BulkSource(Source, Protocol):
    """One that is asked for many names sooner than for each; a source need not."""

    def stat_many(self, names: Iterable[str]) -> Iterator[tuple[str, Stat | ResizerError]]:
        """Each name with what `stat` says or raises, in any order."""
        ...


def stat_each(
    source: Source, names: Iterable[str], known: Mapping[str, str]
) -> Iterator[tuple[str, Stat | ResizerError]]:
    """The same of any source; `known` has fingerprints, by name."""
    if isinstance(source, BulkSource):
        yield from source.stat_many(names)
        return
    for name in names:
        yield name, try_stat(partial(source.stat, known=known.get(name)), name)


def try_stat(stat: Callable[[str], Stat], name: str) -> Stat | ResizerError:
    try:
        return stat(name)
    except ResizerError as error:
        return error
