"""What is known of an original: `describe` it from the cache, else from its row, else from its first bytes.

A page that prints a picture never waits for a storage once the original is known, so `describe` does not ask
whether the file has changed. Requests for images do, now and then: `refresh`. `check` asks the source at once.
"""

from __future__ import annotations

import functools
import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

from django.db import Error as DatabaseProblem
from django.db.models import Q
from django.db.models.fields.files import FieldFile
from django.utils import timezone

from resizer import cache, errors
from resizer.conf import get_settings
from resizer.descriptions import PACK_VERSION, Description, Reference, from_row, pack, unpack
from resizer.engines import get_engine
from resizer.errors import (
    InvalidOption,
    OriginalNotFound,
    ResizerError,
    SourceFailed,
    SourceTimedOut,
    TooManyBytes,
    TooManyPixels,
)
from resizer.models import Original
from resizer.names import escape_name
from resizer.sources import get_source, get_sources
from resizer.variant import DEFAULT_SOURCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from django.db.models import QuerySet


logger = logging.getLogger(__name__)

#: How long a missing or broken original is remembered as such, seconds.
FAILURE_SECONDS = 60


#: What names an original wherever one is asked for.
File: TypeAlias = "FieldFile | Original | Reference | str"


def locate(file: File) -> Reference:
    """Tell which original a model's file, an original's row, or "name" or "alias:name", is.

    Raises ValueError for a file in a storage that no source claims, TypeError for anything else.
    """
    if isinstance(file, Reference):
        return file
    if isinstance(file, Original):
        return Reference(file.source, file.name)
    if isinstance(file, FieldFile):
        for alias, source in get_sources().items():
            if source.claims(file.storage):
                return Reference(alias, str(file.name))
        raise ValueError(
            f"No source claims the storage of {file.field}: add one for it to RESIZER['SOURCES']."
        )
    if isinstance(file, str):
        alias, colon, name = file.partition(":")
        if colon and alias in get_sources():
            return Reference(alias, name)
        return Reference(DEFAULT_SOURCE, file)
    raise TypeError(f"An original is a model's file or a name, not {file!r}.")


def describe(file: File) -> Description:
    """What is known of an original. Raises any ResizerError; a failure is remembered for a minute."""
    if isinstance(file, Original) and file.checked_at is not None:
        return from_row(file)
    reference = locate(file)
    attached = getattr(file, "_resizer_description", None)
    if isinstance(attached, Description) and attached.reference == reference:
        return attached
    return _recall(reference) or check(reference)


def refresh(reference: Reference) -> Description:
    """What is known of an original, asking its source if that was long ago. Raises any ResizerError."""
    known = _recall(reference)
    return known if known is not None and known.is_fresh else check(reference)


def check(reference: Reference) -> Description:
    """Describe an original as it is now, by asking its source. Raises any ResizerError.

    While the source fails, what was known before stays for another minute: stale is better than broken.
    """
    try:
        description = _inspect(reference)
    except (SourceFailed, SourceTimedOut) as error:
        known = _last_known(reference, cache.read(_cache_key(reference)))
        if known is None:
            _remember_failure(reference, error)
            raise
        logger.warning("%s is taken to be unchanged: %s", reference, error)
        checked_at = time.time() - get_settings().FRESH_SECONDS + FAILURE_SECONDS
        description = replace(known, checked_at=checked_at)
    except ResizerError as error:
        _remember_failure(reference, error)
        _forget_row(reference)
        raise
    _remember(description)
    return description


def prefetch(files: Iterable[FieldFile]) -> None:
    """Attach to each file what is known of it: one call of the cache, and one query for what that lacks."""
    wanted: dict[Reference, list[FieldFile]] = {}
    for file in files:
        if file:
            wanted.setdefault(locate(file), []).append(file)
    if not wanted:
        return
    keys = {_cache_key(reference): reference for reference in wanted}
    remembered = {keys[key]: known for key, known in cache.read_many(keys).items()}
    found = {
        reference: unpack(reference, known)
        for reference, known in remembered.items()
        if not isinstance(known, str)
    }
    missing = _from_rows(reference for reference in wanted if reference not in remembered)
    if missing:
        packed = {_cache_key(one.reference): pack(one) for one in missing}
        cache.write_many(packed, get_settings().FRESH_SECONDS)
    found.update({description.reference: description for description in missing})
    for reference, description in found.items():
        for file in wanted[reference]:
            file._resizer_description = description  # type: ignore[attr-defined]


def forget(reference: Reference) -> None:
    """Have the next one who needs an original read its header again."""
    cache.drop(_cache_key(reference))
    _forget_row(reference)


def record(description: Description) -> Original:
    """Write an original's row. Raises django.db.Error."""
    header = description.header
    row, _ = Original.objects.update_or_create(
        source=description.reference.source,
        name=description.reference.name,
        defaults={
            "fingerprint": description.fingerprint,
            "checked_at": timezone.now(),
            **header._asdict(),
            "format": header.format.name,
        },
    )
    return row


def find_or_record(description: Description) -> Original:
    """An original's row. Raises django.db.Error."""
    return _rows(description.reference).first() or record(description)


def _inspect(reference: Reference) -> Description:
    source = get_source(reference.source)
    stat = source.stat(reference.name)
    if stat.bytes > get_settings().MAX_BYTES:
        raise TooManyBytes(f"{reference} has {stat.bytes} bytes")
    row = _find_row(reference)
    if row is not None and row.fingerprint == stat.fingerprint:
        header = from_row(row).header
    else:
        with source.open(reference.name) as file:
            header = get_engine().read_header(file)
    description = Description(
        reference=reference,
        fingerprint=stat.fingerprint,
        header=header,
        checked_at=time.time(),
    )
    _refuse_too_many_pixels(description)
    try:
        record(description)
    except DatabaseProblem as problem:
        logger.warning("%s is not recorded: %s", reference, problem)
    return description


def _refuse_too_many_pixels(description: Description) -> None:
    settings = get_settings()
    limit = settings.MAX_PIXELS
    if not description.header.is_shrinkable:
        limit = min(limit, settings.MAX_BUFFERED_PIXELS)
    width, height = description.size
    if width * height > limit:
        raise TooManyPixels(f"{description.reference} has {width} x {height} px")


def _rows(reference: Reference) -> QuerySet[Original]:
    return Original.objects.filter(source=reference.source, name=reference.name)


def _find_row(reference: Reference) -> Original | None:
    try:
        return _rows(reference).first()
    except DatabaseProblem as problem:
        logger.warning("%s is not looked up: %s", reference, problem)
        return None


def _from_rows(references: Iterable[Reference]) -> list[Description]:
    names: dict[str, list[str]] = {}
    for reference in references:
        names.setdefault(reference.source, []).append(reference.name)
    if not names:
        return []
    condition = Q()
    for source, source_names in names.items():
        condition |= Q(source=source, name__in=source_names)
    rows = Original.objects.filter(condition, checked_at__isnull=False)
    return [from_row(row) for row in rows]


def _recall(reference: Reference) -> Description | None:
    """What the cache knows, else the row. Raises a failure that is remembered."""
    try:
        escape_name(reference.name)
    except InvalidOption as error:
        # A name that no key can hold has no variants, so it answers like one that does not exist.
        raise OriginalNotFound(str(error)) from error
    remembered = cache.read(_cache_key(reference))
    if isinstance(remembered, str):
        raise _failures().get(remembered, OriginalNotFound)(f"{reference} failed a moment ago")
    known = _last_known(reference, remembered)
    if known is not None and remembered is None:
        _remember(known)
    return known


def _last_known(reference: Reference, remembered: Any) -> Description | None:
    if isinstance(remembered, tuple | list):
        return unpack(reference, remembered)
    row = _find_row(reference)
    return None if row is None or row.checked_at is None else from_row(row)


# Not for ever: another process, with a cache of its own, may have found a new version and recorded it.
def _remember(description: Description) -> None:
    key = _cache_key(description.reference)
    cache.write(key, pack(description), get_settings().FRESH_SECONDS)


def _remember_failure(reference: Reference, error: ResizerError) -> None:
    cache.write(_cache_key(reference), type(error).__name__, FAILURE_SECONDS)


@functools.cache
def _failures() -> Mapping[str, type[ResizerError]]:
    return {name: one for name, one in vars(errors).items() if isinstance(one, type)}


def _forget_row(reference: Reference) -> None:
    rows = _rows(reference).filter(checked_at__isnull=False)
    try:
        # Asked first: names that strangers try should write nothing.
        if rows.exists():
            rows.update(checked_at=None)
    except DatabaseProblem as problem:
        logger.warning("%s is not forgotten: %s", reference, problem)


def _cache_key(reference: Reference) -> str:
    return cache.key_of(f"original-{PACK_VERSION}", "\n".join(reference))
