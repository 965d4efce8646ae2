"""How old cached variants are, how long nobody has used them, and which are too many.

The last use of a variant is the latest of: its row's `used_at`, the time of the last read of a local file as the file system
tells it, and the time when it was made. All of them are known to about a day.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from resizer.records import rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from resizer.records.index import VariantRow
    from resizer.storages.protocol import Stored

#: The variants of so many seconds count as used at the same time. A year has about 9,000 of these.
STEP = 3600


class Aged(NamedTuple):
    """A cached variant with its times, POSIX seconds."""

    key: str
    bytes: int
    made_at: float
    used_at: float


def of_files(files: Sequence[Stored], *, asks_index: bool) -> list[Aged]:
    """Variants as a listing has them. `asks_index` looks up their last uses."""
    uses = rows.uses(file.name for file in files) if asks_index else {}
    return [
        Aged(
            file.name,
            file.bytes,
            file.modified_at,
            max(file.modified_at, file.read_at or 0, uses.get(file.name, 0)),
        )
        for file in files
    ]


def of_rows(found: Iterable[VariantRow]) -> list[Aged]:
    """Variants as the index has them."""
    return [
        Aged(row.key, row.bytes, row.created_at, max(row.created_at, row.used_at or 0))
        for row in found
    ]


class Excess:
    """The variants beyond a number of bytes, the least recently used first.

    First `add` all variants. Then `takes` tells of each whether it goes. The memory does not grow with their number.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes: Counter[int] = Counter()
        #: Bytes to take of the last step.
        self._left = 0
        self._last = 0

    def add(self, one: Aged) -> None:
        self._bytes[_step(one)] += one.bytes

    def settle(self) -> None:
        """Choose by what was added."""
        excess = self._bytes.total() - self._max_bytes
        for step in sorted(self._bytes):
            if excess <= 0:
                return
            self._last, self._left = step, excess
            excess -= self._bytes[step]

    def takes(self, one: Aged) -> bool:
        """Whether a variant goes. Ask once for each."""
        step = _step(one)
        if step != self._last:
            return step < self._last
        if self._left <= 0:
            return False
        self._left -= one.bytes
        return True


def _step(one: Aged) -> int:
    return int(one.used_at) // STEP
