"""The identity of storages: two objects are one storage if they have the same class and the same place."""

from __future__ import annotations

import hashlib
import os
from pathlib import PurePath
from typing import TYPE_CHECKING

from django.conf import settings as django_settings

from resizer.storages.kinds import kind_of, unwrap

if TYPE_CHECKING:
    from django.core.files.storage import Storage

#: Prefix of aliases for storages without an alias in the settings.
OWN = "storage-"


def place_of(storage: Storage) -> tuple[object, ...] | None:
    """The place of a storage's files, to compare. None if unknown.

    Raises the errors of the storage's own setup: any class.
    """
    return kind_of(storage).place


def share_place(one: Storage, other: Storage) -> bool:
    """Whether two storages keep their files in the same place. False if it is unknown."""
    place = place_of(one)
    return place is not None and place == place_of(other)


def lies_in(inner: Storage, outer: Storage) -> bool:
    """Whether `inner` keeps its files in the place of `outer`, or in a directory below."""
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
    """Whether two objects are one storage. The same place is not enough: another class may hide some of the files."""
    one, other = unwrap(one), unwrap(other)
    return bool(one == other) or (type(one) is type(other) and share_place(one, other))


def own_alias(storage: Storage) -> str | None:
    """An alias for a storage without one in the settings: the same in every process and on every host.

    None for a storage other than a directory or an S3 bucket.
    """
    project = getattr(django_settings, "BASE_DIR", None)
    directory = os.fspath(project) if isinstance(project, str | os.PathLike) else None
    place = kind_of(storage).lasting_place(directory)
    if place is None:
        return None
    kind = type(unwrap(storage))
    text = "\n".join(map(str, (kind.__module__, kind.__qualname__, *place)))
    return OWN + hashlib.blake2s(text.encode(), digest_size=8).hexdigest()
