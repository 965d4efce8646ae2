"""What is known of an original: `describe` it from the cache, else from its row, else from its first bytes.

A page that prints a picture never waits for a storage once the original is known, so `describe` does not ask
whether the file has changed. Requests for images do, now and then: `refresh`. `check` asks the source at once.
"""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

from django.core.files.base import File as DjangoFile
from django.db.models.fields.files import FieldFile
from django.utils.functional import Promise

from resizer import errors
from resizer.concurrency import threads
from resizer.concurrency.waiting import release_connections
from resizer.conf import get_settings
from resizer.engines import get_engine
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
)
from resizer.keys.variant import DEFAULT_SOURCE, escape_name
from resizer.models import Original
from resizer.records import cache, index
from resizer.records.descriptions import (
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
    from collections.abc import Iterable

    from resizer.records.descriptions import State

logger = logging.getLogger(__name__)

#: The longest side of an original, px: no JPEG, GIF, WebP or AVIF can have a longer one, and none that is meant to be seen.
MAX_SIDE = 65_535
#: How long a missing or broken original is remembered as such, seconds.
FAILURE_SECONDS = 60
#: How long pages show an original as it is after a variant of it has failed, seconds.
BROKEN_SECONDS = 7 * 24 * 3600
#: How long no page waits for another original of a source that was too slow for one, seconds.
SLOW_SECONDS = 10
#: How often a source is asked whether an original has changed, however many requests doubt it, seconds.
RECHECK_SECONDS = 5
#: Failures that say nothing about the original.
_OF_SOURCES = (SourceFailed.__name__, SourceTimedOut.__name__)


#: What names an original wherever one is asked for; an empty field names none.
File: TypeAlias = "DjangoFile[Any] | Original | Reference | str | None"


def locate(file: File) -> Reference:
    """Tell which original a model's file, an original's row, or "name" or "alias:name", is.

    Without a file the name is empty: of an empty field, and of an upload that is not saved, whose name may be another's.
    Raises OriginalNotFound for a file in a storage that is no source, TypeError for anything else.
    """
    if isinstance(file, Promise):
        # `_("hero.jpg")` of a template, once the language is known.
        file = str(file)
    if isinstance(file, Reference):
        return file
    if isinstance(file, Original):
        return Reference(file.source, file.name)
    if not file or not getattr(file, "_committed", not isinstance(file, DjangoFile)):
        return Reference(DEFAULT_SOURCE, "")
    if isinstance(file, FieldFile):
        found = source_of(file.storage)
        if found is None:
            raise OriginalNotFound(
                f"No source claims the storage of {file.field}: add one for it to RESIZER['SOURCES']."
            )
        alias, source = found
        return Reference(alias, source.spell(str(file.name)))
    if isinstance(file, str):
        alias, colon, name = file.partition(":")
        # Sources of settings only: a text may be a stranger's, and the alias of a private storage can be computed.
        if not (colon and alias in get_settings().SOURCES):
            alias, name = DEFAULT_SOURCE, file
        return Reference(alias, get_source(alias).spell(name))
    raise TypeError(f"An original is a model's file or a name, not {file!r}.")


def describe(file: File, reference: Reference | None = None) -> Description:
    """What is known of an original. Raises any ResizerError; a failure is remembered for a minute, Busy is not.

    `reference` is what `locate` says of the file, where that has been asked.
    """
    row = from_row(file) if isinstance(file, Original) else None
    if row is not None and row.checked_at:
        return row
    if reference is None:
        reference = locate(file)
    known = getattr(file, "_resizer_description", None)
    if not isinstance(known, Description) or known.reference != reference:
        known = _last_known(reference, recall(reference))
    # No browser asks for variants of a broken one, so nobody else looks whether it was replaced.
    if known is None or (known.is_broken and not known.is_fresh):
        return _look(reference)
    return known


def _look(reference: Reference) -> Description:
    """`check` for a page, which may have many originals: it waits for one that does not come in time, not for each."""
    is_slow = cache.key_of("slow", reference.source)
    if cache.read(is_slow):
        slow = SourceTimedOut(f"source {reference.source!r} was too slow a moment ago")
        raise _as_remembered(slow)
    try:
        return check(reference)
    except SourceTimedOut:
        cache.write(is_slow, True, SLOW_SECONDS)
        raise


def recall(reference: Reference) -> State:
    """What the cache knows of an original. Raises OriginalNotFound for a name that no key can hold: it has no variants."""
    try:
        escape_name(reference.name)
    except InvalidOption as error:
        raise OriginalNotFound(str(error)) from error
    return decode(reference, cache.read(cache_key(reference)))


def refresh(reference: Reference, state: State) -> Description:
    """What is known of an original, asking its source if that was long ago. `state` is what was recalled of it.

    Raises any ResizerError.
    """
    known = _last_known(reference, _unless_over(reference, state))
    if known is not None:
        return known if known.is_fresh else check(reference)
    # At once where nothing is known that could be shown instead: many may ask, and refusals are to cost little.
    with threads.one_thread():
        return _check(reference, state if isinstance(state, Sighted) else None)


def sight(reference: Reference, state: State) -> Description | Sighted:
    """`refresh` for a cached variant: which file is there now tells whether the variant is still right.

    So an original of which nothing is known is not opened. Raises any ResizerError.
    """
    state = _unless_over(reference, state)
    if isinstance(state, Sighted):
        return state
    known = _last_known(reference, state, is_counted=True)
    if known is not None:
        return known if known.is_fresh else check(reference)
    try:
        with threads.one_thread():
            sighted = Sighted(*get_source(reference.source).stat(reference.name))
    except ResizerError as error:
        _remember_failure(reference, error)
        raise
    # Another request may have described it meanwhile.
    cache.claim(cache_key(reference), get_settings().FRESH_SECONDS, sighted.encode())
    return sighted


def check(reference: Reference) -> Description:
    """Describe an original as it is now, by asking its source. Raises any ResizerError.

    While the source fails, what was known before stays for another minute: stale is better than broken.
    """
    return _check(reference)


def recheck(reference: Reference, state: State) -> Description:
    """`check` for requests that doubt what is known: anybody can send many, so the source is asked now and then.

    Raises any ResizerError.
    """
    return check(reference) if _may_ask(reference) else refresh(reference, state)


def _check(reference: Reference, stat: Sighted | None = None) -> Description:
    try:
        known = index.find(reference) or _known_as_broken(reference)
        with ExitStack() as taken:
            if is_in_request():
                # A page, which prints many pictures, is refused none; and it may be in the middle of a query.
                taken.enter_context(threads.one_thread())
                release_connections()
            if stat is None:
                source = get_source(reference.source)
                stat = Sighted(*source.stat(reference.name, known.fingerprint if known else None))
            description = _inspect(reference, stat, known)
    except (SourceFailed, SourceTimedOut, Busy) as error:
        state = decode(reference, cache.read(cache_key(reference)))
        last = state if isinstance(state, Description) else _find_row(reference)
        if last is None:
            _remember_failure(reference, error)
            raise
        logger.warning("%.1000r is taken to be unchanged: %.500r", reference, error)
        checked_at = time.time() - get_settings().FRESH_SECONDS + FAILURE_SECONDS
        description = replace(last, checked_at=checked_at)
    except ResizerError as error:
        _remember_failure(reference, error, stat.fingerprint if stat else "")
        index.forget(reference)
        raise
    _remember(description)
    return description


def prefetch(files: Iterable[FieldFile]) -> None:
    """Attach to each file what is known of it: one call of the cache, and one query for what that lacks."""
    wanted: dict[Reference, list[FieldFile]] = {}
    for file in files:
        # The tag that prints a file of no source says so.
        with suppress(OriginalNotFound):
            reference = locate(file)
            if reference.name:
                wanted.setdefault(reference, []).append(file)
    if not wanted:
        return
    keys = {reference: cache_key(reference) for reference in wanted}
    remembered = cache.read_many(keys.values())
    states = {one: decode(one, remembered.get(key)) for one, key in keys.items()}
    found = {one: state for one, state in states.items() if isinstance(state, Description)}
    missing = index.find_many(
        one for one, state in states.items() if not isinstance(state, Description | Failed)
    )
    if missing:
        encoded = {cache_key(one.reference): one.encode() for one in missing}
        cache.write_many(encoded, get_settings().FRESH_SECONDS)
    found.update({description.reference: description for description in missing})
    for reference, description in found.items():
        for file in wanted[reference]:
            file._resizer_description = description  # type: ignore[attr-defined]


def note_broken(description: Description) -> None:
    """Have pages show an original as it is, until its file is replaced or it is forgotten, but no longer than a week."""
    if description.is_broken:
        return
    logger.warning("%.1000r is broken: pages show it as it is", description.reference)
    broken = replace(description, header=description.header._replace(frames=0))
    index.record(broken)
    cache.write(_broken_key(description.reference), True, BROKEN_SECONDS)
    _remember(broken)


def forget(reference: Reference) -> None:
    """Have the next one who needs an original read its header again."""
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
            # Of the very file that is read, where that can be told.
            fingerprint = getattr(file, "fingerprint", None) or fingerprint
            header = get_engine().read_header(file)
    description = Description(
        reference=reference,
        fingerprint=fingerprint,
        header=header,
        checked_at=time.time(),
    )
    _refuse_too_many_pixels(description)
    # What has a row that says the same keeps it, with its time: since then a broken one is known to be broken.
    index.record(description, known)
    return description


def _is_over(known: Description) -> bool:
    """Whether an original that was found broken is tried again. On its way, a file may have been cut."""
    return known.is_broken and time.time() - known.checked_at >= BROKEN_SECONDS


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
            f"{description.reference} has {width} x {height} px, decoded {megabytes:.0f} MB"
        )


def _last_known(
    reference: Reference, state: State, *, is_counted: bool = False
) -> Description | None:
    """An original as it was last described, by the cache or else by its row. Raises a failure that is remembered.

    Where a query `is_counted`, its thread is among those that wait. Raises Busy.
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
    # Another release may know other classes.
    failure = errors.BY_NAME.get(failed.error, OriginalNotFound)
    return _as_remembered(failure(f"{reference} failed a moment ago"))


def _as_remembered(error: ResizerError) -> ResizerError:
    error.is_remembered = True
    return error


def _unless_over(reference: Reference, state: State) -> State:
    """A state for a request: without a failure that may be over.

    Pages wait for nothing, but a picture that is mended, or whose source is back, is shown at once. Raises what the
    source does.
    """
    if not isinstance(state, Failed) or not _may_be_over(reference, state):
        return state
    cache.drop(cache_key(reference))
    return None


def _may_be_over(reference: Reference, failed: Failed) -> bool:
    """Whether a failure is the source's, or that of a file that has been replaced. Raises what the source does."""
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
    return cache.claim(cache.key_of("asked", "\n".join(reference)), RECHECK_SECONDS)


def _find_row(reference: Reference) -> Description | None:
    """Unless its file may have changed since."""
    known = index.find(reference)
    return known if known is not None and known.checked_at else None


def _known_as_broken(reference: Reference) -> Description | None:
    """What the cache knows of a broken original, which may have no row for want of a database. None after a week.

    Each look renews `checked_at` and the entry; the mark of when it was found broken runs out.
    """
    known = decode(reference, cache.read(cache_key(reference)))
    if not isinstance(known, Description) or not known.is_broken:
        return None
    return known if cache.read(_broken_key(reference)) else None


def _remember(description: Description) -> None:
    # Not for ever: another process, with a cache of its own, may have found a new version and recorded it.
    # But without a database nothing else knows that one is broken, and pages look at that again.
    seconds = BROKEN_SECONDS if description.is_broken else get_settings().FRESH_SECONDS
    cache.write(cache_key(description.reference), description.encode(), seconds)


def _remember_failure(reference: Reference, error: ResizerError, fingerprint: str = "") -> None:
    if isinstance(error, Busy) and not isinstance(error, RenderKilled):
        return
    failed = Failed(type(error).__name__, fingerprint)
    cache.write(cache_key(reference), failed.encode(), error.retry_seconds or FAILURE_SECONDS)


def _broken_key(reference: Reference) -> str:
    return cache.key_of("broken", "\n".join(reference))
