"""Engines render variants: the protocol, and the configured engine."""

from __future__ import annotations

import functools
from typing import cast

from resizer.conf import Settings, get_settings
from resizer.engines.protocol import Engine, Header, Rendered

__all__ = ["Engine", "Header", "Rendered", "get_engine", "load_engine"]


def get_engine() -> Engine:
    """Return the configured engine, in child processes unless `ISOLATION` is off.

    An image library is imported at its first use, not here.
    """
    return _build(get_settings())


# The configured engine and its fallback (`guarded.py`), and both again after a change of settings.
@functools.lru_cache(maxsize=4)
def load_engine(path: str) -> Engine:
    """Make an engine in this process, by the dotted path of its class, or "auto". Raises ImportError, OSError."""
    if path != "auto":
        # Without Django a child process starts a quarter faster.
        from django.utils.module_loading import import_string

        return cast("Engine", import_string(path)())
    try:
        from resizer.engines.libvips import LibvipsEngine
    except (ImportError, OSError):
        # pyvips is missing, or libvips is.
        from resizer.engines.pillow import PillowEngine

        return PillowEngine()
    return LibvipsEngine()


@functools.lru_cache(maxsize=1)
def _build(settings: Settings) -> Engine:
    if not settings.ISOLATION:
        from resizer.engines.guarded import GuardedEngine

        return GuardedEngine(load_engine(settings.ENGINE))
    # Imported here, because AWS Lambda runs without isolation, and starts faster without this import.
    from resizer.engines.isolation.engine import IsolatedEngine

    return IsolatedEngine(settings.ENGINE)
