"""Record the findings of a render on its original, or forget the original."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from resizer.conf import get_settings
from resizer.originals.memory import BROKEN_SECONDS, broken_key, find_row, remember
from resizer.records import cache, index, tables
from resizer.records.descriptions import cache_key

if TYPE_CHECKING:
    from resizer.engines.protocol import Sketch
    from resizer.records.descriptions import Description, Reference

logger = logging.getLogger(__package__)


def note_broken(description: Description) -> None:
    """Let pages show the unresized original until its file is replaced or `forget` is called, at most for a week."""
    if description.is_broken:
        return
    logger.warning(
        "%.1000r is broken, so pages show the original. Replace the file.", description.reference
    )
    broken = replace(description, header=description.header._replace(frames=0))
    index.record(broken)
    cache.write(broken_key(description.reference), True, BROKEN_SECONDS)
    remember(broken)


def lacks_sketch(description: Description) -> bool:
    """Whether to look at the pixels of an original while it is decoded. True once in `FRESH_SECONDS` until it is known."""
    if description.sketch is not None or description.is_broken or not tables.is_configured():
        return False
    key = cache.key_of("sketch", "\n".join((*description.reference, description.fingerprint)))
    return cache.claim(key, get_settings().FRESH_SECONDS)


def note_sketch(description: Description, sketch: Sketch) -> None:
    """Keep what was seen of an original on its row, for the next page.

    Not in the cache alone: the URLs of a picture would change when that is lost.
    """
    if not index.record_sketch(description, sketch):
        return
    # An editor may have said something since the description was read.
    known = find_row(description.reference)
    if known is not None:
        remember(replace(known, checked_at=description.checked_at))


def reread(reference: Reference) -> None:
    """Let the next page read what the row says now."""
    cache.drop(cache_key(reference))


def forget(reference: Reference) -> None:
    """Drop an original from cache and database. The next request reads its header again."""
    cache.drop(cache_key(reference))
    index.forget(reference)
