"""Ask sources about their originals during a purge, and find sources that cannot be trusted.

An unmounted disk or a wrong bucket looks like a source without any of its originals. See `presence.py`.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from functools import cached_property
from typing import TYPE_CHECKING

from resizer.concurrency.waiting import Deadline
from resizer.errors import SourceFailed
from resizer.maintenance import presence
from resizer.maintenance.listing import variant_of
from resizer.records import index
from resizer.records.descriptions import Reference
from resizer.sources import find_source, is_private

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from resizer.maintenance.presence import Presence
    from resizer.storages.protocol import Stored

#: How many known originals of a source are checked for a loss of most of them.
SAMPLE = 300
#: The share of the remaining time for that check.
SAMPLE_SHARE = 1 / 3
#: The answer for originals of an untrusted source.
UNTOLD = SourceFailed("the source cannot tell what has gone")


class Answers:
    """The answers of all sources during one run."""

    def __init__(
        self,
        doubts: dict[str, str],
        files: Callable[[], Iterator[Stored]],
        deadline: Deadline | None,
        *,
        asks_each: bool,
        judges: bool,
        is_indexed: bool,
    ) -> None:
        """`doubts` gets the reason against each untrusted source. `files` lists all variants, where no index does.

        With `asks_each`, a source is asked for each original. With `judges`, its absence alone is a reason against it.
        """
        self._doubts = doubts
        self._files = files
        self._deadline = deadline
        self._asks_each = asks_each
        self._judges = judges
        self._is_indexed = is_indexed
        self._judged: set[str] = set()

    def ask(self, references: Iterable[Reference]) -> dict[Reference, Presence]:
        """Ask whether originals are still there, until the time is over.

        The first one is always asked, so that each run makes progress. Sources may return answers in any order.
        """
        references = list(dict.fromkeys(references))
        names: dict[str, list[str]] = defaultdict(list)
        for reference in references:
            names[reference.source].append(reference.name)
        answers: dict[Reference, Presence] = {}
        for alias in names:
            answers |= self._ask_source(alias, names[alias])
            if is_over(self._deadline):
                break
        for first in references[:1]:
            if first not in answers:
                answers |= self._ask_source(first.source, [first.name])
        return answers

    def _ask_source(self, alias: str, names: Sequence[str]) -> dict[Reference, Presence]:
        untold: dict[Reference, Presence] = {Reference(alias, name): UNTOLD for name in names}
        if is_private(alias) and find_source(alias) is None:
            # The alias of a storage from before its source was configured. Nothing is shown by it any longer.
            return dict.fromkeys(untold)
        if self._has_doubts(alias):
            return untold
        if not self._asks_each:
            return dict.fromkeys(untold)
        answers: dict[Reference, Presence] = {}
        for name, answer in presence.present(alias, names):
            answers[Reference(alias, name)] = answer
            if is_over(self._deadline):
                break
        if None in answers.values() and self._judges:
            # The disk may have been unmounted since.
            self._doubt(alias, presence.absence(alias))
        return untold if alias in self._doubts else answers

    def _has_doubts(self, alias: str) -> bool:
        """Whether the source's answers about missing originals cannot be trusted."""
        if not self._judges:
            return False
        if alias not in self._judged:
            self._judged.add(alias)
            reason = presence.absence(alias)
            if reason is None and self._asks_each:
                reason = presence.loss(alias, self._known(alias), self._share())
            self._doubt(alias, reason)
        return alias in self._doubts

    def _doubt(self, alias: str, reason: str | None) -> None:
        if reason is not None:
            self._doubts[alias] = reason

    def _known(self, alias: str) -> list[str]:
        """A sample of names of a source's known originals, present or not."""
        rows = index.sample_originals(alias, SAMPLE) if self._is_indexed else []
        return rows or self._sample[alias]

    @cached_property
    def _sample(self) -> Mapping[str, list[str]]:
        """Random names from the listing of variants, by alias (Vitter 1985, algorithm R)."""
        sample: dict[str, list[str]] = defaultdict(list)
        counts: Counter[str] = Counter()
        deadline = self._share()
        last = None
        for variant in filter(None, (variant_of(file.name) for file in self._files())):
            alias, name = reference = Reference(variant.source, variant.name)
            if reference == last:
                continue
            last = reference
            counts[alias] += 1
            if len(sample[alias]) < SAMPLE:
                sample[alias].append(name)
            elif (place := random.randrange(counts[alias])) < SAMPLE:
                sample[alias][place] = name
            is_enough = counts.total() >= presence.ENOUGH
            if is_enough and deadline is not None and not deadline.seconds_left:
                break
        return sample

    def _share(self) -> Deadline | None:
        if self._deadline is None:
            return None
        return Deadline(self._deadline.seconds_left * SAMPLE_SHARE)


def is_over(deadline: Deadline | None) -> bool:
    """Whether the time of a run is over. Without a deadline it never is."""
    return deadline is not None and not deadline.seconds_left
