"""Makes variants before anybody asks for them: `Warm` makes what the tag would print for files of model fields or sources.

Variants that exist are left alone. So a stopped or killed run is continued by running it again.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from resizer import originals, rendering, store
from resizer.errors import (
    Busy,
    OriginalChanged,
    ResizerError,
    StoreFailed,
    UndecodableOriginal,
    UnsupportedFormat,
)
from resizer.keys.variant import parse_key
from resizer.links.private import key_at
from resizer.maintenance import crew, presence
from resizer.maintenance.listing import may_be_picture
from resizer.maintenance.pages import pages
from resizer.markup import picture
from resizer.markup.stored import fields_beside
from resizer.originals import Freshness
from resizer.records import index, rows
from resizer.records.descriptions import Reference
from resizer.store import backends

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from django.db.models import FileField, Model, QuerySet
    from django.db.models.fields.files import FieldFile

    from resizer.keys.variant import ParsedKey, Variant
    from resizer.markup.html import Picture
    from resizer.originals import File
    from resizer.records.descriptions import Description

#: How many rows of a model are read at a time.
PAGE = 500
#: How often a variant is tried while the server is busy with visitors.
TRIES = 5
#: How many failures a report names.
EXAMPLES = 3


@dataclass(slots=True, kw_only=True)
class Report:
    """What a run has done, or would do."""

    originals: int = 0
    #: Variants that were made, or would be.
    made: int = 0
    bytes: int = 0
    #: Variants that exist already.
    present: int = 0
    #: Originals of formats that are shown as they are, such as SVG.
    skipped: int = 0
    #: Missing and broken originals, and variants that failed.
    failed: int = 0
    #: Some of them, with the error.
    examples: list[str] = field(default_factory=list)
    is_complete: bool = False


class _Wanted(NamedTuple):
    description: Description
    variant: Variant
    key: str


class _Plan(NamedTuple):
    wanted: list[_Wanted]
    present: int


class Warm:
    """One run. Its `report` is up to date at any moment."""

    def __init__(
        self,
        options: Sequence[Mapping[str, Any]] = ({},),
        *,
        is_dry: bool = False,
        jobs: int = 1,
        tell: Callable[[str], object] = lambda name: None,
        advance: Callable[[], object] = lambda: None,
    ) -> None:
        """`options` are those of tags: each file gets the variants of each.

        `jobs` threads render. `tell` is called with each new key, `advance` after each file.
        """
        self.report = Report()
        self._options = options
        self._is_dry = is_dry
        self._jobs = jobs
        self._tell = tell
        self._advance = advance

    def run(self, files: Iterable[File]) -> None:
        """Raises StoreFailed if a variant cannot be kept; then run again for the rest."""
        if self._is_dry:
            for one in self._plans(files):
                self.report.made += 1
                self._tell(one.key)
        else:
            for one, outcome in crew.work(self._make, self._plans(files), self._jobs):
                self._note(one, outcome)
        self.report.is_complete = True

    def _plans(self, files: Iterable[File]) -> Iterator[_Wanted]:
        """What is to be made. Originals are asked for by several threads, too."""
        for file, plan in crew.work(self._plan, files, self._jobs):
            self.report.originals += 1
            self._advance()
            if isinstance(plan, StoreFailed):
                raise plan
            if isinstance(plan, UnsupportedFormat):
                self.report.skipped += 1
                continue
            if isinstance(plan, ResizerError):
                self._fail(file, plan)
                continue
            self.report.present += plan.present
            yield from plan.wanted

    def _plan(self, file: File) -> _Plan | ResizerError:
        try:
            reference = originals.locate(file)
            description = originals.look_up(reference, Freshness.NOW)
            if description.is_broken:
                return UndecodableOriginal(f"{reference} is broken")
            if not self._is_dry:
                rendering.add_sketch(description)
            keys = self._keys(file)
            missing = self._missing(keys)
        except ResizerError as error:
            return error
        wanted = [
            _Wanted(description, cast("ParsedKey", parse_key(key)).variant, key) for key in missing
        ]
        return _Plan(wanted, len(keys) - len(missing))

    def _keys(self, file: File) -> list[str]:
        """The keys in the tag's own output, so that exactly these are made."""
        printed = (picture.build(file, alt="", **options) for options in self._options)
        urls = dict.fromkeys(chain.from_iterable(map(_urls, printed)))
        return [key_at(url) for url in urls]

    def _missing(self, keys: list[str]) -> list[str]:
        # A bucket takes a request for each directory, the index one query.
        known = None if backends.are_local() else rows.recorded(keys)
        if known is None:
            return backends.missing(keys)
        return [key for key in keys if key not in known]

    def _make(self, one: _Wanted) -> int | ResizerError:
        """The bytes of a new variant."""
        error: ResizerError | None = None
        for _ in range(TRIES):
            try:
                made = store.make(*one)
            except (OriginalChanged, StoreFailed) as failure:
                return failure
            except Busy as failure:
                # Visitors come first.
                error = failure
                time.sleep(failure.retry_seconds)
            except ResizerError as failure:
                return failure
            else:
                return made.length if made.is_kept else StoreFailed(f"{one.key!r} is not kept")
        return cast("ResizerError", error)

    def _note(self, one: _Wanted, outcome: int | ResizerError) -> None:
        if isinstance(outcome, StoreFailed):
            raise outcome
        if isinstance(outcome, ResizerError):
            self._fail(one.key, outcome)
            return
        self.report.made += 1
        self.report.bytes += outcome
        self._tell(one.key)

    def _fail(self, what: object, error: ResizerError) -> None:
        self.report.failed += 1
        if len(self.report.examples) < EXAMPLES:
            self.report.examples.append(f"{what}: {error}")


def files_of(one: FileField, primary_keys: Iterable[object] | None = None) -> Iterator[FieldFile]:
    """The files of a model field, of all rows or of some, in the order of primary keys."""
    rows = _rows(one) if primary_keys is None else _rows(one).filter(pk__in=primary_keys)
    for page in pages(rows, PAGE):
        yield from filter(None, (getattr(row, one.name) for row in page))


def primary_keys_of(one: FileField) -> Iterator[object]:
    """The rows with a file."""
    return (row.pk for page in pages(_rows(one), PAGE) for row in page)


def count_of(one: FileField) -> int:
    """How many files a model field has."""
    return _rows(one).count()


def originals_in(alias: str) -> Iterator[Reference]:
    """The pictures in a source. If it cannot be listed, such as a web server: those that pages have shown before.

    Raises SourceFailed, SourceTimedOut or Busy.
    """
    try:
        for name in filter(may_be_picture, presence.first_names(alias)):
            yield Reference(alias, name)
    except NotImplementedError:
        last = None
        while page := index.list_originals(alias, last):
            yield from (row.reference for row in page)
            last = page[-1]


def _rows(one: FileField) -> QuerySet[Model]:
    # A field may allow NULL.
    return (
        one.model._default_manager.exclude(**{one.name: ""})
        .exclude(**{one.name: None})
        .only("pk", one.name, *fields_beside(one.model, one.name))
    )


def _urls(printed: Picture) -> Iterator[str]:
    """The formats of most visitors first: the time of a run may be over before the fallback."""
    for srcset in (*(one.srcset for one in printed.candidates), printed.srcset):
        for candidate in filter(None, srcset.split(", ")):
            yield candidate.split()[0]
    yield printed.url
