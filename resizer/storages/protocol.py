"""What a kind of storage does in its own way, and the values in which it tells of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager

    from django.core.files.storage import Storage

    from resizer.formats import Format
    from resizer.storages.contents import Content

    #: What a request is sent within.
    Sending = Callable[[], AbstractContextManager[None]]

#: A key says which version it is of, so what is under it never changes.
FOREVER = "public, max-age=31536000, immutable"


class Stored(NamedTuple):
    """A file in a storage."""

    name: str
    bytes: int
    #: POSIX seconds; the present where the storage does not tell.
    modified_at: float
    #: As the storage tells it to a browser, without quotes; None where storages tell none.
    etag: str | None = None


class Stat(NamedTuple):
    """What is known of an original without opening it."""

    bytes: int
    #: Changes when the file's bytes do, as far as its source can tell.
    fingerprint: str


class Reading(NamedTuple):
    """How a source reads its originals."""

    #: Larger originals are refused, bytes.
    max_bytes: int
    #: Links may lead out of the storage.
    follows_links: bool = False
    #: Equal bytes have one fingerprint, whenever they were written.
    by_content: bool = False


class Kind(Protocol):
    """One kind of storage: local files, buckets of S3, or any other storage of Django's.

    Methods raise Python's own errors, or those of the storage's library. `publishing` makes them StoreFailed, and
    `sources` makes them errors of an original.
    """

    @property
    def is_local(self) -> bool:
        """The files are on this machine: to list and to ask costs nothing."""
        ...

    @property
    def names_are_paths(self) -> bool:
        """Whether "a//b" and "a/./b" are no other files than "a/b"."""
        ...

    @property
    def has_unsigned_urls(self) -> bool:
        """A bucket answers browsers by itself without a signature, so its objects have to be public."""
        ...

    @property
    def for_variants(self) -> Storage | None:
        """A storage for the variants of originals in this one, if STORAGES has no entry for them. None without a default."""
        ...

    @property
    def place(self) -> tuple[object, ...] | None:
        """Where the files are, to be compared with other storages of the class; None where nothing tells that."""
        ...

    def lasting_place(self, project: str | None) -> tuple[object, ...] | None:
        """`place`, the same on every host and in every release; None where that cannot be.

        `project` is the directory of the project.
        """
        ...

    # --- variants

    def publish(self, key: str, content: bytes, written_as: Format) -> Stored | None:
        """Save content whole or not at all; None where something is there already, which stays."""
        ...

    def fetch(self, key: str) -> tuple[bytes, Stored] | None:
        """Content and what is told of it, asked for once; None if nothing is there."""
        ...

    def exists(self, key: str) -> bool: ...

    def missing(self, keys: Iterable[str]) -> list[str]:
        """Those under which nothing is."""
        ...

    def walk(self, directory: str = "", after: str = "") -> Iterator[Stored]:
        """All files below a directory in the storage's order, temporary ones as well; those after one.

        What is deleted meanwhile is no error, and does not end it.
        """
        ...

    def remove(self, keys: Iterable[str]) -> None:
        """Delete files, those that exist, and the directories that this empties."""
        ...

    def url(self, key: str) -> str | None:
        """Where the storage itself answers a file; None where it answers none."""
        ...

    # --- originals

    def is_absent(self) -> bool:
        """Whether the directory or the bucket as a whole is not there, as far as that can be told."""
        ...

    def stat(self, name: str, reading: Reading) -> Stat: ...

    def stat_many(
        self, names: Iterable[str], reading: Reading, sending: Sending
    ) -> Iterator[tuple[str, Callable[[], Stat]]]:
        """Each name, in the order that costs least, and how to ask for it then. Each request is sent within `sending`."""
        ...

    def open(self, name: str, reading: Reading) -> AbstractContextManager[Content]:
        """The content of a file. Raises TooManyBytes if the storage tells a larger length than `reading` allows."""
        ...

    def names(self) -> Iterator[str]:
        """Of all files, as the storage lists them. Follows links to directories."""
        ...
