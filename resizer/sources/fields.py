"""Sources for the storages of model fields. Each directory and each bucket is a source without a setting."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING

from django.apps import apps
from django.db.models import FileField

from resizer.sources.identity import own_alias
from resizer.sources.storage import StorageSource
from resizer.storages.kinds import unwrap

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from django.core.files.storage import Storage
    from django.db.models import Model


logger = logging.getLogger(__name__)

#: Aliases remembered with their storage. With a directory for each site, one storage has many aliases.
MAX_FOUND = 1024
_last_found: dict[str, Storage] = {}


def field_sources() -> Mapping[str, StorageSource]:
    """The sources by the storages' own aliases.

    Not cached: the place of a storage may depend on settings, or on the current site.
    """
    sources = {}
    for field, storage in _storages():
        alias = _alias(field, storage)
        if alias is not None:
            sources[alias] = StorageSource(unwrap(storage))
    return sources


def field_source(storage: Storage) -> tuple[str, StorageSource] | None:
    """The source of a field's storage: (alias, source). None if no field has this storage."""
    alias = own_alias(storage)
    if alias is None:
        return None
    # A file mostly has the same storage object as its field. This saves reading the places of all storages.
    if any(one is storage for _field, one in _storages()):
        return alias, StorageSource(unwrap(storage))
    # Without a field, other processes could not find the storage by its alias.
    source = find_field_source(alias)
    return None if source is None else (alias, source)


def find_field_source(alias: str) -> StorageSource | None:
    """The source of a storage's own alias; None if no field has such a storage."""
    last = _last_found.get(alias)
    # Try the last found storage first. Its place may have changed, so compare its alias again.
    ordered = sorted(_storages(), key=lambda one: one[1] is not last)
    for field, storage in ordered:
        if _alias(field, storage) == alias:
            if len(_last_found) >= MAX_FOUND:
                _last_found.clear()
            _last_found[alias] = storage
            return StorageSource(unwrap(storage))
    return None


def field_failures() -> Iterator[tuple[FileField, Exception]]:
    """Yield each field with a storage that cannot be loaded, and the exception."""
    for field, storage in _storages():
        try:
            own_alias(storage)
        except Exception as error:
            yield field, error


def _alias(field: FileField, storage: Storage) -> str | None:
    try:
        return own_alias(storage)
    except Exception as error:
        # The project's own code can raise anything. The files of other fields still work.
        _warn_once(str(field), type(error).__name__, str(error))
        return None


@functools.lru_cache(maxsize=256)
def _warn_once(field: str, error: str, text: str) -> None:
    """Log an error once, not for each page and picture."""
    logger.warning("The storage of %s cannot be loaded: %s: %.500r", field, error, text)


def _storages() -> Iterator[tuple[FileField, Storage]]:
    for field in _file_fields(tuple(apps.get_models())):
        yield field, field.storage
        # django-filer has several storages for a field, and chooses by the row.
        for storage in getattr(field, "storages", {}).values():
            yield field, storage


@functools.lru_cache(maxsize=1)
def _file_fields(models: tuple[type[Model], ...]) -> tuple[FileField, ...]:
    return tuple(
        field for one in models for field in one._meta.get_fields() if isinstance(field, FileField)
    )
