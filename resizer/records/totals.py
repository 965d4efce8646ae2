"""Sums over the index: numbers and bytes of variants, slow renders, unused variants."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db.models import Count, F, Max, Q, Sum
from django.db.models.functions import Coalesce

from resizer.models import CachedVariant, Original
from resizer.records import tables

if TYPE_CHECKING:
    from django.db.models import QuerySet

#: How many originals and variants the lists have.
MOST_LISTED = 5


class Share(NamedTuple):
    """Some variants together."""

    variants: int
    bytes: int


class Slow(NamedTuple):
    key: str
    milliseconds: int


class Totals(NamedTuple):
    """Sums of all rows."""

    originals: int
    variants: int
    bytes: int
    #: Bytes of the originals in place of their variants, less those of the variants.
    saved_bytes: int
    by_format: dict[str, Share]
    by_source: dict[str, Share]
    #: Originals with the most bytes of variants.
    largest: dict[str, Share]
    #: The slowest renders.
    slowest: list[Slow]
    #: Variants that were not used for some time.
    unused: Share


def totals(unused_seconds: int) -> Totals | None:
    """Everything that is stored. `unused` counts variants without a use for some seconds. None if the database failed."""
    return tables.read("The index is not read", lambda: _ask(unused_seconds), None)


def unused_since(moment: Any) -> Q:
    """Variants that were last used, or made if no use is known, before a moment."""
    return Q(used_at__lt=moment) | Q(used_at=None, created_at__lt=moment)


def _ask(unused_seconds: int) -> Totals:
    rows = CachedVariant.objects.order_by()
    whole = rows.aggregate(
        variants=Count("pk"),
        bytes=Coalesce(Sum("bytes"), 0),
        original_bytes=Coalesce(Sum("original__bytes"), 0),
    )
    long_ago = tables.moment(time.time() - unused_seconds)
    unused = rows.filter(unused_since(long_ago))
    slow = rows.filter(render_ms__isnull=False).order_by("-render_ms")[:MOST_LISTED]
    return Totals(
        originals=Original.objects.count(),
        variants=whole["variants"],
        bytes=whole["bytes"],
        saved_bytes=whole["original_bytes"] - whole["bytes"],
        by_format=_sums(rows, "format"),
        by_source=_sums(rows, "original__source"),
        largest=_largest(rows),
        slowest=[Slow(key, ms or 0) for key, ms in slow.values_list("key", "render_ms")],
        unused=Share(**unused.aggregate(variants=Count("pk"), bytes=Coalesce(Sum("bytes"), 0))),
    )


def _sums(rows: QuerySet[CachedVariant], field: str) -> dict[str, Share]:
    found = rows.values_list(field).annotate(Count("pk"), total=Sum("bytes")).order_by("-total")
    return {name: Share(variants, size) for name, variants, size in found}


def _largest(rows: QuerySet[CachedVariant]) -> dict[str, Share]:
    # Grouped by number: names are long, and a collation may take two for one.
    found = (
        rows.values("original")
        .annotate(
            variants=Count("pk"),
            size=Sum("bytes"),
            source=Max(F("original__source")),
            name=Max(F("original__name")),
        )
        .order_by("-size")[:MOST_LISTED]
    )
    return {f"{one['source']}:{one['name']}": Share(one["variants"], one["size"]) for one in found}
