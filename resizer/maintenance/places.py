"""Find what a local path or the URL of an original means: a file in the storage of variants, or an original."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from resizer.records.descriptions import Reference
from resizer.sources import StorageSource, find_by_url, get_sources
from resizer.storages.kinds import kind_of
from resizer.store import backends

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.core.files.storage import Storage


def local_path(text: str) -> Path | None:
    """The absolute path that a text means. A relative one counts if the working directory has such a file."""
    # Not Path.exists: it raises for a text that is too long to be a path.
    return Path(os.path.abspath(text)) if os.path.isabs(text) or os.path.exists(text) else None


def original_of_url(text: str) -> Reference | None:
    """The original that a source shows at this URL, such as /media/photos/a.jpg. As with variants, any host will do."""
    _scheme, _, rest = text.partition("://")
    urls = [f"//{rest}", urlsplit(text).path] if rest else [text]
    found = next(filter(None, map(find_by_url, urls)), None)
    return Reference(*found) if found else None


def path_of(reference: Reference) -> Path | None:
    """The path of an original in a local storage."""
    storage = dict(_local_storages()).get(reference.source)
    return _location(storage) / reference.name if storage else None


def key_at(place: Path | None) -> str:
    """The key of a file in the storage of public or private variants; empty for any other."""
    storages = filter(None, (backends.public_storage(), backends.private_storage()))
    keys = (_below(place, one) for one in storages if kind_of(one).is_local)
    return next(filter(None, keys), "")


def original_at(place: Path | None) -> Reference | None:
    """The original with this path."""
    for alias, storage in _local_storages():
        if name := _below(place, storage):
            return Reference(alias, name)
    return None


def _below(place: Path | None, storage: Storage) -> str:
    """The name of a file in a local storage; empty for a file elsewhere."""
    location = _location(storage)
    # The working directory has no links in its path, but the location may have some.
    for base in (location, location.resolve()):
        if place is not None and location != Path() and place.is_relative_to(base):
            return place.relative_to(base).as_posix()
    return ""


def _location(storage: Storage) -> Path:
    return Path(str(getattr(storage, "location", "")))


def _local_storages() -> Iterator[tuple[str, Storage]]:
    for alias, source in get_sources().items():
        if isinstance(source, StorageSource) and kind_of(source.storage).is_local:
            yield alias, source.storage
