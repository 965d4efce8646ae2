"""Originals: `locate` an original by a file or a name, and `look_up` its description.

| module          | contents                                                                |
|-----------------|-------------------------------------------------------------------------|
| `locating.py`   | the source and name that a file means                                   |
| `pages.py`      | look-ups of pages: many originals at once, kept by the files of models  |
| `checking.py`   | asks the source                                                         |
| `inspecting.py` | opens the file                                                          |
| `memory.py`     | cache and rows                                                          |
| `failures.py`   | failures in the cache                                                   |
| `notes.py`      | what a render has seen                                                  |

A description comes from the cache, else from the table of originals, else from the header of the file. How recently the
source must have been asked is the caller's choice. `records/descriptions.py` lists the states in the cache.

| state              | KNOWN     | SIGHTED         | FRESH      | RECENT    | NOW  |
|--------------------|-----------|-----------------|------------|-----------|------|
| known, fresh       | as it is  | as it is        | as it is   | ask       | ask  |
| known, older       | as it is  | ask             | ask        | ask       | ask  |
| broken, older      | ask       | ask             | ask        | ask       | ask  |
| sighted            | row, ask  | as it is        | row, open  | ask       | ask  |
| failed             | raise     | raise, or ask   | raise, or ask | ask    | ask  |
| nothing            | row, ask  | row, stat       | row, open  | ask       | ask  |

"Ask" compares the file with the known fingerprint, and opens the file only if it has changed. "Row" uses the row of the
original as a known state, if there is one. A failure is checked again if the source itself failed, or the
file was replaced. RECENT, and the check of a failure, ask at most once in `RECHECK_SECONDS`; until then, RECENT is FRESH.

Before Django, there is no "row" and no "open". Sources on this machine are asked for the size and fingerprint of a file. If
this tells nothing new, or that the file is missing, Django is not needed.
"""

from __future__ import annotations

from contextlib import nullcontext
from enum import Enum, auto
from typing import TYPE_CHECKING, Literal, overload

from resizer.concurrency import threads
from resizer.concurrency.at_once import NotAtOnce, at_once
from resizer.conf import get_settings
from resizer.errors import ResizerError
from resizer.originals.checking import check
from resizer.originals.failures import error_of, raise_if_missing, remember_failure, unless_over
from resizer.originals.locating import File, locate
from resizer.originals.memory import Recalled, find_row, may_ask, recall, recall_many, remember
from resizer.originals.notes import forget, lacks_sketch, note_broken, note_sketch, reread
from resizer.originals.pages import look_up_kept, look_up_recalled, prefetch
from resizer.records import cache
from resizer.records.descriptions import Description, Failed, Sighted, cache_key
from resizer.sources import get_source

if TYPE_CHECKING:
    from resizer.records.descriptions import Reference, State

__all__ = [
    "File",
    "Freshness",
    "Recalled",
    "forget",
    "lacks_sketch",
    "locate",
    "look_up",
    "look_up_recalled",
    "note_broken",
    "note_sketch",
    "prefetch",
    "recall_many",
    "reread",
]


class Freshness(Enum):
    """How recently the source of an original must have been asked, the least demanding first."""

    #: Ever. For pages: no page waits for a known original.
    KNOWN = auto()
    #: Within `FRESH_SECONDS`, for its fingerprint alone. For cached variants: an unknown original is not opened.
    SIGHTED = auto()
    #: Within `FRESH_SECONDS`. For image requests.
    FRESH = auto()
    #: Within `RECHECK_SECONDS`. For requests that doubt the known state: anybody can send many of them.
    RECENT = auto()
    #: Now. For files that were just saved.
    NOW = auto()


class _Unread(Enum):
    UNREAD = auto()


@overload
def look_up(
    file: File, freshness: Literal[Freshness.SIGHTED], *, state: State | _Unread = ...
) -> Description | Sighted: ...


@overload
def look_up(
    file: File,
    freshness: Literal[Freshness.KNOWN, Freshness.FRESH, Freshness.RECENT, Freshness.NOW] = ...,
    *,
    reference: Reference | None = ...,
    state: State | _Unread = ...,
) -> Description: ...


def look_up(
    file: File,
    freshness: Freshness = Freshness.KNOWN,
    *,
    reference: Reference | None = None,
    state: State | _Unread = _Unread.UNREAD,
) -> Description | Sighted:
    """The description of an original, as fresh as the caller needs it; see the table above.

    `reference` is the result of `locate(file)`, if the caller has it. `state` is what the cache holds of the original,
    if the caller has read that. With `Freshness.SIGHTED` the result may be a `Sighted`.

    Raises OriginalNotFound, TooManyBytes, TooManyPixels, UnsupportedFormat, UndecodableOriginal, TooMuchWork,
    SourceFailed, SourceTimedOut or Busy. Failures are cached for a minute, RenderKilled for 10 s, and any other Busy
    is not cached. If a source fails, a known original counts as unchanged for a minute: stale is better than broken.
    """
    if freshness is Freshness.KNOWN:
        return look_up_kept(file, reference or locate(file))
    reference = reference or locate(file)
    if freshness is Freshness.NOW:
        return check(reference)
    if state is _Unread.UNREAD:
        state = recall(reference)
    if freshness is Freshness.RECENT and may_ask(reference, getattr(state, "fingerprint", "")):
        return check(reference)
    state = unless_over(reference, state)
    if state is None and at_once.get():
        raise_if_missing(reference)
        raise NotAtOnce
    if freshness is Freshness.SIGHTED:
        return _sighted(reference, state)
    known = _last_known(reference, state)
    if known is not None:
        return known if known.is_fresh else check(reference)
    # Nothing is known that could be shown instead. Take a thread before anything else, so that a refusal costs little.
    with threads.one_thread():
        return check(reference, state if isinstance(state, Sighted) else None)


def _sighted(reference: Reference, state: State) -> Description | Sighted:
    if isinstance(state, Sighted):
        return state
    known = _last_known(reference, state, is_counted=True)
    if known is not None:
        return known if known.is_fresh else check(reference)
    try:
        with threads.one_thread():
            # Only signed keys are sighted, and a page that printed one has known the original.
            sighted = Sighted(*get_source(reference.source).stat(reference.name, ""))
    except ResizerError as error:
        remember_failure(reference, error)
        raise
    # Another request may have described it meanwhile.
    cache.claim(cache_key(reference), get_settings().FRESH_SECONDS, sighted.encode())
    return sighted


def _last_known(
    reference: Reference, state: State, *, is_counted: bool = False
) -> Description | None:
    """The last description of an original, from the cache, else from its row. Raises a cached failure.

    With `is_counted`, the query counts as a waiting thread, and raises Busy if there are too many.
    """
    if isinstance(state, Description):
        return state
    if isinstance(state, Failed):
        raise error_of(reference, state)
    with threads.one_thread() if is_counted else nullcontext():
        known = find_row(reference)
    if known is not None:
        remember(known)
    return known
