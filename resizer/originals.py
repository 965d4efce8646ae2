"""Originals: `locate` an original by a file or a name, and `look_up` its description.

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
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import replace
from enum import Enum, auto
from functools import partial
from itertools import dropwhile, islice
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, overload

from django.core.files.base import File as DjangoFile
from django.db.models import FileField, Model
from django.db.models.fields.files import FieldFile
from django.utils.functional import Promise

from resizer import errors
from resizer.breaker import CircuitBreaker
from resizer.concurrency import threads
from resizer.concurrency.at_once import NotAtOnce, at_once, raise_if_at_once
from resizer.concurrency.waiting import release_connections
from resizer.conf import get_settings
from resizer.engines import get_engine
from resizer.engines.containers import svg
from resizer.engines.memory import decoded_megabytes
from resizer.errors import (
    Busy,
    InvalidOption,
    OriginalNotFound,
    RenderKilled,
    ResizerError,
    SourceFailed,
    SourceTimedOut,
    TooManyBytes,
    TooManyPixels,
    UnsupportedFormat,
    VectorOriginal,
)
from resizer.keys.variant import DEFAULT_SOURCE, escape_name
from resizer.models import Original
from resizer.records import cache, index, tables
from resizer.records.descriptions import (
    NO_WORDS,
    Description,
    Failed,
    Reference,
    Sighted,
    cache_key,
    decode,
    from_row,
)
from resizer.sources import get_source, source_of
from resizer.sources.deadline import is_in_request

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from typing import BinaryIO

    from resizer.engines import Header
    from resizer.engines.sketching import Sketch
    from resizer.records.descriptions import State

logger = logging.getLogger(__name__)

#: The longest side of an original, px. No JPEG, GIF, WebP or AVIF can be longer, and no real picture is.
MAX_SIDE = 65_535
#: How long a failure such as a missing or unreadable original stays in the cache, seconds.
FAILURE_SECONDS = 60
#: After a variant has failed, pages show the unresized original for this time, seconds.
BROKEN_SECONDS = 7 * 24 * 3600
#: After a source was too slow for one original, pages do not wait for its other originals for this time, seconds.
SLOW_SECONDS = 10
#: Of each source, by its alias.
_breakers: defaultdict[str, CircuitBreaker] = defaultdict(partial(CircuitBreaker, SLOW_SECONDS))
#: A source is asked about one original at most once in this time, however many requests doubt its state, seconds.
RECHECK_SECONDS = 5
#: How long a model's file keeps what is known of its original: for one page, not for the life of an object, seconds.
PAGE_SECONDS = 10
#: The most originals that one tag looks up for the others of its list.
MOST_TOGETHER = 500
#: Failures of sources. They say nothing about the original.
_OF_SOURCES = (SourceFailed.__name__, SourceTimedOut.__name__)


#: Anything that names an original. An empty field or string names none.
File: TypeAlias = "DjangoFile[Any] | Original | Reference | Description | str | None"


def locate(file: File) -> Reference:
    """Find the source and name of a model's file, a row of Original, or a string "name" or "alias:name".

    The name is empty for an empty field. It is also empty for an unsaved upload, because another file may have its name.
    Raises OriginalNotFound for a file in a storage without a source, TypeError for any other type.
    """
    if isinstance(file, Promise):
        # A lazy translation, such as `_("hero.jpg")` in a template.
        file = str(file)
    if isinstance(file, Reference):
        return file
    if isinstance(file, Description):
        return file.reference
    if isinstance(file, Original):
        return Reference(file.source, file.name)
    if not file or not getattr(file, "_committed", not isinstance(file, DjangoFile)):
        return Reference(DEFAULT_SOURCE, "")
    if isinstance(file, FieldFile):
        found = source_of(file.storage)
        if found is None:
            raise OriginalNotFound(
                f"No source has the storage of {file.field}. Add a source for it to RESIZER['SOURCES']."
            )
        alias, source = found
        return Reference(alias, source.spell(str(file.name)))
    if isinstance(file, str):
        alias, colon, name = file.partition(":")
        # Accept only the aliases in the settings. The string may come from an attacker, who can compute the alias of a
        # private storage.
        if not (colon and alias in get_settings().SOURCES):
            # Exactly a str: pathlib of Python 3.11 refuses a template's SafeString.
            alias, name = DEFAULT_SOURCE, str.__str__(file)
        _refuse_text(alias)
        return Reference(alias, get_source(alias).spell(name))
    raise TypeError(_advice(file))


def _advice(value: object) -> str:
    """What to pass instead of something that is no original. Names its type only: the text of a queryset costs a query."""
    problem = f"{type(value).__name__} is no original."
    columns = value._meta.fields if isinstance(value, Model) else ()
    names = [one.name for one in columns if isinstance(one, FileField)]
    if names:
        return f"{problem} Pass its file, such as .{names[0]}."
    return f"{problem} Pass a model's file, or a name such as 'photo.jpg'."


def _refuse_text(alias: str) -> None:
    """Raise OriginalNotFound for a source where a link is all that a visitor needs."""
    source = get_settings().SOURCES[alias]
    if source.PRIVATE and source.ALLOW is None:
        # Security: the text may come from an attacker, and the page would print a link for it.
        raise OriginalNotFound(
            f"A text cannot name an original of {alias!r}, which is private. Pass a model's file, or set ALLOW"
        )


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
        return _known(file, reference or locate(file))
    reference = reference or locate(file)
    if freshness is Freshness.NOW or (freshness is Freshness.RECENT and _may_ask(reference)):
        return _check(reference)
    state = _unless_over(reference, _recall(reference) if state is _Unread.UNREAD else state)
    if freshness is Freshness.SIGHTED:
        return _sighted(reference, state)
    known = _last_known(reference, state)
    if known is not None:
        return known if known.is_fresh else _check(reference)
    # Nothing is known that could be shown instead. Take a thread before anything else, so that a refusal costs little.
    with threads.one_thread():
        return _check(reference, state if isinstance(state, Sighted) else None)


def _known(file: File, reference: Reference) -> Description:
    if isinstance(file, Description):
        return file
    row = from_row(file) if isinstance(file, Original) else None
    if row is not None and row.checked_at:
        return row
    kept = _kept(file)
    if isinstance(file, FieldFile) and (kept is None or kept.reference != reference):
        kept = _keep_together(file, reference)
    if kept is None:
        return look_up_recalled(reference, _recall_or_read(reference))
    try:
        description = look_up_recalled(reference, kept.recalled)
    except ResizerError as error:
        _keep(file, kept._replace(recalled=Recalled(_failed(error))))
        raise
    if description is not kept.recalled.state:
        _keep(file, kept._replace(recalled=Recalled(description)))
    return description


class Recalled(NamedTuple):
    """What is known of an original without its source."""

    state: State = None
    #: Its row, if the file may have changed since.
    former: Description | None = None


class _Kept(NamedTuple):
    """What a model's file keeps of its original."""

    reference: Reference
    recalled: Recalled
    until: float  # of `time.monotonic`


def _keep(file: File, kept: _Kept) -> None:
    file._resizer_kept = kept  # type: ignore[union-attr]


def _kept(file: File) -> _Kept | None:
    """None if a file keeps nothing, or has kept it for too long."""
    kept: _Kept | None = getattr(file, "_resizer_kept", None)
    return kept if kept is not None and time.monotonic() < kept.until else None


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


def look_up_recalled(reference: Reference, recalled: Recalled) -> Description:
    """The description of an original for a page that has recalled it. Asks the source of an unknown one.

    Raises what `look_up` raises.
    """
    state = recalled.state
    if isinstance(state, Failed):
        raise _error(reference, state)
    # Browsers do not request variants of a broken original. So the page itself looks for a replacement.
    if not isinstance(state, Description) or (state.is_broken and not state.is_fresh):
        _refuse_impossible_name(reference)
        return _check_for_page(reference, recalled)
    return state


def _check_for_page(reference: Reference, recalled: Recalled) -> Description:
    """`_check` for a page with perhaps many originals of a slow source. The page waits for one of them only."""
    breaker = _breakers[reference.source]
    if not breaker.allows_call():
        slow = SourceTimedOut(f"source {reference.source!r} was too slow a moment ago")
        raise _as_remembered(slow)
    try:
        description = _check(reference, recalled=recalled)
    except SourceTimedOut:
        breaker.open()
        raise
    except ResizerError:
        breaker.close()
        raise
    breaker.close()
    return description


def _sighted(reference: Reference, state: State) -> Description | Sighted:
    if isinstance(state, Sighted):
        return state
    known = _last_known(reference, state, is_counted=True)
    if known is not None:
        return known if known.is_fresh else _check(reference)
    raise_if_at_once()
    try:
        with threads.one_thread():
            sighted = Sighted(*get_source(reference.source).stat(reference.name))
    except ResizerError as error:
        _remember_failure(reference, error)
        raise
    # Another request may have described it meanwhile.
    cache.claim(cache_key(reference), get_settings().FRESH_SECONDS, sighted.encode())
    return sighted


def _recall(reference: Reference) -> State:
    """The state of an original in the cache. Raises OriginalNotFound for an impossible name."""
    _refuse_impossible_name(reference)
    return decode(reference, cache.read(cache_key(reference)))


def _recall_or_read(reference: Reference) -> Recalled:
    """What is known of one original: from the cache, else from its row. Raises OriginalNotFound for an impossible name."""
    state = _recall(reference)
    if isinstance(state, Description | Failed):
        return Recalled(state)
    row = index.find(reference)
    if row is None or not row.checked_at:
        return Recalled(former=row)
    _remember(row)
    return Recalled(row)


def _refuse_impossible_name(reference: Reference) -> None:
    try:
        escape_name(reference.name)
    except InvalidOption as error:
        raise OriginalNotFound(str(error)) from error


def _check(
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
            description = _inspect(reference, stat, known)
    except (SourceFailed, SourceTimedOut, Busy) as error:
        state = decode(reference, cache.read(cache_key(reference)))
        last = state if isinstance(state, Description) else row
        if last is None or not last.checked_at:
            _remember_failure(reference, error)
            raise
        logger.warning(
            "%.1000r could not be checked, and counts as unchanged: %.500r", reference, error
        )
        checked_at = time.time() - get_settings().FRESH_SECONDS + FAILURE_SECONDS
        description = replace(last, checked_at=checked_at)
    except ResizerError as error:
        _remember_failure(reference, error, stat.fingerprint if stat else "")
        if row is not None:
            index.forget(reference)
        raise
    _remember(description)
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


def recall_many(references: Collection[Reference]) -> dict[Reference, Recalled]:
    """What is known of many originals. Needs one cache call, and one query for those missing in the cache."""
    if not references:
        return {}
    keys = {reference: cache_key(reference) for reference in references}
    remembered = cache.read_many(keys.values())
    states = {one: decode(one, remembered.get(key)) for one, key in keys.items()}
    rows = index.find_many(
        one for one, state in states.items() if not isinstance(state, Description | Failed)
    )
    encoded = {keys[one.reference]: one.encode() for one in rows if one.checked_at}
    if encoded:
        cache.write_many(encoded, get_settings().FRESH_SECONDS)
    found = {
        one.reference: Recalled(one) if one.checked_at else Recalled(former=one) for one in rows
    }
    return {one: Recalled(state) for one, state in states.items()} | found


def note_broken(description: Description) -> None:
    """Let pages show the unresized original until its file is replaced or `forget` is called, at most for a week."""
    if description.is_broken:
        return
    logger.warning(
        "%.1000r is broken, so pages show the original. Replace the file.", description.reference
    )
    broken = replace(description, header=description.header._replace(frames=0))
    index.record(broken)
    cache.write(_broken_key(description.reference), True, BROKEN_SECONDS)
    _remember(broken)


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
    known = _find_row(description.reference)
    if known is not None:
        _remember(replace(known, checked_at=description.checked_at))


def reread(reference: Reference) -> None:
    """Let the next page read what the row says now."""
    cache.drop(cache_key(reference))


def forget(reference: Reference) -> None:
    """Drop an original from cache and database. The next request reads its header again."""
    cache.drop(cache_key(reference))
    index.forget(reference)


def _inspect(reference: Reference, stat: Sighted, known: Description | None) -> Description:
    if stat.bytes > get_settings().MAX_BYTES:
        raise TooManyBytes(f"{reference} has {stat.bytes} bytes")
    fingerprint = stat.fingerprint
    if known is not None and known.fingerprint == fingerprint and not _is_over(known):
        header = known.header
    else:
        with get_source(reference.source).open(reference.name) as file:
            # Prefer the fingerprint of the opened file. The path may have another file by now.
            fingerprint = getattr(file, "fingerprint", None) or fingerprint
            header = _read_header(file)
    description = Description(
        reference=reference,
        fingerprint=fingerprint,
        header=header,
        checked_at=time.time(),
        words=known.words if known is not None else NO_WORDS,
        sketch=known.sketch if known is not None and known.fingerprint == fingerprint else None,
    )
    _refuse_too_many_pixels(description)
    # An equal row stays as it is, with its time. For a broken original, that is when it was found broken.
    index.record(description, known)
    return description


def _is_over(known: Description) -> bool:
    """Whether to try a broken original again. The file may have been cut off while it was fetched."""
    return known.is_broken and time.time() - known.checked_at >= BROKEN_SECONDS


def _read_header(file: BinaryIO) -> Header:
    """Raises VectorOriginal for an SVG, with its size, and what the engine raises."""
    try:
        return get_engine().read_header(file)
    except UnsupportedFormat as error:
        file.seek(0)
        size = svg.read_size(file.read(svg.HEAD_BYTES))
        if size is None:
            raise
        vector = VectorOriginal("it is an SVG, which is not resized")
        vector.size = size
        raise vector from error


def _refuse_too_many_pixels(description: Description) -> None:
    settings = get_settings()
    width, height = description.size
    megabytes = decoded_megabytes(description.header)
    if (
        width * height > settings.MAX_PIXELS
        or max(width, height) > MAX_SIDE
        or megabytes > settings.MAX_DECODED_MEGABYTES
    ):
        raise TooManyPixels(
            f"{description.reference} has {width} x {height} px and takes {megabytes:.0f} MB decoded"
        )


def _last_known(
    reference: Reference, state: State, *, is_counted: bool = False
) -> Description | None:
    """The last description of an original, from the cache, else from its row. Raises a cached failure.

    With `is_counted`, the query counts as a waiting thread, and raises Busy if there are too many.
    """
    if isinstance(state, Description):
        return state
    if isinstance(state, Failed):
        raise _error(reference, state)
    with threads.one_thread() if is_counted else nullcontext():
        known = _find_row(reference)
    if known is not None:
        _remember(known)
    return known


def _error(reference: Reference, failed: Failed) -> ResizerError:
    # Another release may have written a class that is unknown here.
    failure = errors.BY_NAME.get(failed.error, OriginalNotFound)
    error = failure(f"{reference} failed a moment ago")
    if isinstance(error, VectorOriginal):
        error.size = failed.size
    return _as_remembered(error)


def _as_remembered(error: ResizerError) -> ResizerError:
    error.is_remembered = True
    return error


def _unless_over(reference: Reference, state: State) -> State:
    """The state for an image request, or None if it is a failure that may be over.

    Pages do not wait, but a repaired picture, or one whose source works again, is shown at once. Raises OriginalNotFound,
    SourceFailed, SourceTimedOut or Busy.
    """
    if not isinstance(state, Failed) or not _may_be_over(reference, state):
        return state
    cache.drop(cache_key(reference))
    return None


def _may_be_over(reference: Reference, failed: Failed) -> bool:
    """Whether the source failed, or the failed file was replaced. Raises what `_unless_over` raises."""
    if not _may_ask(reference):
        return False
    if failed.error in _OF_SOURCES:
        return True
    if not failed.fingerprint:
        return False
    source = get_source(reference.source)
    with threads.one_thread():
        now = source.stat(reference.name, failed.fingerprint).fingerprint
    return now != failed.fingerprint


def _may_ask(reference: Reference) -> bool:
    key = cache.key_of("asked", "\n".join(reference))
    if at_once.get():
        if cache.read(key) is None:
            raise NotAtOnce
        return False
    return cache.claim(key, RECHECK_SECONDS)


def _find_row(reference: Reference) -> Description | None:
    """The row of an original, or None if its file may have changed since."""
    known = index.find(reference)
    return known if known is not None and known.checked_at else None


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
    return known if cache.read(_broken_key(reference)) else None


def _remember(description: Description) -> None:
    # Let the entry expire: another process with its own cache may have recorded a new version.
    # A broken original stays longer. Without a database, only the cache knows of it.
    seconds = BROKEN_SECONDS if description.is_broken else get_settings().FRESH_SECONDS
    cache.write(cache_key(description.reference), description.encode(), seconds)


def _remember_failure(reference: Reference, error: ResizerError, fingerprint: str = "") -> None:
    if isinstance(error, Busy) and not isinstance(error, RenderKilled):
        return
    seconds = error.retry_seconds or FAILURE_SECONDS
    if isinstance(error, VectorOriginal):
        # Nothing has failed: that is all that is known of an SVG.
        seconds = get_settings().FRESH_SECONDS
    cache.write(cache_key(reference), _failed(error, fingerprint).encode(), seconds)


def _failed(error: ResizerError, fingerprint: str = "") -> Failed:
    size = error.size if isinstance(error, VectorOriginal) else None
    return Failed(type(error).__name__, fingerprint, size)


def _broken_key(reference: Reference) -> str:
    return cache.key_of("broken", "\n".join(reference))
