"""What makes pixels: the protocol, and the configured engine."""

from __future__ import annotations

import functools
from typing import cast

from resizer.conf import Settings, get_settings
from resizer.engines.protocol import Engine, Header, Rendered

__all__ = ["Engine", "Header", "Rendered", "get_engine", "load_engine"]


def get_engine() -> Engine:
    """The configured engine, in child processes unless `ISOLATION` is off.

    Its image library is imported on first use, and nowhere earlier.
    """
    return _build(get_settings())


# The configured one and another that goes on where it fails, and those of settings which have just changed.
@functools.lru_cache(maxsize=4)
def load_engine(path: str) -> Engine:
    """An engine in this process, by the dotted path of its class, or "auto". Raises ImportError, OSError."""
    if path != "auto":
        # Without Django a child process starts a quarter faster.
        from django.utils.module_loading import import_string

        return cast("Engine", import_string(path)())
    try:
        from resizer.engines.libvips import LibvipsEngine
    except (ImportError, OSError):
        # Without pyvips, and without the library that it loads.
        from resizer.engines.pillow import PillowEngine

        return PillowEngine()
    return LibvipsEngine()


@functools.lru_cache(maxsize=1)
def _build(settings: Settings) -> Engine:
    if not settings.ISOLATION:
        from resizer.engines.guarded import GuardedEngine

        return GuardedEngine(load_engine(settings.ENGINE))
    # Here, because what a function on AWS Lambda does not need it should not wait for.
    from resizer.engines.isolation.engine import IsolatedEngine

    return IsolatedEngine(settings.ENGINE)
