"""Failures of originals: kept in the cache, raised again, and checked again when they may be over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resizer import errors
from resizer.concurrency import threads
from resizer.conf import get_settings
from resizer.errors import (
    Busy,
    OriginalNotFound,
    RenderKilled,
    ResizerError,
    SourceFailed,
    SourceTimedOut,
    VectorOriginal,
)
from resizer.originals.memory import may_ask
from resizer.records import cache, tallies
from resizer.records.descriptions import Failed, cache_key
from resizer.sources import get_source
from resizer.sources.nearby import stat_at_once

if TYPE_CHECKING:
    from resizer.records.descriptions import Reference, State

#: How long a failure such as a missing or unreadable original stays in the cache, seconds.
FAILURE_SECONDS = 60
#: Failures of sources. They say nothing about the original.
_OF_SOURCES = (SourceFailed.__name__, SourceTimedOut.__name__)


def remember_failure(reference: Reference, error: ResizerError, fingerprint: str = "") -> None:
    """Let the next requests fail without asking the source. A busy server says nothing about an original."""
    if isinstance(error, Busy) and not isinstance(error, RenderKilled):
        return
    seconds = error.retry_seconds or FAILURE_SECONDS
    if isinstance(error, VectorOriginal):
        # Nothing has failed: an SVG has no other description.
        seconds = get_settings().FRESH_SECONDS
    cache.write(cache_key(reference), failed(error, fingerprint).encode(), seconds)


def failed(error: ResizerError, fingerprint: str = "") -> Failed:
    """The state of an original after an error."""
    size = error.size if isinstance(error, VectorOriginal) else None
    return Failed(type(error).__name__, fingerprint, size)


def error_of(reference: Reference, failed: Failed) -> ResizerError:
    """The error of a state, to raise it again."""
    # Another release may have written a class that is unknown here.
    failure = errors.BY_NAME.get(failed.error, OriginalNotFound)
    error = failure(f"{reference} failed a moment ago")
    if isinstance(error, VectorOriginal):
        error.size = failed.size
    return as_remembered(error)


def as_remembered(error: ResizerError) -> ResizerError:
    """Mark an error of an earlier request: nothing was tried for this one."""
    error.is_remembered = True
    return error


def unless_over(reference: Reference, state: State) -> State:
    """The state for an image request, or None if it is a failure that may be over.

    Pages do not wait, but a repaired picture, or one whose source works again, is shown at once. Raises OriginalNotFound,
    SourceFailed, SourceTimedOut or Busy.
    """
    if not isinstance(state, Failed) or not _may_be_over(reference, state):
        return state
    cache.drop(cache_key(reference))
    return None


def _may_be_over(reference: Reference, failed: Failed) -> bool:
    """Whether the source failed, or the failed file was replaced. Raises what `unless_over` raises."""
    is_of_source = failed.error in _OF_SOURCES
    if not (is_of_source or failed.fingerprint) or not may_ask(reference, failed.fingerprint):
        return False
    if is_of_source:
        return True
    source = get_source(reference.source)
    with threads.one_thread():
        now = source.stat(reference.name, failed.fingerprint).fingerprint
    return now != failed.fingerprint


def raise_if_missing(reference: Reference) -> None:
    """Before Django: raises OriginalNotFound, or NotAtOnce if only Django can tell."""
    try:
        stat_at_once(*reference)
    except OriginalNotFound as error:
        remember_failure(reference, error)
        tallies.note_missing(reference)
        raise
