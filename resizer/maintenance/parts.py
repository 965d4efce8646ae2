"""Parts of a large work, which several workers share.

A part is a range of files in the order of their storage, or of rows in the order of a query. Files and rows come and go
meanwhile, so ranges may overlap, but leave nothing out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from resizer.batched import batched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Item = TypeVar("Item")

#: How many files or rows are a part.
SIZE = 5000


class Part(NamedTuple):
    """Of strings, numbers and lists only, as a task's arguments are."""

    #: "files" or "rows"
    stage: str
    #: The place before the first one. None: there is no other.
    after: Any
    #: The place of the last one.
    until: Any


def cut(stage: str, items: Iterable[Item], place: Callable[[Item], Any]) -> Iterator[Part]:
    """Parts of all items, in constant memory. `place` returns where an item is."""
    after = None
    for some in batched(items, SIZE):
        until = place(some[-1])
        yield Part(stage, after, until)
        after = until


def up_to(part: Part | None, items: Iterable[Item], place: Callable[[Item], Any]) -> Iterator[Item]:
    """The items after `part.after` that belong to the part. Without a part, all of them."""
    for number, item in enumerate(items, 1):
        yield item
        # The last one may have gone since. Then the part ends within the next one.
        if part is not None and (place(item) == part.until or number == 2 * SIZE):
            return
