"""Which storage is which: two objects are one storage if they are of one class and keep their files in one place."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, cast

from django.conf import settings as django_settings
from django.core.files.storage import FileSystemStorage, InMemoryStorage
from django.utils.functional import LazyObject, empty

from resizer.storages.buckets import bucket_of

if TYPE_CHECKING:
    from django.core.files.storage import Storage

#: Begins the alias of a storage that has none in the settings.
OWN = "storage-"


def unwrap(storage: Storage) -> Storage:
    """The storage itself, where it is wrapped in a lazy object. Raises what setting it up raises."""
    while isinstance(storage, LazyObject):
        if storage._wrapped is empty:
            storage._setup()
        storage = storage._wrapped
    return storage


def place_of(storage: Storage) -> tuple[object, ...] | None:
    """Where a storage keeps its files, to be compared; None where nothing tells that."""
    storage = unwrap(storage)
    if isinstance(storage, FileSystemStorage):
        # None, where STATIC_ROOT is not set.
        return (storage.location,) if storage.location else None
    bucket = getattr(storage, "bucket_name", None)
    if bucket:
        location = getattr(storage, "location", None) or ""
        return getattr(storage, "endpoint_url", None), bucket, location.strip("/")
    # Each one in memory has files of its own.
    if isinstance(storage, InMemoryStorage) or not hasattr(storage, "deconstruct"):
        return None
    try:
        return cast("tuple[object, ...]", storage.deconstruct())
    except ValueError:
        # Django's word for a class that no module has by its name.
        return None


def share_place(one: Storage, other: Storage) -> bool:
    place = place_of(one)
    return place is not None and place == place_of(other)


def lies_in(inner: Storage, outer: Storage) -> bool:
    """Whether the files of a storage are also files of another: it is in the same place, or in a directory below."""
    place, other = place_of(inner), place_of(outer)
    if place is None or other is None:
        return False
    *bucket, directory = place
    *other_bucket, above = other
    if not isinstance(directory, str) or not isinstance(above, str):
        return place == other
    if not bucket:
        directory, above = os.path.realpath(directory), os.path.realpath(above)
    return bucket == other_bucket and PurePath(directory).is_relative_to(above)


def is_same(one: Storage, other: Storage) -> bool:
    """Whether two objects are one storage. The same place is not enough: another class may hide what it keeps there."""
    one, other = unwrap(one), unwrap(other)
    return bool(one == other) or (type(one) is type(other) and share_place(one, other))


def own_alias(storage: Storage) -> str | None:
    """The alias of a storage that has none in the settings: the same in every process and on every host.

    None for a storage that is neither a directory nor a bucket of S3.
    """
    storage = unwrap(storage)
    place = place_of(storage)
    if place is None:
        return None
    if isinstance(storage, FileSystemStorage):
        place = (_below_project(str(storage.location)),)
    elif bucket_of(storage) is None:
        return None
    kind = type(storage)
    text = "\n".join(map(str, (kind.__module__, kind.__qualname__, *place)))
    return OWN + hashlib.blake2s(text.encode(), digest_size=8).hexdigest()


def _below_project(location: str) -> str:
    """Without the directory of the project, which is another one for each release and on each host."""
    project = getattr(django_settings, "BASE_DIR", None)
    if isinstance(project, str | os.PathLike) and Path(location).is_relative_to(project):
        return Path(location).relative_to(project).as_posix()
    return location
