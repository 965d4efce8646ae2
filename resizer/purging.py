"""Cached variants that nobody needs any longer: `look` for them, then `remove` them.

What does not read as a key of ours is left alone, whatever it is.
"""

from __future__ import annotations

import functools
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.core.files.storage import FileSystemStorage

from resizer import index, publishing, store
from resizer.descriptions import Reference, version_of
from resizer.errors import Busy, InvalidOption, OriginalNotFound, SourceFailed, SourceTimedOut
from resizer.publishing import Stored
from resizer.sources import get_source
from resizer.variant import DEFAULT_SOURCE, parse_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resizer.variant import Variant

#: What a process that was killed has left unfinished is swept after an hour, seconds.
UNFINISHED_SECONDS = 3600
#: How many files are deleted at a time.
BATCH = 1000

# As `publishing` names a file until it is whole.
_UNFINISHED = re.compile(r"(?P<directory>(?:.*/)?)\.(?P<name>[^/]+)\.[0-9a-f]{16}\.tmp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which cached variants: those of which all that is said here is true."""

    #: An alias in `SOURCES`; None is any.
    source: str | None = None
    #: Made before this moment, POSIX seconds; None is at any time.
    made_before: float | None = None
    #: Of a version that is not their original's present one, or of an original that is gone.
    is_stale: bool = False


@dataclass(slots=True, kw_only=True)
class Findings:
    """What there is to remove."""

    variants: list[Stored] = field(default_factory=list)
    #: Temporary files of processes that were killed.
    unfinished: list[Stored] = field(default_factory=list)
    #: Keys of rows whose file is gone.
    rows: list[str] = field(default_factory=list)
    #: Originals of which their source cannot tell whether they are there; their variants stay.
    unclear: set[Reference] = field(default_factory=set)

    @property
    def bytes(self) -> int:
        return sum(one.bytes for one in (*self.variants, *self.unfinished))


def look(choice: Choice, *, from_storage: bool = False) -> Findings:
    """Find what to remove, and remove nothing. Raises StoreFailed.

    A listing of local files costs nothing; that of a bucket costs a request for a thousand, so the index
    is asked instead where there is one. It knows of no unrecorded files, and not which files are lost.
    """
    storage = store.variants_storage()
    is_indexed = index.is_available()
    is_listed = from_storage or isinstance(storage, FileSystemStorage) or not is_indexed
    findings = Findings()
    # The rows come first: one that is written meanwhile has its file.
    rows = [Stored(*row) for row in index.list_variants(choice.source)] if is_indexed else []
    if is_listed:
        files = list(publishing.walk(storage, _directory(choice.source)))
        names = {file.name for file in files}
        findings.rows = [row.name for row in rows if row.name not in names]
        findings.unfinished = [file for file in files if _is_unfinished(file, choice)]
    else:
        files = rows
    findings.variants = list(_choose(files, choice, findings))
    return findings


def remove(findings: Findings) -> bool:
    """Delete files, rows and what the cache remembers of them; False if the database failed, and rows may be left.

    Raises StoreFailed. What is left can be tried again.
    """
    is_done = True
    names = [one.name for one in findings.variants]
    for start in range(0, len(names), BATCH):
        some = names[start : start + BATCH]
        store.delete_files(some)
        is_done &= index.forget_variants(some)
    is_done &= index.forget_variants(findings.rows)
    store.delete_files(one.name for one in findings.unfinished)
    return is_done


def _choose(files: list[Stored], choice: Choice, findings: Findings) -> Iterator[Stored]:
    @functools.lru_cache(maxsize=10_000)
    def present_fingerprint(reference: Reference) -> str | None:
        """None if the original is gone; raises if that cannot be told."""
        try:
            stat = get_source(reference.source).stat(reference.name)
        except OriginalNotFound as error:
            if isinstance(error.__cause__, PermissionError):
                # S3 says so of a missing key too; but who has lost a permission must not lose all variants.
                raise SourceFailed(str(error)) from error
            return None
        return stat.fingerprint

    for file in files:
        variant = _parse(file.name)
        if variant is None or choice.source not in {None, variant.source}:
            continue
        if choice.made_before is not None and file.modified_at >= choice.made_before:
            continue
        reference = Reference(variant.source, variant.name)
        if choice.is_stale:
            if reference in findings.unclear:
                continue
            try:
                present = present_fingerprint(reference)
                if present is not None and version_of(present, variant.recipe) == variant.version:
                    continue
            except (SourceFailed, SourceTimedOut, Busy):
                findings.unclear.add(reference)
                continue
        yield file


def _is_unfinished(file: Stored, choice: Choice) -> bool:
    match = _UNFINISHED.fullmatch(file.name)
    if match is None or time.time() - file.modified_at < UNFINISHED_SECONDS:
        return False
    variant = _parse(match["directory"] + match["name"])
    return variant is not None and choice.source in {None, variant.source}


def _parse(name: str) -> Variant | None:
    try:
        parsed = parse_key(name)
    except InvalidOption:
        return None
    return None if parsed is None else parsed.variant


def _directory(source: str | None) -> str:
    return "" if source in {None, DEFAULT_SOURCE} else f"_{source}"
