"""Variants in a storage of any kind. Its errors become StoreFailed."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.core.files.base import ContentFile

from resizer.errors import StoreFailed
from resizer.storages.kinds import kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from django.core.files.storage import Storage

    from resizer.formats import Format
    from resizer.storages.protocol import Stored


def publish(
    storage: Storage, key: str, content: bytes, written_as: Format, made_at: float | None = None
) -> Stored | None:
    """Save content whole or not at all. None if the key has a file already; that file stays. Raises StoreFailed.

    `made_at` becomes the file's time if the storage can have that, POSIX seconds.
    """
    with _errors(key):
        return kind_of(storage).publish(key, content, written_as, made_at)


def fetch(storage: Storage, key: str) -> tuple[bytes, Stored] | None:
    """The content and facts of a file, with one request. None if it is missing. Raises StoreFailed."""
    with _errors(key):
        return kind_of(storage).fetch(key)


def exists(storage: Storage, key: str) -> bool:
    """Whether a key has a file. Raises StoreFailed."""
    with _errors(key):
        return kind_of(storage).exists(key)


def missing(storage: Storage, keys: Iterable[str]) -> list[str]:
    """The keys without a file. Raises StoreFailed."""
    with _errors("files"):
        return kind_of(storage).missing(keys)


def note(storage: Storage, name: str, content: bytes) -> None:
    """Replace a small file. If the process is killed meanwhile, the file may be missing or incomplete.

    Raises StoreFailed.
    """
    with _errors(name):
        storage.delete(name)
        saved = storage.save(name, ContentFile(content))
        if saved != name:
            # Another process was faster, and the storage invented a name for our file.
            storage.delete(saved)


def walk(storage: Storage, directory: str = "", after: str = "") -> Iterator[Stored]:
    """All files below a directory after a name, in the storage's order. Includes temporary files. Raises StoreFailed."""
    with _errors(directory):
        yield from kind_of(storage).walk(directory, after)


def remove(storage: Storage, keys: Iterable[str]) -> None:
    """Delete files, and directories left empty. Missing files are no error. Raises StoreFailed."""
    keys = list(keys)
    with _errors(f"{len(keys)} files from {keys[0]!r} on" if keys else ""):
        kind_of(storage).remove(keys)


def url(storage: Storage, key: str) -> str | None:
    """The storage's own URL of a key. None if it has no URLs. Raises StoreFailed."""
    with _errors(key):
        return kind_of(storage).url(key)


@contextmanager
def _errors(name: str) -> Iterator[None]:
    """Turn any error of a storage into StoreFailed."""
    try:
        yield
    except Exception as error:
        # A storage's library raises unknown classes of its own.
        raise StoreFailed(f"{name!r}: {error}") from error
