"""What the index of variants takes in PostgreSQL: `make bench-rows`.

Bytes of a row with its indexes, rows written a second, and the time of the queries that a request and a purge make.
To choose the number of variants: python -m benchmarks.rows 1000000
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from typing import TYPE_CHECKING

from tests.servers import ROOT, manage, postgresql_server

if TYPE_CHECKING:
    from collections.abc import Callable

    from resizer.records.descriptions import Reference

VARIANTS = 200_000
#: Of one original, as a page with two formats and ten widths has them.
EACH = 20
REPEATS = 200


def main() -> None:
    variants = int(sys.argv[1]) if sys.argv[1:] else VARIANTS
    with postgresql_server() as database, tempfile.TemporaryDirectory() as place:
        environment = {
            "DJANGO_SECRET_KEY": "for measuring only",
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DATABASE_URL": database,
            "RESIZER_DATA_DIR": place,
        }
        manage(ROOT, environment, "migrate", "resizer")
        os.environ.update(environment)
        import django

        django.setup()
        measure(variants // EACH)


def measure(originals: int) -> None:
    from django.db import connection

    begun = time.perf_counter()
    fill(originals)
    seconds = time.perf_counter() - begun
    variants = originals * EACH
    print(f"{variants:,} variants of {originals:,} originals, {variants / seconds:,.0f} rows/s")
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
        for table, rows in (("cachedvariant", variants), ("original", originals)):
            cursor.execute(
                "SELECT pg_table_size(%s), pg_indexes_size(%s)", [f"resizer_{table}"] * 2
            )
            row, indexes = (size / rows for size in cursor.fetchone())
            print(f"{table:14} {row:6.0f} bytes a row, {indexes:6.0f} of its indexes")
    queries(originals)


def fill(originals: int) -> None:
    from django.utils import timezone

    from resizer.models import CachedVariant, Original

    now = timezone.now()
    for start in range(0, originals, 500):
        made = [
            Original(
                name=f"photos/2026/11/photograph-{number}.jpg",
                fingerprint="123456-1763812345.123456",
                width=4000,
                height=3000,
                format="jpeg",
                bytes=4_000_000,
                placeholder_color="#336699",
            )
            for number in range(start, min(start + 500, originals))
        ]
        Original.objects.bulk_create(made)
        CachedVariant.objects.bulk_create(
            CachedVariant(
                original=original,
                key=f"{original.name}/5d41402a-nFGBozSE6GBqnk/{width}.{extension}",
                width=width,
                height=width,
                format=extension,
                bytes=30_000,
                created_at=now,
                used_at=now,
            )
            for original in made
            for width in range(320, 320 + 10 * EACH // 2, 10)
            for extension in ("avif", "jpeg")
        )


def queries(originals: int) -> None:
    from resizer.records import index
    from resizer.records.descriptions import Reference as Original

    references = [
        Original("default", f"photos/2026/11/photograph-{number * 7919 % originals}.jpg")
        for number in range(REPEATS)
    ]

    def find(reference: Reference) -> None:
        assert index.has_variant(f"{reference.name}/5d41402a-nFGBozSE6GBqnk/320.avif")

    def describe(reference: Reference) -> None:
        assert index.find(reference)

    for text, query in (
        ("a variant by its key", find),
        ("an original by its name", describe),
        (f"delete the {EACH} variants of an original", index.forget_variants_of),
    ):
        print(f"{time_of(query, references):6.2f} ms: {text}")


def time_of(query: Callable[[Reference], None], references: list[Reference]) -> float:
    """The median, ms."""
    times = []
    for reference in references:
        begun = time.perf_counter()
        query(reference)
        times.append((time.perf_counter() - begun) * 1000)
    return statistics.median(times)


if __name__ == "__main__":
    main()
