"""Purges of cached variants: `Purge` finds and removes them batch by batch.

Files without a key of the app as their name stay. In each batch, files are removed before their rows. So a killed process
leaves at most rows without a file, and the next purge removes these.
"""

from __future__ import annotations

import functools
import math
import re
import time
from dataclasses import dataclass, field
from itertools import chain, takewhile
from typing import TYPE_CHECKING, NamedTuple, TypeVar, cast

from resizer import store
from resizer.batched import batched
from resizer.concurrency.waiting import Deadline
from resizer.errors import ResizerError
from resizer.maintenance import aging, bookmarks
from resizer.maintenance.aging import Aged, Excess
from resizer.maintenance.answers import UNTOLD, Answers, is_over
from resizer.maintenance.bookmarks import Bookmark
from resizer.maintenance.listing import variant_of
from resizer.maintenance.losses import Losses, sentences
from resizer.maintenance.parts import Part, cut, up_to
from resizer.records import index, tables
from resizer.records.descriptions import Reference, version_of
from resizer.records.index import OriginalRow
from resizer.sources import is_private
from resizer.store import backends

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from resizer.keys.variant import Variant
    from resizer.maintenance.presence import Presence
    from resizer.records.index import VariantRow
    from resizer.storages.protocol import Stored

Item = TypeVar("Item")

#: Age at which an unfinished file of a killed process is removed, seconds.
UNFINISHED_SECONDS = 3600
#: How many files are checked and deleted at a time.
BATCH = 1000
#: How many unclear originals a report names.
EXAMPLES = 3

# The name of a file while `publishing` writes it.
_UNFINISHED = re.compile(r"(?P<directory>(?:.*/)?)\.(?P<name>[^/]+)\.[0-9a-f]{16}\.tmp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The cached variants to remove. A variant has to match every field."""

    #: An alias in `SOURCES`. None matches any source.
    source: str | None = None
    #: Made longer ago than this, seconds. None matches any age.
    older_than: int | None = None
    #: Not used for longer than this, seconds. None matches any use.
    unused_for: int | None = None
    #: The least recently used variants beyond this number of bytes. None matches all.
    max_bytes: int | None = None
    #: True matches only former versions, and variants of deleted originals.
    is_stale: bool = False

    @property
    def is_by_time(self) -> bool:
        return any(one is not None for one in (self.older_than, self.unused_for, self.max_bytes))


@dataclass(slots=True, kw_only=True)
class Report:
    """Everything removed so far. In a dry run, everything that would be removed."""

    variants: int = 0
    bytes: int = 0
    #: Temporary files of killed processes.
    unfinished: int = 0
    #: Rows of variants without a file.
    rows: int = 0
    #: Rows of deleted originals without variants.
    originals: int = 0
    #: Originals not checked, because their source failed. Their variants stay.
    unclear: int = 0
    #: Some of them.
    examples: list[Reference] = field(default_factory=list)
    #: Why a source cannot be trusted, by alias. Its variants stay.
    doubts: dict[str, str] = field(default_factory=dict)
    #: Why rows without a file stay, by the words for their storage.
    away: dict[str, str] = field(default_factory=dict)
    #: The database failed, so some rows may remain.
    has_left_rows: bool = False
    #: The time was over before everything was checked.
    is_stopped: bool = False
    is_complete: bool = False

    def problems(self, *, is_dry: bool) -> Iterator[str]:
        for alias, reason in self.doubts.items():
            yield f"Source {alias!r} {reason}. So its variants stay. To remove them, use --force."
        yield from sentences(self.away)
        if self.unclear:
            some = ", ".join(":".join(one) for one in self.examples)
            yield f"{self.unclear} originals could not be checked, such as {some}. Their variants stay."
        if self.has_left_rows:
            left = (
                "Not all rows were checked"
                if is_dry
                else "The files are removed, but some rows may remain"
            )
            yield f"{left}, because the database failed. Run the command again."


class _Candidate(NamedTuple):
    """A cached variant, from its file or its row."""

    key: str
    variant: Variant
    bytes: int

    @property
    def reference(self) -> Reference:
        return Reference(self.variant.source, self.variant.name)


class Purge:
    """One run. Its `report` is up to date at any moment, also after an interruption."""

    def __init__(
        self,
        choice: Choice,
        *,
        from_storage: bool = False,
        is_dry: bool = False,
        is_forced: bool = False,
        seconds: float | None = None,
        tell: Callable[[str], object] = lambda name: None,
        advance: Callable[[int], object] = lambda number: None,
    ) -> None:
        """`is_forced` also purges sources that seem to have lost their originals. With `is_dry`, nothing is removed.

        With `seconds`, the run stops after that time. The next run with `seconds` and the same choice continues there.
        `tell` is called with the name of each removed file, `advance` with numbers of checked files and originals.
        """
        self.report = Report()
        self._choice = choice
        self._is_dry = is_dry
        self._seconds = seconds
        self._deadline = None if seconds is None else Deadline(seconds)
        self._tell = tell
        self._is_private = functools.cache(is_private)
        self._advance = advance
        self._is_indexed = index.is_available()
        self._note_rows(self._is_indexed or not tables.is_configured())
        # Listing local files is cheap. A bucket takes a request for each thousand files, so read the database instead if
        # there is one. It does not know files without a row, or rows without a file.
        self._is_listed = from_storage or backends.are_local() or not self._is_indexed
        self._made_before = _ago(choice.older_than)
        self._used_before = _ago(choice.unused_for)
        self._excess = None if choice.max_bytes is None else Excess(choice.max_bytes)
        kind = f"{choice} {from_storage}"
        self._bookmark = Bookmark(backends.public_storage(), kind)
        # Who removes all variants wants no row of them.
        is_trusting = is_forced or not (choice.is_stale or choice.is_by_time)
        self._losses = Losses(is_trusting=is_trusting)
        self.report.away = self._losses.doubts
        # `_sweep_files` has already removed the chosen files.
        self._has_swept = False
        self._unclear: set[Reference] = set()
        self._answers = Answers(
            self.report.doubts,
            self._files,
            self._deadline,
            asks_each=choice.is_stale,
            judges=not is_forced and (choice.is_stale or choice.is_by_time),
            is_indexed=self._is_indexed,
        )

    def run(self) -> None:
        """Remove variants until the end, or until the time is over. Raises StoreFailed; then run again for the rest."""
        if self._excess is not None:
            self._add_up(self._excess)
        stage, *after = (self._bookmark.read() if self._seconds is not None else ()) or ("files",)
        if stage == "files" and self._is_listed and not self._sweep_files(cast("list[str]", after)):
            return
        self._has_swept = self._is_listed
        if self._is_indexed and not self._sweep_rows(after if stage == "rows" else []):
            return
        self.report.is_complete = True
        if self._seconds is not None and not self._is_dry:
            self._bookmark.drop()

    def parts(self) -> Iterator[Part]:
        """The work in parts, for `run_part` of other processes. Raises StoreFailed."""
        if self._is_listed:
            yield from cut("files", self._files(), _name_of)
        if self._is_indexed:
            pages = self._originals(None)
            yield from cut("rows", chain.from_iterable(pages), list)

    def run_part(self, part: Part) -> None:
        """Raises StoreFailed; then run it again."""
        if part.stage == "files":
            self._sweep_files([part.after or ""], part)
        else:
            self._sweep_rows(part.after or (), part)
        self.report.is_complete = True

    # --- in which order

    def _files(self, *after: str) -> Iterator[Stored]:
        return backends.walk(self._choice.source, *after)

    def _originals(self, last: OriginalRow | None) -> Iterator[Sequence[OriginalRow]]:
        """The pages of rows after one."""
        while page := self._read(index.list_originals(self._choice.source, last)):
            yield page
            last = page[-1]

    def _sweep_files(self, after: Sequence[str], part: Part | None = None) -> bool:
        """Whether the sweep came to its end. `_sweep_rows` returns the same."""
        files = up_to(part, self._files(*after), _name_of)
        for some in batched(files, BATCH):
            self._advance(len(some))
            candidates = list(self._candidates(self._aged(some)))
            answers = self._answers.ask(one.reference for one in candidates)
            self._take(candidates, answers)
            for one in candidates:
                if one.reference not in answers:
                    return self._stop("files", *after)
                after = [one.key]
            self._sweep_unfinished(some)
            after = [some[-1].name]
            if is_over(self._deadline):
                return self._stop("files", *after)
        return True

    def _sweep_rows(self, after: Sequence[str | int] = (), part: Part | None = None) -> bool:
        last = OriginalRow(*after) if after else None  # type: ignore[arg-type]  # as it was written
        found = chain.from_iterable(self._originals(last))
        for rows in batched(up_to(part, found, list), tables.BATCH):
            done = self._take_originals(rows)
            last = done[-1] if done else last
            if len(done) < len(rows) or is_over(self._deadline):
                return self._stop("rows", *(last or ()))
        return True

    def _stop(self, stage: str, *place: str | int) -> bool:
        self.report.is_stopped = True
        if not self._is_dry:
            self._bookmark.write([stage, *place])
        return False

    # --- what goes

    def _add_up(self, excess: Excess) -> None:
        """Look at the last uses of all variants, to know which are too many."""
        for one in self._all():
            if self._matched(one):
                excess.add(one)
        excess.settle()

    def _all(self) -> Iterator[Aged]:
        if self._is_listed:
            for files in batched(self._files(), BATCH):
                yield from self._aged(files)
            return
        for originals in batched(chain.from_iterable(self._originals(None)), tables.BATCH):
            yield from aging.of_rows(self._read(index.list_variants(originals)))

    def _aged(self, files: Sequence[Stored]) -> list[Aged]:
        needs_use = self._choice.unused_for is not None or self._excess is not None
        return aging.of_files(files, asks_index=needs_use and self._is_indexed)

    def _matched(self, one: Aged) -> Variant | None:
        """The variant, if it is of the chosen source, and old enough."""
        variant = variant_of(one.key)
        if variant is None or self._choice.source not in {None, variant.source}:
            return None
        is_old = one.made_at < self._made_before and one.used_at < self._used_before
        return variant if is_old else None

    def _candidates(self, found: Iterable[Aged]) -> Iterator[_Candidate]:
        for one in found:
            variant = self._matched(one)
            if variant is not None and (self._excess is None or self._excess.takes(one)):
                yield _Candidate(one.key, variant, one.bytes)

    def _take(
        self, candidates: Sequence[_Candidate], answers: Mapping[Reference, Presence]
    ) -> None:
        """Remove the chosen candidates, as far as `answers` has their originals."""
        self._note_unclear(candidates, answers)
        chosen = [one for one in candidates if self._is_chosen(one, answers)]
        for some in batched(chosen, BATCH):
            self._delete([one.key for one in some])
            self.report.variants += len(some)
            self.report.bytes += sum(one.bytes for one in some)

    def _is_chosen(self, one: _Candidate, answers: Mapping[Reference, Presence]) -> bool:
        variant = one.variant
        if self._choice.is_stale and variant.is_private != self._is_private(variant.source):
            # Its source was made private, or public. The app shows it to nobody any longer, but servers may.
            return True
        answer = answers.get(one.reference, UNTOLD)
        if isinstance(answer, ResizerError):
            return False
        if answer is None or not self._choice.is_stale:
            return True
        return version_of(answer, variant.recipe) != variant.version

    def _note_unclear(
        self, candidates: Iterable[_Candidate], answers: Mapping[Reference, Presence]
    ) -> None:
        unclear = {
            one
            for one in {candidate.reference for candidate in candidates}
            if isinstance(answers.get(one), ResizerError) and one.source not in self.report.doubts
        }
        # Count an original once, even with variants in two batches.
        new = unclear - self._unclear
        self._unclear = unclear
        self.report.unclear += len(new)
        self.report.examples = [*self.report.examples, *sorted(new)][:EXAMPLES]

    def _sweep_unfinished(self, files: Iterable[Stored]) -> None:
        some = [one for one in files if _is_unfinished(one, self._choice)]
        if some:
            self._delete([one.name for one in some], has_rows=False)
        self.report.unfinished += len(some)
        self.report.bytes += sum(one.bytes for one in some)

    def _take_originals(self, rows: Sequence[OriginalRow]) -> Sequence[OriginalRow]:
        """Remove chosen variants of some originals, and rows of deleted originals. Returns the rows done in time."""
        # The database's collation may treat "press" and "Press" as equal.
        mine = [row for row in rows if self._choice.source in {None, row.source}]
        self._advance(len(rows))
        variants = self._read(index.list_variants(mine))
        if self._is_listed:
            variants = self._forget_lost(variants)
        candidates = list(self._candidates(aging.of_rows(variants)))
        if not self._has_swept:
            # Their files would come back with the disk, without a row.
            away = self._losses.away(one.key for one in candidates)
            candidates = [one for one in candidates if one.key not in away]
        bare = self._bare(mine, variants, {one.key for one in candidates})
        taken = [] if self._has_swept else candidates
        wanted = bare | {one.reference for one in taken}
        in_order = [row.reference for row in mine if row.reference in wanted]
        answers = self._answers.ask([*in_order, *wanted])
        self._take(taken, answers)
        unasked = {one for one in wanted if one not in answers}
        done = list(takewhile(lambda row: row.reference not in unasked, rows))
        gone = [row for row in done if row.reference in bare and answers[row.reference] is None]
        if gone:
            self._forget_originals(gone)
        return done

    def _bare(
        self,
        rows: Iterable[OriginalRow],
        variants: Iterable[VariantRow],
        candidates: AbstractSet[str],
    ) -> set[Reference]:
        """Originals without variants after this run. If they are deleted, their rows go too."""
        if not self._choice.is_stale:
            return set()
        are_removed = self._has_swept and not self._is_dry
        kept = {one.original for one in variants if are_removed or one.key not in candidates}
        return {row.reference for row in rows if row.pk not in kept}

    def _forget_lost(self, variants: Sequence[VariantRow]) -> Sequence[VariantRow]:
        """Remove rows without a file. Returns the other rows."""
        lost = set(self._losses.among(one.key for one in variants))
        if lost and not self._is_dry:
            self._note_rows(index.forget_variants(lost))
        self.report.rows += len(lost)
        return [one for one in variants if one.key not in lost]

    def _forget_originals(self, rows: Sequence[OriginalRow]) -> None:
        if not self._is_dry:
            self._note_rows(index.forget_originals(rows))
        self.report.originals += len(rows)

    def _delete(self, keys: Sequence[str], *, has_rows: bool = True) -> None:
        if not self._is_dry:
            self._losses.trust(keys)
            store.delete_files(keys)
            if has_rows:
                self._note_rows(index.forget_variants(keys))
        for key in keys:
            self._tell(key)

    def _note_rows(self, is_done: bool) -> None:
        self.report.has_left_rows |= not is_done

    def _read(self, rows: Sequence[Item] | None) -> Sequence[Item]:
        self._note_rows(rows is not None)
        return rows or ()


def _is_unfinished(file: Stored, choice: Choice) -> bool:
    age = time.time() - file.modified_at
    if bookmarks.is_left_over(file.name, age):
        return True
    match = _UNFINISHED.fullmatch(file.name)
    if match is None or age < UNFINISHED_SECONDS:
        return False
    variant = variant_of(match["directory"] + match["name"])
    return variant is not None and choice.source in {None, variant.source}


def holds(source: str) -> bool:
    """Whether there are variants or rows of a source, which may be gone itself. Raises StoreFailed."""
    rows = index.list_originals(source, None) if index.is_available() else None
    return bool(rows) or any(backends.walk(source))


def _name_of(file: Stored) -> str:
    return file.name


def _ago(seconds: int | None) -> float:
    """POSIX seconds. Without a number, everything is older."""
    return math.inf if seconds is None else time.time() - seconds
