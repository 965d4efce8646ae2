"""Check an original: ask its source, and describe it as it is now."""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from resizer.concurrency import threads
from resizer.concurrency.at_once import raise_if_at_once
from resizer.concurrency.waiting import release_connections
from resizer.conf import get_settings
from resizer.errors import Busy, ResizerError, SourceFailed, SourceTimedOut
from resizer.originals.failures import FAILURE_SECONDS, remember_failure
from resizer.originals.inspecting import inspect
from resizer.originals.memory import broken_key, remember
from resizer.records import cache, index
from resizer.records.descriptions import Description, Sighted, cache_key, decode
from resizer.sources import get_source
from resizer.sources.deadline import is_in_request
from resizer.throttle import problems

if TYPE_CHECKING:
    from resizer.originals.memory import Recalled
    from resizer.records.descriptions import Reference

# The logger of the package, whose name projects have in LOGGING.
logger = logging.getLogger(__package__)


def check(
    reference: Reference, stat: Sighted | None = None, *, recalled: Recalled | None = None
) -> Description:
    """Ask the source, and describe the original as it is now.

    `stat` is its answer, if it was asked already. `recalled` is what cache and table hold, if they were asked already.
    """
    raise_if_at_once()
    row = _row_of(reference, recalled)
    try:
        known = row or _known_as_broken(reference, recalled)
        with ExitStack() as taken:
            if is_in_request():
                # Only in image requests. A page prints many pictures and must get them all, and may be in a query.
                taken.enter_context(threads.one_thread())
                release_connections()
            if stat is None:
                source = get_source(reference.source)
                stat = Sighted(*source.stat(reference.name, known.fingerprint if known else None))
            description = inspect(reference, stat, known)
    except (SourceFailed, SourceTimedOut, Busy) as error:
        state = decode(reference, cache.read(cache_key(reference)))
        last = state if isinstance(state, Description) else row
        if last is None or not last.checked_at:
            remember_failure(reference, error)
            raise
        logger.log(
            problems.level((reference.source, type(error).__name__)),
            "%.1000r could not be checked, and counts as unchanged: %.500r",
            reference,
            error,
        )
        checked_at = time.time() - get_settings().FRESH_SECONDS + FAILURE_SECONDS
        description = replace(last, checked_at=checked_at)
    except ResizerError as error:
        remember_failure(reference, error, stat.fingerprint if stat else "")
        if row is not None:
            index.forget(reference)
        raise
    remember(description)
    return description


def _row_of(reference: Reference, recalled: Recalled | None) -> Description | None:
    """The row of an original. `checked_at` is 0 if its file may have changed since."""
    # For an original in the cache, nobody has asked the table.
    if recalled is None or isinstance(recalled.state, Description):
        return index.find(reference)
    return recalled.former


def _known_as_broken(reference: Reference, recalled: Recalled | None) -> Description | None:
    """The cached description of a broken original, for projects without a database. None after a week.

    Each check renews `checked_at` and the entry. The separate mark of when it was found broken expires.
    """
    known = recalled.state if recalled else decode(reference, cache.read(cache_key(reference)))
    if not isinstance(known, Description) or not known.is_broken:
        return None
    return known if cache.read(broken_key(reference)) else None
