"""The tables of originals and cached variants, as an index that may be missing: without it pictures are made all the same.

A project may have no database, or one that is down, or no tables yet. Every query of a request goes through here.
"""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, SynchronousOnlyOperation
from django.db import Error as DatabaseProblem
from django.db import connections, router
from django.db.models import Q

from resizer.databases import careful
from resizer.descriptions import Description, Reference, from_row
from resizer.geometry import plan
from resizer.models import CachedVariant, Original
from resizer.outages import Outage
from resizer.variant import write_recipe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from django.db.models import QuerySet

    from resizer.variant import Variant

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

#: How long a database that could not be connected to, or was locked for long, is left alone, seconds.
DOWN_SECONDS = 30
#: After how long a query that fails has kept a visitor waiting, seconds.
SLOW_SECONDS = 1
#: How many keys one query names.
BATCH = 500


_outage = Outage(DOWN_SECONDS)


def is_configured() -> bool:
    """Whether the project has a database for our tables at all."""
    # Django's stand-in for DATABASES = {}.
    return bool(connections[_alias()].settings_dict["ENGINE"] != "django.db.backends.dummy")


def find(reference: Reference) -> Description | None:
    """An original as its row has it; `checked_at` is 0 where the file may have changed."""
    row = _read("An original is not looked up", lambda: _rows(reference).first(), None)
    return None if row is None else from_row(row)


def find_many(references: Iterable[Reference]) -> list[Description]:
    """Those that have rows, unless their files may have changed, by one query."""
    names: dict[str, list[str]] = {}
    for reference in references:
        names.setdefault(reference.source, []).append(reference.name)
    if not names:
        return []
    condition = Q()
    for source, source_names in names.items():
        condition |= Q(source=source, name__in=source_names)
    rows = Original.objects.filter(condition, checked_at__isnull=False)
    return _read("Originals are not looked up", lambda: [from_row(row) for row in rows], [])


def record(description: Description) -> None:
    """Write an original's row."""
    what = f"{description.reference} is not recorded"
    _write(what, lambda: _record(description), None)


def has_variant(key: str) -> bool | None:
    """Whether a cached variant has its row, by one query; None where that cannot be told now.

    Where there is no database, no row is missing.
    """
    if not is_configured():
        return True
    rows = CachedVariant.objects.filter(key=key)
    return _read("A variant is not looked up", rows.exists, None)


def record_variant(
    description: Description, variant: Variant, key: str, length: int, made_at: float
) -> bool:
    """Write a cached variant's row, and its original's if there is none; False if it is to be tried again.

    `made_at` is in POSIX seconds.
    """
    if not is_configured():
        return True
    width, height = plan(description.size, variant.recipe, variant.width).size

    def write() -> bool:
        rows = _rows(description.reference).using(_alias())
        original = rows.first() or _record(description)
        CachedVariant.objects.update_or_create(
            key=key,
            defaults={
                "original": original,
                "recipe": write_recipe(variant.recipe),
                "width": width,
                "height": height,
                "format": variant.format.name,
                "bytes": length,
                "created_at": _moment(made_at),
            },
        )
        return True

    return _write(f"{key!r} is kept but not recorded", write, False)


def forget(reference: Reference) -> None:
    """Note that an original's file may have changed."""
    rows = _rows(reference).using(_alias()).filter(checked_at__isnull=False)

    def write() -> None:
        # Asked first: names that strangers try should write nothing.
        if rows.exists():
            rows.update(checked_at=None)

    _write(f"{reference} is not forgotten", write, None)


def forget_variants_of(reference: Reference) -> None:
    """Delete the rows of an original's cached variants."""
    rows = CachedVariant.objects.filter(
        original__source=reference.source, original__name=reference.name
    )
    _write(f"The variants of {reference} are not forgotten", rows.delete, None)


def forget_variants(keys: Iterable[str]) -> bool:
    """Delete the rows of cached variants; False if some may be left."""
    if not is_configured():
        return True
    keys = list(keys)

    def delete(some: list[str]) -> bool:
        CachedVariant.objects.filter(key__in=some).delete()
        return True

    batches = [keys[start : start + BATCH] for start in range(0, len(keys), BATCH)]
    done = [_write("Variants are not forgotten", partial(delete, some), False) for some in batches]
    return all(done)


def list_variants(source: str | None) -> list[tuple[str, int, float]]:
    """Key, bytes and POSIX seconds of all cached variants, or of those of one source."""
    rows = CachedVariant.objects.order_by()
    if source is not None:
        rows = rows.filter(original__source=source)

    def ask() -> list[tuple[str, int, float]]:
        found = rows.values_list("key", "bytes", "created_at")
        return [(key, length, created_at.timestamp()) for key, length, created_at in found]

    return _read("The index is not read", ask, [])


def is_available() -> bool:
    """Whether the tables can be read now."""
    return _read("The index is not read", lambda: CachedVariant.objects.exists() or True, False)


def _read(what: str, ask: Callable[[], Result], otherwise: Result) -> Result:
    return _try(router.db_for_read(Original), what, ask, otherwise)


def _write(what: str, ask: Callable[[], Result], otherwise: Result) -> Result:
    return _try(_alias(), what, ask, otherwise)


def _try(alias: str, what: str, ask: Callable[[], Result], otherwise: Result) -> Result:
    if not is_configured() or not _outage.may_try():
        return otherwise
    asked_at = time.monotonic()
    try:
        with careful(alias):
            result = ask()
    except SynchronousOnlyOperation as problem:
        # An async view that renders its template itself; Django asks its databases from sync code alone.
        logger.warning("%.1500s: %.500r", what, problem)
        return otherwise
    except (DatabaseProblem, ImproperlyConfigured) as problem:
        logger.warning("%.1500s: %.500r", what, problem)
        is_slow = time.monotonic() - asked_at >= SLOW_SECONDS
        if is_slow or connections[alias].connection is None:
            _outage.begin()
        return otherwise
    _outage.end()
    return result


def _alias() -> str:
    return router.db_for_write(Original)


def _rows(reference: Reference) -> QuerySet[Original]:
    return Original.objects.filter(source=reference.source, name=reference.name)


def _record(description: Description) -> Original:
    header = description.header
    row, _ = Original.objects.update_or_create(
        source=description.reference.source,
        name=description.reference.name,
        defaults={
            "fingerprint": description.fingerprint,
            "checked_at": _moment(description.checked_at),
            **header._asdict(),
            "format": header.format.name,
        },
    )
    return row


def _moment(seconds: float) -> datetime:
    """As the project has its dates: with USE_TZ False, in its own time and without a zone."""
    return datetime.fromtimestamp(seconds, UTC if settings.USE_TZ else None)
