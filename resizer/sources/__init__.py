"""Where originals are read from: the protocol, the sources that come with the app, and those configured."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from django.utils.module_loading import import_string

from resizer.conf import Settings, get_settings
from resizer.errors import OriginalNotFound
from resizer.sources.http import HttpSource
from resizer.sources.protocol import Source, Stat
from resizer.sources.static import StaticSource
from resizer.sources.storage import StorageSource

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "HttpSource",
    "Source",
    "Stat",
    "StaticSource",
    "StorageSource",
    "get_source",
    "get_sources",
]


def get_sources() -> Mapping[str, Source]:
    """The configured sources, by alias."""
    return _build(get_settings())


def get_source(alias: str) -> Source:
    """Raises OriginalNotFound: an unknown source answers like a missing original."""
    try:
        return get_sources()[alias]
    except KeyError as error:
        raise OriginalNotFound(f"there is no source {alias!r}") from error


@functools.lru_cache(maxsize=1)
def _build(settings: Settings) -> Mapping[str, Source]:
    return {
        alias: import_string(entry.BACKEND)(**entry.OPTIONS)
        for alias, entry in settings.SOURCES.items()
    }
