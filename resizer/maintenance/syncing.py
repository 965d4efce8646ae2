"""Rebuilds the index from the variants storage: `Sync` adds rows that are missing, and removes rows without a file.

Files are never touched. A killed sync leaves an index that is right as far as it goes: run it again for the rest.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from resizer import originals
from resizer.batched import batched
from resizer.engines import get_engine
from resizer.errors import OriginalNotFound, ResizerError, StoreFailed
from resizer.keys.geometry import plan
from resizer.maintenance import crew
from resizer.maintenance.listing import variant_of
from resizer.maintenance.losses import Losses, sentences
from resizer.maintenance.parts import Part, cut, up_to
from resizer.originals import Freshness
from resizer.records import index, rows, tables
from resizer.records.descriptions import Reference
from resizer.records.rows import Found, Row
from resizer.store import backends

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from resizer.keys.variant import Variant
    from resizer.records.descriptions import Description
    from resizer.storages.protocol import Stored

#: How many files are compared with the index at a time.
BATCH = 1000
#: How many originals a report names.
EXAMPLES = 3


@dataclass(slots=True, kw_only=True)
class Report:
    """What a sync has done, or would do."""

    #: Cached variants in the storage.
    variants: int = 0
    bytes: int = 0
    #: Rows that were missing, of present and of former versions.
    added: int = 0
    #: Rows without a file.
    removed: int = 0
    #: Cached variants without a row, because their original is missing.
    orphaned: int = 0
    #: Cached variants without a row, because their source or the storage failed.
    unclear: int = 0
    #: Some originals of these.
    examples: list[str] = field(default_factory=list)
    #: Why rows without a file stay, by the words for their storage.
    doubts: dict[str, str] = field(default_factory=dict)
    #: The database failed, so the index is not complete.
    has_failed: bool = False
    is_complete: bool = False

    def problems(self) -> Iterator[str]:
        yield from sentences(self.doubts)
        if self.unclear:
            have = "variant has" if self.unclear == 1 else "variants have"
            some = ", ".join(self.examples)
            yield f"{self.unclear:,} {have} no row, because the source or the storage failed, such as of {some}. Run the command again."
        if self.has_failed:
            yield "The database failed, so some rows are missing. Run the command again."


class _File(NamedTuple):
    stored: Stored
    variant: Variant

    @property
    def reference(self) -> Reference:
        return Reference(self.variant.source, self.variant.name)


#: Files of one original.
_Group = tuple[Reference, list[_File]]


class Sync:
    """One run. Its `report` is up to date at any moment."""

    def __init__(
        self,
        *,
        is_dry: bool = False,
        is_forced: bool = False,
        jobs: int = 1,
        tell: Callable[[str], object] = lambda name: None,
        advance: Callable[[int], object] = lambda number: None,
    ) -> None:
        """`is_forced` removes rows even if the storage seems to be empty. `jobs` threads read originals.

        `tell` is called with the key of each row that is added or removed, `advance` with numbers of files and rows.
        """
        self.report = Report()
        self._is_dry = is_dry
        self._losses = Losses(is_trusting=is_forced)
        self.report.doubts = self._losses.doubts
        self._jobs = jobs
        self._tell = tell
        self._advance = advance

    def run(self) -> None:
        """Raises StoreFailed; then run again for the rest."""
        self._add_rows()
        self._remove_rows()
        self.report.is_complete = not self.report.has_failed

    def parts(self) -> Iterator[Part]:
        """The work in parts, for `run_part` of other processes. Raises StoreFailed."""
        yield from cut("files", backends.walk(), _name_of)
        # A worker keeps the rows of a storage that is away. This says so at once.
        self._losses.look()
        yield from cut("rows", self._rows(0), _pk_of)

    def run_part(self, part: Part) -> None:
        """Raises StoreFailed; then run it again."""
        if part.stage == "files":
            self._add_rows(part)
        else:
            self._remove_rows(part)
        self.report.is_complete = not self.report.has_failed

    # --- files without a row

    def _add_rows(self, part: Part | None = None) -> None:
        for group, outcome in crew.work(self._describe, self._groups(part), self._jobs):
            reference, files = group
            if isinstance(outcome, OriginalNotFound):
                self.report.orphaned += len(files)
            elif isinstance(outcome, ResizerError):
                self._note_unclear(reference, len(files))
            else:
                self._record(*outcome)

    def _groups(self, part: Part | None) -> Iterator[_Group]:
        """Files without a row, by their original."""
        after = "" if part is None else part.after or ""
        files = filter(None, map(_file, up_to(part, backends.walk(after=after), _name_of)))
        for some in batched(files, BATCH):
            self.report.variants += len(some)
            self.report.bytes += sum(one.stored.bytes for one in some)
            self._advance(len(some))
            known = rows.recorded(one.stored.name for one in some)
            if known is None:
                self.report.has_failed = True
                continue
            missing = (one for one in some if one.stored.name not in known)
            for reference, group in groupby(missing, key=lambda one: one.reference):
                yield reference, list(group)

    def _describe(self, group: _Group) -> tuple[Description, list[Found], int] | ResizerError:
        """The original, its variants as rows have them, and how many of them could not be read."""
        reference, files = group
        try:
            description = originals.look_up(reference, Freshness.FRESH)
        except ResizerError as error:
            return error
        found = [self._find(description, file) for file in files]
        readable = [one for one in found if one is not None]
        return description, readable, len(found) - len(readable)

    def _find(self, description: Description, file: _File) -> Found | None:
        variant, stored = file.variant, file.stored
        try:
            if description.version_of(variant.recipe) == variant.version:
                size = plan(description.size, variant.recipe, variant.width).size
            else:
                # The former file may have had another shape.
                size = self._size_of(stored.name)
        except ResizerError:
            return None
        # Whole seconds, as a render records them.
        return Found(stored.name, variant, size, stored.bytes, int(stored.modified_at))

    def _size_of(self, key: str) -> tuple[int, int]:
        fetched = backends.fetch(key)
        if fetched is None:
            raise StoreFailed(f"{key!r} was deleted meanwhile")
        header = get_engine().read_header(io.BytesIO(fetched[0]))
        return header.width, header.height

    def _record(self, description: Description, found: list[Found], unread: int) -> None:
        if unread:
            self._note_unclear(description.reference, unread)
        if not found:
            return
        if not self._is_dry and not rows.record(description, found):
            self.report.has_failed = True
            return
        self.report.added += len(found)
        for one in found:
            self._tell(one.key)

    def _note_unclear(self, reference: Reference, number: int) -> None:
        self.report.unclear += number
        if len(self.report.examples) < EXAMPLES:
            self.report.examples.append(":".join(reference))

    # --- rows without a file

    def _remove_rows(self, part: Part | None = None) -> None:
        after = 0 if part is None else part.after or 0
        found = up_to(part, self._rows(after), _pk_of)
        for some in batched(found, tables.BATCH):
            self._remove_lost([one.key for one in some])

    def _rows(self, after: int) -> Iterator[Row]:
        while page := rows.page(after):
            yield from page
            after = page[-1].pk
        self.report.has_failed |= page is None

    def _remove_lost(self, keys: list[str]) -> None:
        lost = self._losses.among(keys)
        if lost and not self._is_dry and not index.forget_variants(lost):
            self.report.has_failed = True
            return
        self.report.removed += len(lost)
        for key in lost:
            self._tell(key)


def _name_of(stored: Stored) -> str:
    return stored.name


def _pk_of(row: Row) -> int:
    return row.pk


def _file(stored: Stored) -> _File | None:
    variant = variant_of(stored.name)
    return None if variant is None else _File(stored, variant)
