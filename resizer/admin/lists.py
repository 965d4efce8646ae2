"""What a page of a list knows of its rows, by one query for all of them."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from resizer.admin.previews import choose
from resizer.admin.removing import Total
from resizer.admin.states import find_gone, state_of
from resizer.models import CachedVariant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from django.contrib.admin.views.main import ChangeList
    from django.http import HttpRequest

    from resizer.models import Original

#: The most variants that a list of originals reads. Those of a hundred usual originals are fewer.
MAX_READ = 20_000


class Made(NamedTuple):
    """The cached variants of an original."""

    total: Total
    #: For its preview.
    shown: CachedVariant | None


NOTHING = Made(Total(0, 0), None)


def with_rows(parent: type[ChangeList], note: Callable[[list[Any]], None]) -> type[ChangeList]:
    """A list that calls `note` with the rows of its page. `parent` may be a class of Unfold, or another package."""

    class NotingList(parent):  # type: ignore[misc,valid-type]  # it is any class of lists
        def get_results(self, request: HttpRequest) -> None:
            super().get_results(request)
            rows: Any = list(self.result_list)  # type: ignore[has-type]  # it is set by super
            self.result_list = rows
            note(rows)

    return NotingList


def note_states(variants: list[Any]) -> None:
    gone = find_gone({one.original_id: one.original for one in variants}.values())
    for one in variants:
        one.state = state_of(one, gone)


def note_made(originals: list[Any]) -> None:
    made = find_made(originals)
    for one in originals:
        one.made = made.get(one.pk, NOTHING)


def find_made(originals: Iterable[Original]) -> dict[int, Made]:
    """The cached variants of some originals, by primary key. Originals without any are left out."""
    columns = ("original_id", "recipe", "width", "height", "bytes", "created_at")
    rows = CachedVariant.objects.order_by().filter(original__in=[one.pk for one in originals])
    variants: dict[int, list[CachedVariant]] = defaultdict(list)
    for row in rows.only(*columns)[:MAX_READ]:
        variants[row.original_id].append(row)
    return {
        pk: Made(Total(len(some), sum(one.bytes for one in some)), choose(some))
        for pk, some in variants.items()
    }
