"""What makes pixels: the protocol, and the configured engine."""

from __future__ import annotations

import functools
from typing import cast

from django.utils.module_loading import import_string

from resizer.conf import Settings, get_settings
from resizer.engines.protocol import Engine, Header, Rendered

__all__ = ["Engine", "Header", "Rendered", "get_engine"]


def get_engine() -> Engine:
    """The configured engine. Its image library is imported here, on first use, and nowhere earlier."""
    return _build(get_settings())


@functools.lru_cache(maxsize=1)
def _build(settings: Settings) -> Engine:
    if settings.ENGINE != "auto":
        return cast("Engine", import_string(settings.ENGINE)())
    try:
        return cast("Engine", import_string("resizer.engines.libvips.LibvipsEngine")())
    except (ImportError, OSError):
        # Without pyvips, and without the library that it loads.
        return cast("Engine", import_string("resizer.engines.pillow.PillowEngine")())
