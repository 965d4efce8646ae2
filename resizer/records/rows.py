"""Rows of the index by the batch, for commands. None or False says that the database failed."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple, cast

from django.db.models import Q

from resizer.batched import batched
from resizer.databases import insert_missing
from resizer.keys.digests import digest_of
from resizer.keys.variant import PRIVATE, write_recipe
from resizer.models import CachedVariant, Original
from resizer.records import index, tables

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from resizer.keys.variant import Variant
    from resizer.records.descriptions import Description, Reference


class Found(NamedTuple):
    """A variant in the storage that is to have a row."""

    key: str
    variant: Variant
    #: (width, height), px.
    size: tuple[int, int]
    bytes: int
    made_at: float  # POSIX seconds


class Row(NamedTuple):
    pk: int
    key: str
    bytes: int


def recorded(keys: Iterable[str]) -> set[str] | None:
    """Those of the keys that have a row, by one query for each 500 of them."""
    found: set[str] = set()
    for some in batched(keys, tables.BATCH):
        # Somebody may have changed a row's key without its digest.
        rows = CachedVariant.objects.filter(digest__in=map(digest_of, some)).order_by()
        known = tables.read(
            "The index is not read", partial(_keys_of, rows.values_list("key", flat=True)), None
        )
        if known is None:
            return None
        found |= known & set(some)
    return found


def uses(keys: Iterable[str]) -> dict[str, float]:
    """When variants were last used, POSIX seconds, as far as rows tell it."""
    found: dict[str, float] = {}
    for some in batched(keys, tables.BATCH):
        rows = CachedVariant.objects.filter(digest__in=map(digest_of, some), used_at__isnull=False)
        used = rows.order_by().values_list("key", "used_at")
        nothing: dict[str, float] = {}
        found |= tables.read("The index is not read", partial(_uses_of, used), nothing)
    return found


def record(description: Description, found: Sequence[Found]) -> bool:
    """Write the rows of variants of one original, and the original's own if there is none."""

    def write() -> None:
        original = _primary_key(description.reference)
        if original is None:
            index.write_original(description)
            original = _primary_key(description.reference)
        rows = [
            CachedVariant(
                original_id=cast("int", original),
                key=one.key,
                recipe=write_recipe(one.variant.recipe),
                width=one.size[0],
                height=one.size[1],
                format=one.variant.format.name,
                bytes=one.bytes,
                created_at=tables.moment(one.made_at),
            )
            for one in found
        ]
        insert_missing(rows, alias=tables.alias(), batch_size=tables.BATCH)

    return tables.write("Variants of … are not recorded", write, about=description.reference)


def count(reference: Reference | None = None, *, is_private: bool | None = None) -> int | None:
    """How many cached variants have a row: of all originals or of one, public or private or both."""
    rows = CachedVariant.objects.all()
    if reference is not None:
        rows = rows.filter(original__digest=digest_of(*reference))
    if is_private is not None:
        private = Q(key__startswith=PRIVATE)
        rows = rows.filter(private if is_private else ~private)
    return tables.read("The index is not read", rows.count, None)


def sample(number: int, *, is_private: bool) -> list[str]:
    """The keys of random cached variants, public or private. Empty if the database fails."""
    private = Q(key__startswith=PRIVATE)
    rows = CachedVariant.objects.filter(private if is_private else ~private).order_by("?")
    keys = rows.values_list("key", flat=True)[:number]
    nothing: list[str] = []
    return tables.read("The index is not read", lambda: list(keys), nothing)


def page(after: int) -> list[Row] | None:
    """The next 500 cached variants above a primary key, in its order."""
    rows = CachedVariant.objects.filter(pk__gt=after).order_by("pk")[: tables.BATCH]

    def ask() -> list[Row]:
        return [Row(*one) for one in rows.values_list("pk", "key", "bytes")]

    return tables.read("The index is not read", ask, None)


def _primary_key(reference: Reference) -> int | None:
    rows = Original.objects.using(tables.alias()).filter(digest=digest_of(*reference))
    return rows.values_list("pk", flat=True).first()


def _keys_of(keys: Iterable[str]) -> set[str]:
    return set(keys)


def _uses_of(rows: Iterable[tuple[str, datetime | None]]) -> dict[str, float]:
    return {key: used_at.timestamp() for key, used_at in rows if used_at}
