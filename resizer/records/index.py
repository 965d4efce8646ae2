"""The index: the tables of originals and cached variants, one original or variant at a time, or in lists.

If the database fails, a function returns the result named in its docstring. See `tables.py`.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from django.db import IntegrityError
from django.db.models import Q, Subquery

from resizer.batched import batched
from resizer.databases import is_undone_by_deadlocks, write_row
from resizer.keys.digests import digest_of
from resizer.keys.geometry import plan
from resizer.keys.variant import write_recipe
from resizer.models import CachedVariant, Original
from resizer.records import tables
from resizer.records.descriptions import Description, Reference, from_row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from django.db.models import QuerySet

    from resizer.engines.protocol import Sketch
    from resizer.keys.variant import Variant

Result = TypeVar("Result")

#: The most originals in one list.
PAGE = 10_000


def find(reference: Reference) -> Description | None:
    """The description in the row of an original, or None. `checked_at` is 0 if the file may have changed since."""
    found = _find([reference])
    return found[0] if found else None


def find_many(references: Iterable[Reference]) -> list[Description]:
    """The descriptions in the rows of originals, as `find` gives them. One query for each 500 originals."""
    return _find(references)


def fingerprints(source: str, names: Iterable[str]) -> dict[str, str]:
    """The fingerprints of originals of a source, by name. Originals without a row are left out."""
    found = _find(Reference(source, name) for name in names)
    return {one.reference.name: one.fingerprint for one in found}


def record(description: Description, former: Description | None = None) -> None:
    """Write the row of an original. `former` is the result of `find`; an equal row stays as it is.

    A new `checked_at` alone is not written: any visitor can make us look at the file again.
    """
    if former is not None and former.checked_at and _facts(former) == _facts(description):
        return
    what = "… is not recorded"
    _upsert(what, description.reference, lambda: write_original(description), None)


def write_original(description: Description) -> None:
    """Write the row of an original, inside a query of `tables`."""
    header = description.header
    row = Original(
        source=description.reference.source,
        name=description.reference.name,
        fingerprint=description.fingerprint,
        checked_at=tables.moment(description.checked_at),
        **{**header._asdict(), "format": header.format.name},
        **_columns(description.sketch),
    )
    write_row(row, unique="digest", alias=tables.alias(), kept=Original.OF_EDITORS)


def record_sketch(description: Description, sketch: Sketch) -> bool:
    """Write what was seen of an original to its row. False without a row, or if that is of another file by now."""
    rows = (
        _rows(description.reference)
        .using(tables.alias())
        .filter(fingerprint=description.fingerprint)
    )
    what = "What was seen of … is not recorded"
    update = partial(rows.update, **_columns(sketch))
    return bool(_upsert(what, description.reference, update, 0))


def has_variant(key: str) -> bool | None:
    """Whether a cached variant has a row. None if the database fails. True without a database: no row is missing."""
    if not tables.is_configured():
        return True
    return tables.read("A variant is not looked up", _variants([key]).exists, None)


def record_variant(
    description: Description,
    variant: Variant,
    key: str,
    length: int,
    made_at: float,
    render_seconds: float | None = None,
) -> bool:
    """Write the row of a cached variant, and of its original if missing. False if the database fails.

    `length` is in bytes, `made_at` in POSIX seconds. Without `render_seconds`, the row keeps what it has.
    """
    if not tables.is_configured():
        return True
    width, height = plan(description.size, variant.recipe, variant.width).size
    originals = _rows(description.reference).using(tables.alias())
    row = CachedVariant(
        # Looked up by the same statement.
        original_id=Subquery(originals.values("pk")[:1]),
        key=key,
        recipe=write_recipe(variant.recipe),
        width=width,
        height=height,
        format=variant.format.name,
        bytes=length,
        created_at=tables.moment(made_at),
        render_ms=None if render_seconds is None else round(render_seconds * 1000),
    )
    kept = {"used_at"} if row.render_ms is not None else {"used_at", "render_ms"}

    def write() -> bool:
        try:
            write_row(row, unique="digest", alias=tables.alias(), kept=kept)
        except IntegrityError as error:
            raise _OriginalMissing from error
        return True

    what = "… is kept but not recorded"
    try:
        return _upsert(what, key, write, False)
    except _OriginalMissing:
        _upsert(what, key, lambda: write_original(description), None)
    with suppress(_OriginalMissing):
        return _upsert(what, key, write, False)
    # Somebody has deleted it again.
    return False


class _OriginalMissing(Exception):
    """An original has no row. Raised through all transactions around the query."""


def forget(*references: Reference) -> None:
    """Record that the files of originals may have changed, or are gone."""
    for some in batched(references, tables.BATCH):
        rows = _rows(*some).using(tables.alias()).filter(checked_at__isnull=False)
        what = "… is not forgotten"
        # Ask first: names tried by strangers must write nothing.
        if tables.attempt(tables.alias(), what, rows.exists, False, about=some[0]):
            tables.write(what, partial(rows.update, checked_at=None), about=some[0])


def forget_variants_of(reference: Reference) -> None:
    """Delete the rows of all cached variants of an original."""
    rows = CachedVariant.objects.filter(original__digest=digest_of(*reference))
    tables.write("The variants of … are not forgotten", rows.delete, about=reference)


def forget_variants(keys: Iterable[str]) -> bool:
    """Delete the rows of cached variants. False if the database fails, so that some may be left."""
    if not tables.is_configured():
        return True
    done = [
        tables.write("Variants are not forgotten", _variants(some).delete)
        for some in batched(keys, tables.BATCH)
    ]
    return all(done)


class OriginalRow(NamedTuple):
    """The row of an original."""

    pk: int
    source: str
    name: str

    @property
    def reference(self) -> Reference:
        return Reference(self.source, self.name)


class VariantRow(NamedTuple):
    """The row of a cached variant."""

    #: Primary key.
    original: int
    key: str
    bytes: int
    created_at: float  # POSIX seconds
    used_at: float | None  # POSIX seconds


def list_originals(source: str | None, after: OriginalRow | None) -> list[OriginalRow] | None:
    """The next `PAGE` originals after a row, by source and name. `source` None lists all. None if the database fails."""
    # The primary key separates names such as "press" and "Press", which are equal in some collations.
    rows = Original.objects.order_by("source", "name", "pk")
    if source is not None:
        rows = rows.filter(source=source)
    if after is not None:
        in_source = Q(name__gt=after.name) | Q(name=after.name, pk__gt=after.pk)
        rows = rows.filter(Q(source__gt=after.source) | Q(source=after.source) & in_source)

    def ask() -> list[OriginalRow]:
        return [OriginalRow(*row) for row in rows.values_list("pk", "source", "name")[:PAGE]]

    return tables.read("The index is not read", ask, None)


def list_variants(originals: Iterable[OriginalRow]) -> list[VariantRow] | None:
    """The cached variants of at most `tables.BATCH` originals. None if the database fails."""
    rows = CachedVariant.objects.order_by().filter(original__in=[one.pk for one in originals])

    def ask() -> list[VariantRow]:
        found = rows.values_list("original_id", "key", "bytes", "created_at", "used_at")
        return [
            VariantRow(*row[:3], row[3].timestamp(), row[4].timestamp() if row[4] else None)
            for row in found
        ]

    return tables.read("The index is not read", ask, None)


def sample_originals(source: str, number: int) -> list[str]:
    """The names of random originals of a source. Empty if the database fails."""
    return _names(source, "?", number)


def newest_originals(source: str, number: int) -> list[str]:
    """The names of the newest originals of a source. Empty if the database fails."""
    return _names(source, "-pk", number)


def _names(source: str, order: str, number: int) -> list[str]:
    rows = Original.objects.filter(source=source).order_by(order).values_list("source", "name")

    def ask() -> list[str]:
        # "press" and "Press" are equal in some collations.
        return [name for one, name in rows[:number] if one == source]

    return tables.read("The index is not read", ask, [])


def forget_originals(originals: Iterable[OriginalRow]) -> bool:
    """Delete the rows of originals without a cached variant. False if the database fails."""
    pks = [one.pk for one in originals]
    rows = Original.objects.filter(pk__in=pks, cached_variants__isnull=True)
    return tables.write("Originals are not forgotten", rows.delete)


def is_available() -> bool:
    """Whether the tables can be read now."""
    return tables.read(
        "The index is not read", lambda: CachedVariant.objects.exists() or True, False
    )


def _upsert(what: str, about: object, ask: Callable[[], Result], otherwise: Result) -> Result:
    """Write a row that can wait. The next request without the row writes it."""
    alias = tables.alias()
    if is_undone_by_deadlocks(alias):
        return otherwise
    return tables.attempt(alias, what, ask, otherwise, writes=True, about=about)


def _rows(*references: Reference) -> QuerySet[Original]:
    return Original.objects.filter(digest__in=[digest_of(*one) for one in references])


def _variants(keys: Iterable[str]) -> QuerySet[CachedVariant]:
    return CachedVariant.objects.filter(digest__in=[digest_of(one) for one in keys])


def _find(references: Iterable[Reference]) -> list[Description]:
    def ask(some: list[Reference]) -> list[Description]:
        found = map(from_row, _rows(*some))
        # Somebody may have changed a row's name without its digest.
        return [one for one in found if one is not None and one.reference in some]

    what = "Originals are not looked up"
    nothing: list[Description] = []
    found = [
        tables.read(what, partial(ask, some), nothing) for some in batched(references, tables.BATCH)
    ]
    return [one for some in found for one in some]


def _columns(sketch: Sketch | None) -> dict[str, Any]:
    if sketch is None:
        return {}
    x, y = sketch.focal
    return {
        "auto_focal_x": x,
        "auto_focal_y": y,
        "placeholder_color": sketch.color,
        "placeholder_blur": sketch.blur,
    }


def _facts(description: Description) -> tuple[object, ...]:
    return description.fingerprint, description.header
