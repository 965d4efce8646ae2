"""Originals of a page, which shows many. It looks them up together, and each file keeps what is known of its own."""

from __future__ import annotations

import time
from collections import defaultdict
from contextlib import suppress
from functools import partial
from itertools import dropwhile, islice
from typing import TYPE_CHECKING, NamedTuple

from django.db.models.fields.files import FieldFile

from resizer.breaker import CircuitBreaker
from resizer.errors import OriginalNotFound, ResizerError, SourceTimedOut
from resizer.models import Original
from resizer.originals.checking import check
from resizer.originals.failures import as_remembered, error_of, failed
from resizer.originals.locating import locate
from resizer.originals.memory import (
    Recalled,
    recall_many,
    recall_or_read,
    refuse_impossible_name,
)
from resizer.records.descriptions import Description, Failed, Reference, from_row

if TYPE_CHECKING:
    from collections.abc import Iterable

    from resizer.originals.locating import File

#: After a source was too slow for one original, pages do not wait for its other originals for this time, seconds.
SLOW_SECONDS = 10
#: How long a model's file keeps what is known of its original: for one page, not for the life of an object, seconds.
PAGE_SECONDS = 10
#: The most originals that one tag looks up for the others of its list.
MOST_TOGETHER = 500
#: Of each source, by its alias.
_breakers: defaultdict[str, CircuitBreaker] = defaultdict(partial(CircuitBreaker, SLOW_SECONDS))


class _Kept(NamedTuple):
    """What a model's file keeps of its original."""

    reference: Reference
    recalled: Recalled
    until: float  # of `time.monotonic`


def look_up_kept(file: File, reference: Reference) -> Description:
    """`look_up` for a page, which no known original keeps waiting. The file keeps the result for other tags."""
    if isinstance(file, Description):
        return file
    row = from_row(file) if isinstance(file, Original) else None
    if row is not None and row.checked_at:
        return row
    kept = _kept(file)
    if isinstance(file, FieldFile) and (kept is None or kept.reference != reference):
        kept = _keep_together(file, reference)
    if kept is None:
        return look_up_recalled(reference, recall_or_read(reference))
    try:
        description = look_up_recalled(reference, kept.recalled)
    except ResizerError as error:
        _keep(file, kept._replace(recalled=Recalled(failed(error))))
        raise
    if description is not kept.recalled.state:
        _keep(file, kept._replace(recalled=Recalled(description)))
    return description


def look_up_recalled(reference: Reference, recalled: Recalled) -> Description:
    """The description of an original for a page that has recalled it. Asks the source of an unknown one.

    Raises what `look_up` raises.
    """
    state = recalled.state
    if isinstance(state, Failed):
        raise error_of(reference, state)
    # Browsers do not request variants of a broken original. So the page itself looks for a replacement.
    if not isinstance(state, Description) or (state.is_broken and not state.is_fresh):
        refuse_impossible_name(reference)
        return _check_for_page(reference, recalled)
    return state


def _check_for_page(reference: Reference, recalled: Recalled) -> Description:
    """`check` for a page with perhaps many originals of a slow source. The page waits for one of them only."""
    breaker = _breakers[reference.source]
    if not breaker.allows_call():
        slow = SourceTimedOut(f"source {reference.source!r} was too slow a moment ago")
        raise as_remembered(slow)
    try:
        description = check(reference, recalled=recalled)
    except SourceTimedOut:
        breaker.open()
        raise
    except ResizerError:
        breaker.close()
        raise
    breaker.close()
    return description


def prefetch(files: Iterable[FieldFile]) -> None:
    """Let each file keep what is known of its original, for one page.

    Needs one cache call, and one query for files missing in the cache.
    """
    wanted: dict[Reference, list[FieldFile]] = {}
    for file in files:
        # The tag reports a file without a source when it prints it.
        with suppress(OriginalNotFound):
            reference = locate(file)
            if reference.name:
                wanted.setdefault(reference, []).append(file)
    until = time.monotonic() + PAGE_SECONDS
    for reference, recalled in recall_many(wanted).items():
        for file in wanted[reference]:
            _keep(file, _Kept(reference, recalled, until))


def _keep_together(file: FieldFile, reference: Reference) -> _Kept | None:
    """Look up a file with those of the other rows of its query. None if Django does not know these.

    It knows them since 6.1, with `fetch_mode(FETCH_PEERS)`.
    """
    own, field = file.instance, file.field
    peers = [one() for one in getattr(own._state, "peers", ())]
    if len(peers) < 2:
        return None
    # Those after this one, if they are very many.
    ordered = peers if len(peers) <= MOST_TOGETHER else dropwhile(lambda one: one is not own, peers)
    # A field that was left out of the query would cost one more.
    rows = (one for one in ordered if one is not None and field.attname in one.__dict__)
    files = (getattr(one, field.name) for one in islice(rows, MOST_TOGETHER))
    prefetch([file, *(one for one in files if one is not file and _kept(one) is None)])
    return _kept(file)


def _keep(file: File, kept: _Kept) -> None:
    file._resizer_kept = kept  # type: ignore[union-attr]


def _kept(file: File) -> _Kept | None:
    """None if a file keeps nothing, or has kept it for too long."""
    kept: _Kept | None = getattr(file, "_resizer_kept", None)
    return kept if kept is not None and time.monotonic() < kept.until else None
