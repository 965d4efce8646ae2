"""Where originals are read from: the protocol, the sources that come with the app, and those configured."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from resizer.conf import Settings, get_settings
from resizer.errors import OriginalNotFound
from resizer.sources.fields import field_source, field_sources, find_field_source
from resizer.sources.identity import OWN, place_of
from resizer.sources.protocol import (
    AddressableSource,
    BulkSource,
    ListableSource,
    Source,
    stat_each,
)
from resizer.sources.static import StaticSource
from resizer.sources.storage import StorageSource
from resizer.sources.web.source import HttpSource
from resizer.storages.protocol import Stat

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.core.files.storage import Storage

__all__ = [
    "AddressableSource",
    "BulkSource",
    "HttpSource",
    "ListableSource",
    "Source",
    "Stat",
    "StaticSource",
    "StorageSource",
    "find_by_url",
    "find_source",
    "get_source",
    "get_sources",
    "source_of",
    "stat_each",
]


def get_sources() -> Mapping[str, Source]:
    """The sources by alias: those configured, then the storages of model fields that none of these claims."""
    configured = _build(get_settings())
    rest = {
        alias: source
        for alias, source in field_sources().items()
        if not any(_claims(one, source.storage) for one in configured.values())
    }
    return {**configured, **rest}


def find_source(alias: str) -> Source | None:
    configured = _build(get_settings()).get(alias)
    if configured is not None or not alias.startswith(OWN):
        return configured
    # Also where a setting names its storage by now: the addresses of old pages go on working.
    return find_field_source(alias)


def get_source(alias: str) -> Source:
    """Raises OriginalNotFound: an unknown source answers like a missing original."""
    source = find_source(alias)
    if source is None:
        raise OriginalNotFound(f"there is no source {alias!r}")
    return source


def find_by_url(url: str) -> tuple[str, str] | None:
    """The alias of a source and the name of its original behind a URL, which is a path or "//host/path".

    Knows the sources in the settings only. The URL may come from an attacker, and the storages of fields may be private.
    """
    found = [
        (alias, name)
        for alias, source in _build(get_settings()).items()
        if isinstance(source, AddressableSource) and (name := source.name_of(url))
    ]
    # One storage may be served below another. The shorter name has the longer base.
    return min(found, key=lambda one: len(one[1]), default=None)


def source_of(storage: Storage) -> tuple[str, Source] | None:
    """The source that the files of a storage are originals of, and its alias; None if there is none.

    Raises OriginalNotFound where the storage cannot be loaded.
    """
    try:
        place_of(storage)
    except Exception as error:
        # Code of the project, which may raise anything.
        problem = f"the storage cannot be loaded: {type(error).__name__}: {error}"
        raise OriginalNotFound(problem) from error
    for alias, source in _build(get_settings()).items():
        if _claims(source, storage):
            return alias, source
    return field_source(storage)


def _claims(source: Source, storage: Storage) -> bool:
    try:
        return source.claims(storage)
    except ImproperlyConfigured:
        # Its storage cannot be loaded, as a system check says. The other sources are there.
        return False


@functools.lru_cache(maxsize=1)
def _build(settings: Settings) -> Mapping[str, Source]:
    return {
        alias: import_string(entry.BACKEND)(**entry.OPTIONS)
        for alias, entry in settings.SOURCES.items()
    }
