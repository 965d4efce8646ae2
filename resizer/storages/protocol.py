"""The protocol of a kind of storage, and its values."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager

    from django.core.files.storage import Storage

    from resizer.formats import Format
    from resizer.storages.contents import Content

    #: Each request is sent within its result.
    Sending = Callable[[], AbstractContextManager[None]]

#: A key names its version, so its content never changes.
FOREVER = "public, max-age=31536000, immutable"


class Stored(NamedTuple):
    """A file in a storage."""

    name: str
    bytes: int
    #: POSIX seconds. The current time if the storage does not tell one.
    modified_at: float
    #: The ETag of the storage's own responses, without quotes. None if it sends none.
    etag: str | None = None
    #: When the file was last read, POSIX seconds, as far as the file system notes that. None if the storage does not tell.
    read_at: float | None = None


class Stat(NamedTuple):
    """The facts about an original, without opening it."""

    bytes: int
    #: Changes with the bytes of the file, as far as its source can tell.
    fingerprint: str


class Reading(NamedTuple):
    """How a source reads its originals."""

    #: Larger originals are refused, bytes.
    max_bytes: int
    #: Whether links may lead out of the storage.
    follows_links: bool = False
    #: Whether equal bytes have one fingerprint, whenever they were written.
    by_content: bool = False


class Kind(Protocol):
    """One kind of storage: local files, S3 buckets, memory, or any other storage of Django.

    Methods raise Python's own errors, or those of the storage's library. `publishing` turns them into StoreFailed, and
    `sources` into errors of an original.
    """

    @property
    def is_local(self) -> bool:
        """Whether the files are on this machine, so that listing and asking cost nothing."""
        ...

    @property
    def names_are_paths(self) -> bool:
        """Whether "a//b" and "a/./b" name the same file as "a/b"."""
        ...

    @property
    def has_unsigned_urls(self) -> bool:
        """Whether the URLs of the storage work in browsers without a signature, so its objects must be public."""
        ...

    @property
    def for_variants(self) -> Storage | None:
        """A storage for the variants of originals in this one, if STORAGES has no entry for them. None without a default."""
        ...

    @property
    def place(self) -> tuple[object, ...] | None:
        """The place of the files, for a comparison with other storages of the class. None if it is unknown."""
        ...

    def lasting_place(self, project: str | None) -> tuple[object, ...] | None:
        """`place`, but the same on every host and in every release. None if there is no such place.

        `project` is the directory of the project.
        """
        ...

    # --- variants

    def publish(
        self, key: str, content: bytes, written_as: Format, made_at: float | None = None
    ) -> Stored | None:
        """Save content whole or not at all. None if the key has a file already; that file stays.

        `made_at` becomes the file's time if the storage can have that, POSIX seconds.
        """
        ...

    def etag_of(self, content: bytes, made_at: float) -> str | None:
        """The likely ETag of this content once it is published, without quotes. None if the storage sends none."""
        ...

    def fetch(self, key: str) -> tuple[bytes, Stored] | None:
        """The content and facts of a file, with one request. None if it is missing."""
        ...

    def exists(self, key: str) -> bool:
        """Whether a key has a file."""
        ...

    def missing(self, keys: Iterable[str]) -> list[str]:
        """The keys without a file."""
        ...

    def walk(self, directory: str = "", after: str = "") -> Iterator[Stored]:
        """All files below a directory after a name, in the storage's order. Includes temporary files.

        Files may be deleted meanwhile.
        """
        ...

    def remove(self, keys: Iterable[str]) -> None:
        """Delete files, and directories left empty. Missing files are no error."""
        ...

    def url(self, key: str) -> str | None:
        """The storage's own URL of a file. None if it has no URLs."""
        ...

    def is_absent(self, *, had_files: bool) -> bool:
        """Whether the whole directory or bucket is missing, as far as the storage can tell.

        An empty directory that `had_files` counts as missing: it looks so where a disk is not mounted.
        """
        ...

    # --- originals

    def stat(self, name: str, reading: Reading) -> Stat:
        """The facts about a file, without opening it."""
        ...

    def stat_many(
        self, names: Iterable[str], reading: Reading, sending: Sending
    ) -> Iterator[tuple[str, Callable[[], Stat]]]:
        """Each name with a function for its facts, in the cheapest order. Each request is sent within `sending()`."""
        ...

    def open(self, name: str, reading: Reading) -> AbstractContextManager[Content]:
        """The content of a file. Raises TooManyBytes if the storage tells a larger length than `reading` allows."""
        ...

    def names(self) -> Iterator[str]:
        """The names of all files, in the storage's order. Follows links to directories."""
        ...
