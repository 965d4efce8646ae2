"""`itertools.batched` of Python 3.12, for Python 3.11 too."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Item = TypeVar("Item")


def batched(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Lists of at most `size` items, in constant memory."""
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some
