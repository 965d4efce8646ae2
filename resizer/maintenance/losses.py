"""Rows of variants without a file, as far as their storage can be trusted.

An unmounted disk or a wrong bucket looks like a storage without any file. Public and private variants each have a storage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from resizer.keys.variant import PRIVATE
from resizer.maintenance.listing import variant_of
from resizer.records import rows
from resizer.store import backends

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: The storages in words, by whether their variants are private.
STORAGES = {False: "variants storage", True: "private variants storage"}


class Losses:
    """What one run may believe of missing files."""

    def __init__(self, *, is_trusting: bool) -> None:
        """`is_trusting` believes each storage, also an empty one."""
        #: Why a storage cannot be trusted, as the end of a sentence, by its words.
        self.doubts: dict[str, str] = {}
        self._is_trusting = is_trusting
        self._trusted: set[bool] = set()

    def among(self, keys: Iterable[str]) -> list[str]:
        """The keys without a file. None of a storage that may be away. Raises StoreFailed."""
        lost = backends.missing(keys)
        # Each time anew: a disk may have been unmounted since.
        away = {one for one in set(map(_is_private, lost)) if self._is_away(is_private=one)}
        return [key for key in lost if _is_private(key) not in away]

    def away(self, keys: Iterable[str]) -> set[str]:
        """The keys on a disk that may not be mounted. A bucket that is away fails by itself. Raises StoreFailed."""
        keys = set(keys)
        kinds = {one for one in set(map(_is_private, keys)) if backends.is_local(is_private=one)}
        away = {one for one in kinds if self._is_away(is_private=one)}
        return {key for key in keys if _is_private(key) in away}

    def look(self) -> None:
        """Doubt each storage that has rows, but no variant. Raises StoreFailed."""
        for one in STORAGES:
            if rows.count(is_private=one):
                self._is_away(is_private=one)

    def trust(self, keys: Iterable[str]) -> None:
        """Believe the storages of these files: they were there, and are about to be deleted."""
        self._trusted.update(map(_is_private, keys))

    def _is_away(self, *, is_private: bool) -> bool:
        if self._is_trusting or is_private in self._trusted:
            return False
        if any(variant_of(one.name) for one in backends.walk_one(is_private=is_private)):
            return False
        self.doubts[STORAGES[is_private]] = "is empty or missing"
        return True


def sentences(doubts: dict[str, str]) -> Iterator[str]:
    """What a command says of `Losses.doubts`."""
    for name, reason in doubts.items():
        yield (
            f"The {name} {reason}, so its rows stay. Is the disk mounted? Is it the right bucket?"
            " To remove the rows, run resizer_sync --force."
        )


def _is_private(key: str) -> bool:
    return key.startswith(PRIVATE)
