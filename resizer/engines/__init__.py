"""Engines render variants: the protocol, and the configured engine."""

from __future__ import annotations

import functools
import logging
import socket
from typing import TYPE_CHECKING, TypeAlias, cast

from resizer.conf import Settings, get_settings
from resizer.engines.protocol import Engine, Header, Rendered
from resizer.errors import EngineAbsent

__all__ = ["Engine", "Header", "Rendered", "can_isolate", "get_engine", "load_engine"]

if TYPE_CHECKING:
    from resizer.engines.guarded import GuardedEngine
    from resizer.engines.isolation.engine import IsolatedEngine

#: Adds a fallback, and sketches of originals, to any engine.
WrappedEngine: TypeAlias = "GuardedEngine | IsolatedEngine"

logger = logging.getLogger(__name__)


def get_engine() -> WrappedEngine:
    """Return the configured engine, in child processes unless `ISOLATION` is off.

    An image library is imported at its first use, not here. Raises EngineAbsent if the system cannot isolate.
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


def can_isolate() -> bool:
    """Whether this system can limit a process, and pass open files to it. Windows cannot."""
    try:
        import resource  # noqa: F401
    except ImportError:
        return False
    return hasattr(socket, "send_fds")


def _does_without() -> bool:
    """Whether a developer's system goes without isolation. Raises EngineAbsent without DEBUG."""
    if can_isolate():
        return False
    from django.conf import settings as django_settings

    if not django_settings.DEBUG:
        # A system check says what to do.
        raise EngineAbsent("this system cannot isolate the engine")
    logger.warning(
        "This system cannot isolate the engine. With DEBUG, it works in the server's own process. Use Linux in production."
    )
    return True


# Once for all threads, so that its warning comes once.
@functools.lru_cache(maxsize=1)
def _build(settings: Settings) -> WrappedEngine:
    if not settings.ISOLATION or _does_without():
        from resizer.engines.guarded import GuardedEngine

        return GuardedEngine(load_engine(settings.ENGINE))
    # Imported here, because AWS Lambda runs without isolation, and starts faster without this import.
    from resizer.engines.isolation.engine import IsolatedEngine

    return IsolatedEngine(settings.ENGINE)
