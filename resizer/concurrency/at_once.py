"""Respond at once, or not at all: from the cache and the variants storage, without database, source and engine.

Entry points before Django need it. Django opens and closes database connections with its own requests only.
"""

from __future__ import annotations

from contextvars import ContextVar

#: Whether the code of this request must not wait. Set it for the time of one call.
at_once: ContextVar[bool] = ContextVar("at_once", default=False)


class NotAtOnce(Exception):
    """The response needs a database, a source or an engine. Not a ResizerError: it never becomes a response."""


def raise_if_at_once() -> None:
    """Raises NotAtOnce, if this request must not wait. Call it before any work of the kinds above."""
    if at_once.get():
        raise NotAtOnce
