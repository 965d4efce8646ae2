"""Rows of a table by pages: many rows in constant memory, while others write."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import Model, QuerySet

Row = TypeVar("Row", bound="Model")


def pages(rows: QuerySet[Row], size: int) -> Iterator[list[Row]]:
    """Rows in the order of their primary keys, by one query for each page.

    Not one long query: SQLite would let nobody write meanwhile.
    """
    rows, after = rows.order_by("pk"), None
    while page := list((rows if after is None else rows.filter(pk__gt=after))[:size]):
        after = page[-1].pk
        yield page
