"""Variants in a storage of any kind: its errors are ours, and a slow one takes few threads."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.core.files.base import ContentFile

from resizer.breaker import Slowness
from resizer.errors import StoreFailed
from resizer.storages.kinds import kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from django.core.files.storage import Storage

    from resizer.formats import Format
    from resizer.storages.protocol import Stored

#: A storage is slow where it has been asked for so many seconds …
SLOW_SECONDS = 1
#: … and then no more threads of a process read from it at once.
MAX_SLOW = 4

_reading = Slowness(SLOW_SECONDS, MAX_SLOW)


def publish(storage: Storage, key: str, content: bytes, written_as: Format) -> Stored | None:
    """Save content under a key, whole or not at all; None where something is there already, which stays.

    Raises StoreFailed.
    """
    with _errors(key):
        return kind_of(storage).publish(key, content, written_as)


def fetch(storage: Storage, key: str) -> tuple[bytes, Stored] | None:
    """Content and what is told of it, asked for once; None if nothing is there. Raises StoreFailed."""
    with _errors(key), _reading.asking():
        return kind_of(storage).fetch(key)


def exists(storage: Storage, key: str) -> bool:
    """Raises StoreFailed."""
    with _errors(key), _reading.asking():
        return kind_of(storage).exists(key)


def missing(storage: Storage, keys: Iterable[str]) -> list[str]:
    """Those under which nothing is. Raises StoreFailed."""
    with _errors("files"):
        return kind_of(storage).missing(keys)


def note(storage: Storage, name: str, content: bytes) -> None:
    """Keep a few bytes under a name, in place of others; killed meanwhile, there may be none, or half of them.

    Raises StoreFailed.
    """
    with _errors(name):
        storage.delete(name)
        saved = storage.save(name, ContentFile(content))
        if saved != name:
            # Another was faster, and the storage has made up a name for ours.
            storage.delete(saved)


def walk(storage: Storage, directory: str = "", after: str = "") -> Iterator[Stored]:
    """All files below a directory, temporary ones as well, in the storage's order; those after one. Raises StoreFailed."""
    with _errors(directory):
        yield from kind_of(storage).walk(directory, after)


def remove(storage: Storage, keys: Iterable[str]) -> None:
    """Delete files, those that exist, and the directories that this empties. Raises StoreFailed."""
    keys = list(keys)
    with _errors(f"{len(keys)} files from {keys[0]!r} on" if keys else ""):
        kind_of(storage).remove(keys)


def address(storage: Storage, key: str) -> str | None:
    """Where the storage itself answers a key; None where it answers none. Raises StoreFailed."""
    with _errors(key):
        return kind_of(storage).url(key)


@contextmanager
def _errors(name: str) -> Iterator[None]:
    """Turn what storages raise into our error."""
    try:
        yield
    except Exception as error:
        # A storage's library raises classes of its own, of which we know nothing.
        raise StoreFailed(f"{name!r}: {error}") from error
