"""The tables of originals and cached variants, as an index that may be missing: without it pictures are made all the same.

A project may have no database, or one that is down, or no tables yet. Every query of a request goes through here.
"""

from __future__ import annotations

import logging
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from django.core.exceptions import ImproperlyConfigured
from django.db import Error as DatabaseProblem
from django.db import connections, router
from django.db.models import Q
from django.utils import timezone

from resizer.descriptions import Description, Reference, from_row
from resizer.models import CachedVariant, Original
from resizer.variant import write_recipe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from django.db.models import QuerySet

    from resizer.engines import Rendered
    from resizer.variant import Variant

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

#: How long a database that could not be connected to is left alone, seconds.
DOWN_SECONDS = 30
#: How many keys one query names.
BATCH = 500


class _Outage:
    """When this process may try to connect again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until = 0.0

    def is_over(self) -> bool:
        """Also tells one of those who ask after it, and only one, to try."""
        with self._lock:
            now = time.monotonic()
            if now < self._until:
                return False
            if self._until:
                self._until = now + DOWN_SECONDS
            return True

    def begin(self) -> None:
        with self._lock:
            self._until = time.monotonic() + DOWN_SECONDS

    def end(self) -> None:
        with self._lock:
            self._until = 0.0


_outage = _Outage()


def is_configured() -> bool:
    """Whether the project has a database for our tables at all."""
    # Django's stand-in for DATABASES = {}.
    return bool(connections[_alias()].settings_dict["ENGINE"] != "django.db.backends.dummy")


def find(reference: Reference) -> Description | None:
    """An original as its row has it; `checked_at` is 0 where the file may have changed."""
    row = _try("An original is not looked up", lambda: _rows(reference).first(), None)
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
    return _try("Originals are not looked up", lambda: [from_row(row) for row in rows], [])


def record(description: Description) -> None:
    """Write an original's row."""
    what = f"{description.reference} is not recorded"
    _try(what, lambda: _record(description), None)


def record_variant(
    description: Description, variant: Variant, key: str, rendered: Rendered, length: int
) -> None:
    """Write a cached variant's row, and its original's if there is none."""

    def write() -> None:
        original = _rows(description.reference).first() or _record(description)
        CachedVariant.objects.update_or_create(
            key=key,
            defaults={
                "original": original,
                "recipe": write_recipe(variant.recipe),
                "width": rendered.width,
                "height": rendered.height,
                "format": variant.format.name,
                "bytes": length,
                "created_at": timezone.now(),
            },
        )

    _try(f"{key} is kept but not recorded", write, None)


def forget(reference: Reference) -> None:
    """Note that an original's file may have changed."""
    rows = _rows(reference).filter(checked_at__isnull=False)

    def write() -> None:
        # Asked first: names that strangers try should write nothing.
        if rows.exists():
            rows.update(checked_at=None)

    _try(f"{reference} is not forgotten", write, None)


def forget_variants_of(reference: Reference) -> None:
    """Delete the rows of an original's cached variants."""
    rows = CachedVariant.objects.filter(
        original__source=reference.source, original__name=reference.name
    )
    _try(f"The variants of {reference} are not forgotten", rows.delete, None)


def forget_variants(keys: Iterable[str]) -> int:
    """Delete the rows of cached variants; how many there were."""
    keys = list(keys)

    def delete(some: list[str]) -> int:
        return CachedVariant.objects.filter(key__in=some).delete()[0]

    batches = [keys[start : start + BATCH] for start in range(0, len(keys), BATCH)]
    return sum(_try("Variants are not forgotten", partial(delete, some), 0) for some in batches)


def list_variants(source: str | None) -> list[tuple[str, int, float]]:
    """Key, bytes and POSIX seconds of all cached variants, or of those of one source."""
    rows = CachedVariant.objects.order_by()
    if source is not None:
        rows = rows.filter(original__source=source)

    def ask() -> list[tuple[str, int, float]]:
        found = rows.values_list("key", "bytes", "created_at")
        return [(key, length, created_at.timestamp()) for key, length, created_at in found]

    return _try("The index is not read", ask, [])


def is_available() -> bool:
    """Whether the tables can be read now."""
    return _try("The index is not read", lambda: CachedVariant.objects.exists() or True, False)


def _try(what: str, ask: Callable[[], Result], otherwise: Result) -> Result:
    if not is_configured() or not _outage.is_over():
        return otherwise
    try:
        result = ask()
    except (DatabaseProblem, ImproperlyConfigured) as problem:
        logger.warning("%s: %s", what, problem)
        if connections[_alias()].connection is None:
            # To try again for each request could take seconds of each.
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
            "checked_at": timezone.now(),
            **header._asdict(),
            "format": header.format.name,
        },
    )
    return row
