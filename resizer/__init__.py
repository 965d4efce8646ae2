"""Responsive pictures for Django, resized on the first request and kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

__version__ = "0.1.0"


def prefetch(objects: Iterable[Any], field: str) -> None:
    """Warm the originals of a file field on many model instances: one cache call, at most one query.

    Originals without a description are left to their tags.
    """
    # Imported here, because Django imports this module before the models.
    from resizer import originals

    originals.prefetch([getattr(instance, field) for instance in objects])
