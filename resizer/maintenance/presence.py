"""Whether originals are still there, and whether their source can tell at all.

A disk that is not mounted, and a bucket that is another one, look like sources that have lost everything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from resizer.errors import InvalidOption, OriginalNotFound, ResizerError
from resizer.keys.variant import parse_key
from resizer.records import index
from resizer.sources import BulkSource, ListableSource, Stat, find_source, get_source, stat_each

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from resizer.concurrency.waiting import Deadline

#: How many answers are waited for, however little time there is: of less nothing can be told.
ENOUGH = 30
#: So many known originals tell a loss from a deletion. An editor who deletes one of two has not lost half of them.
MANY = 4
#: How many originals of a source may fail, before any has answered, until it is asked for no more.
PATIENCE = 10
#: An original's fingerprint; None if it is gone; an error if that cannot be told.
Presence: TypeAlias = "str | ResizerError | None"


def present(alias: str, names: Iterable[str]) -> Iterator[tuple[str, Presence]]:
    """Ask a source for many originals; what is not configured has none."""
    source = find_source(alias)
    if source is None:
        yield from ((name, None) for name in names)
        return
    names = list(names)
    # A web server that is told what was there may answer in a word that it still is. Others are asked for many at once.
    known = {} if isinstance(source, BulkSource) else index.fingerprints(alias, names)
    for name, stat in stat_each(source, names, known):
        yield name, _presence(stat)


def first_names(alias: str) -> Iterator[str]:
    """What a source has, without the variants that may lie beside it.

    Raises SourceFailed, SourceTimedOut, Busy; NotImplementedError where a source cannot say.
    """
    source = get_source(alias)
    if not isinstance(source, ListableSource):
        raise NotImplementedError
    return (name for name in source.names() if not _is_variant(name))


def absence(alias: str) -> str | None:
    """Why a source as a whole is not there, as the end of a sentence; None if it is, or cannot say."""
    if find_source(alias) is None:
        return "is not among SOURCES"
    try:
        if next(first_names(alias), None) is None:
            return "is empty, or not there"
    except NotImplementedError:
        pass
    except ResizerError as error:
        return f"does not answer: {error}"
    return None


def loss(alias: str, known: Iterable[str], deadline: Deadline | None = None) -> str | None:
    """Why what a source says of originals is not to be believed, as the end of a sentence; None if it is.

    `known` are those that were there once, or some of them.
    """
    asked = failed = gone = 0
    for _name, answer in present(alias, known):
        is_over = deadline is not None and not deadline.seconds_left
        if isinstance(answer, ResizerError):
            failed += 1
            if not asked and (failed == PATIENCE or is_over):
                return f"does not answer: {answer}"
            continue
        asked += 1
        gone += answer is None
        if asked >= ENOUGH and is_over:
            break
    if gone * 2 <= asked:
        return None
    if asked + failed < MANY and (gone < asked or _shows_a_file(alias)):
        return None
    return f"has lost {gone} of {asked} originals at once"


def _shows_a_file(alias: str) -> bool:
    try:
        return next(first_names(alias), None) is not None
    except (NotImplementedError, ResizerError):
        return False


def _presence(stat: Stat | ResizerError) -> Presence:
    if isinstance(stat, Stat):
        return stat.fingerprint
    # S3 says 403 of a missing key too; but whoever has lost a permission must not lose all variants.
    is_forbidden = isinstance(stat.__cause__, PermissionError)
    return None if isinstance(stat, OriginalNotFound) and not is_forbidden else stat


def _is_variant(name: str) -> bool:
    try:
        return parse_key(name) is not None
    except InvalidOption:
        # Of a key's form.
        return True
