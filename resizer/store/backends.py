"""The storages of public and private variants, and the files in them.

Security: a private variant is never in the storage of public ones, and the other way round. A key tells which it is.

All functions raise StoreFailed if a storage fails, is too slow for one more read, or is not configured.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from django.core.files.storage import InvalidStorageError, storages

from resizer.concurrency.slowness import Slowness
from resizer.conf import VARIANTS_ALIAS, get_settings
from resizer.errors import StoreFailed
from resizer.keys.variant import PRIVATE, write_directory
from resizer.storages import publishing
from resizer.storages.kinds import kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from django.core.files.storage import Storage

    from resizer.storages.protocol import Stored


#: A storage is slow once a read has taken this time, seconds.
SLOW_SECONDS = 1
#: The most threads of a process that read from a slow storage at once.
MAX_SLOW = 4
_reading = Slowness("the variants storage", SLOW_SECONDS, MAX_SLOW, StoreFailed)


def public_storage() -> Storage:
    """The storage of public variants. Raises Django's InvalidStorageError if none is configured."""
    alias = get_settings().STORAGE
    if alias in storages.backends or alias != VARIANTS_ALIAS:
        # A name that was given is meant, even if it is misspelt.
        return storages[alias]
    return kind_of(storages["default"]).for_variants or storages[alias]


def private_storage() -> Storage | None:
    """The storage of private variants. None if none is configured. Raises InvalidStorageError."""
    alias = get_settings().PRIVATE_STORAGE
    return storages[alias] if alias in storages.backends else None


def storage_of(key: str) -> Storage:
    return _storage(is_private=key.startswith(PRIVATE))


def are_local() -> bool:
    """Whether all variants are on this machine, so that listing and asking cost nothing."""
    has_private = private_storage() is not None
    return is_local(is_private=False) and (not has_private or is_local(is_private=True))


def is_local(*, is_private: bool) -> bool:
    """Whether public or private variants are on this machine."""
    return kind_of(_storage(is_private=is_private)).is_local


def fetch(key: str) -> tuple[bytes, Stored] | None:
    """The content and facts of a file, with one request. None if it is missing."""
    with _reading.asking():
        return publishing.fetch(storage_of(key), key)


def exists(key: str) -> bool:
    with _reading.asking():
        return publishing.exists(storage_of(key), key)


def url(key: str) -> str | None:
    """The storage's own URL of a variant. None if the storage has no such URL."""
    return publishing.url(storage_of(key), key)


def missing(keys: Iterable[str]) -> list[str]:
    """The keys without a file."""
    return [key for storage, some in _by_storage(keys) for key in publishing.missing(storage, some)]


def remove(keys: Iterable[str]) -> None:
    for storage, some in _by_storage(keys):
        publishing.remove(storage, some)


def walk(source: str | None = None, after: str = "") -> Iterator[Stored]:
    """The files of all variants of a source, or of all sources: public ones first, then private ones.

    Each storage has its own order. Begins after a name. Includes temporary files.
    """
    return walk_both(
        {one: write_directory(source, is_private=one) if source else "" for one in (False, True)},
        after,
    )


def walk_both(directories: Mapping[bool, str], after: str = "") -> Iterator[Stored]:
    """The files below a directory of public variants, then below one of private variants (True)."""
    is_begun = after.startswith(PRIVATE)
    if not is_begun:
        yield from walk_one(directories[False], after, is_private=False)
    yield from walk_one(directories[True], after if is_begun else "", is_private=True)


def walk_one(directory: str = "", after: str = "", *, is_private: bool) -> Iterator[Stored]:
    """The files below a directory of public or of private variants.

    Security: a file in the wrong storage is no variant. Deleting it would delete another one.
    """
    if is_private and private_storage() is None:
        return
    found = publishing.walk(_storage(is_private=is_private), directory, after)
    yield from (one for one in found if one.name.startswith(PRIVATE) == is_private)


def _by_storage(keys: Iterable[str]) -> Iterator[tuple[Storage, list[str]]]:
    groups: dict[bool, list[str]] = defaultdict(list)
    for key in keys:
        groups[key.startswith(PRIVATE)].append(key)
    for some in groups.values():
        yield storage_of(some[0]), some


def _storage(*, is_private: bool) -> Storage:
    """Raises StoreFailed if none is configured."""
    try:
        if is_private:
            return storages[get_settings().PRIVATE_STORAGE]
        return public_storage()
    except InvalidStorageError as error:
        raise StoreFailed(f"no storage for variants is configured: {error}") from error
