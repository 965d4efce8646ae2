"""Sources of originals: the protocol, the classes of this app, and the configured sources."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from django.utils.module_loading import import_string

from resizer.conf import Settings, get_settings
from resizer.errors import OriginalNotFound
from resizer.sources.fields import field_source, field_sources, find_field_source
from resizer.sources.identity import OWN, place_of
from resizer.sources.protocol import (
    BulkSource,
    ListableSource,
    Source,
    SourceWithURLs,
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
    "OWN",
    "BulkSource",
    "HttpSource",
    "ListableSource",
    "Source",
    "SourceWithURLs",
    "Stat",
    "StaticSource",
    "StorageSource",
    "find_by_url",
    "find_source",
    "get_source",
    "get_sources",
    "is_private",
    "source_of",
    "stat_each",
]


def get_sources() -> Mapping[str, Source]:
    """The sources by alias: the configured ones, then the storages of model fields they do not claim."""
    configured = _build(get_settings())
    rest = {
        alias: source
        for alias, source in field_sources().items()
        if not any(one.claims(source.storage) for one in configured.values())
    }
    return {**configured, **rest}


def find_source(alias: str) -> Source | None:
    """The source of an alias, configured or of a model field; None if there is none."""
    configured = _build(get_settings()).get(alias)
    if configured is not None or not alias.startswith(OWN):
        return configured
    # Also if a configured source claims this storage now: the URLs of old pages still work, unless that source is private.
    found = find_field_source(alias)
    return None if found is None or _is_in_private_place(found.storage) else found


def is_private(alias: str) -> bool:
    """Whether a source is private, also by the alias of its storage from before it was configured."""
    sources = get_settings().SOURCES
    if alias in sources or not alias.startswith(OWN):
        return get_settings().is_private(alias)
    # To find the storage takes longer than all the rest of a hit.
    if not any(one.PRIVATE for one in sources.values()):
        return False
    found = find_field_source(alias)
    return found is not None and _is_in_private_place(found.storage)


def get_source(alias: str) -> Source:
    """The source of an alias. Raises OriginalNotFound: an unknown source answers like a missing original."""
    source = find_source(alias)
    if source is None:
        raise OriginalNotFound(f"there is no source {alias!r}")
    return source


def find_by_url(url: str) -> tuple[str, str] | None:
    """Find the original of a URL: (alias, name). None if there is none. `url` is a path or "//host/path?query".

    Security: searches only the public sources in the settings. The URL may come from an attacker, and the storages of fields
    may be private.
    """
    settings = get_settings()
    found = [
        (alias, name)
        for alias, source in _build(settings).items()
        if isinstance(source, SourceWithURLs)
        and not settings.is_private(alias)
        and (name := source.name_of(url))
    ]
    # One storage may be served below another. The shorter name has the longer base.
    return min(found, key=lambda one: len(one[1]), default=None)


def source_of(storage: Storage) -> tuple[str, Source] | None:
    """Find the source of a storage's files: (alias, source). None if there is none.

    Raises OriginalNotFound if the storage cannot be loaded.
    """
    try:
        place_of(storage)
    except Exception as error:
        # The project's own code can raise anything.
        problem = f"the storage cannot be loaded: {type(error).__name__}: {error}"
        raise OriginalNotFound(problem) from error
    for alias, source in _build(get_settings()).items():
        if source.claims(storage):
            return alias, source
    return field_source(storage)


def _is_in_private_place(storage: Storage) -> bool:
    settings = get_settings()
    private = (one for alias, one in _build(settings).items() if settings.is_private(alias))
    return any(one.claims(storage) for one in private)


@functools.lru_cache(maxsize=1)
def _build(settings: Settings) -> Mapping[str, Source]:
    return {
        alias: import_string(entry.BACKEND)(**entry.OPTIONS)
        for alias, entry in settings.SOURCES.items()
    }
