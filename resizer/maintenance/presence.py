"""Whether originals still exist, and whether the answers of their source can be trusted.

An unmounted disk or a wrong bucket looks like a source without any of its originals.
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

#: The least number of answers to wait for, however little time is left. Fewer show nothing.
ENOUGH = 30
#: The least number of known originals for telling a loss from a deletion. An editor may delete one of two.
MANY = 4
#: After this many failures without any answer, a source is not asked for more originals.
PATIENCE = 10
#: An original's fingerprint, None for a deleted original, or the error of a source that could not tell.
Presence: TypeAlias = "str | ResizerError | None"


def present(alias: str, names: Iterable[str]) -> Iterator[tuple[str, Presence]]:
    """Ask a source for many originals, and yield each name with its answer. A source missing in SOURCES has none."""
    source = find_source(alias)
    if source is None:
        yield from ((name, None) for name in names)
        return
    names = list(names)
    # A web server can compare a known fingerprint and respond with 304. A BulkSource checks many names without it.
    known = {} if isinstance(source, BulkSource) else index.fingerprints(alias, names)
    for name, stat in stat_each(source, names, known):
        yield name, _presence(stat)


def first_names(alias: str) -> Iterator[str]:
    """The names in a source, without variants kept in the same place.

    Raises SourceFailed, SourceTimedOut or Busy, and NotImplementedError if the source cannot be listed.
    """
    source = get_source(alias)
    if not isinstance(source, ListableSource):
        raise NotImplementedError(f"source {alias!r} has no listing")
    return (name for name in source.names() if not _is_variant(name))


def absence(alias: str) -> str | None:
    """Why a whole source is unavailable, as the end of a sentence. None if it is there or cannot be listed."""
    if find_source(alias) is None:
        return "is not among SOURCES"
    try:
        if next(first_names(alias), None) is None:
            return "is empty or missing"
    except NotImplementedError:
        pass
    except ResizerError as error:
        return f"does not respond: {error}"
    return None


def loss(alias: str, known: Iterable[str], deadline: Deadline | None = None) -> str | None:
    """Why the answers of a source cannot be trusted, as the end of a sentence. None if they can.

    `known` are names of originals that were there once, or a sample of them.
    """
    asked = failed = gone = 0
    for _name, answer in present(alias, known):
        is_over = deadline is not None and not deadline.seconds_left
        if isinstance(answer, ResizerError):
            failed += 1
            if not asked and (failed == PATIENCE or is_over):
                return f"does not respond: {answer}"
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
    # Without permission to list, S3 responds with 403 for a missing key. A lost permission looks the same, and must not
    # remove all variants.
    is_forbidden = isinstance(stat.__cause__, PermissionError)
    return None if isinstance(stat, OriginalNotFound) and not is_forbidden else stat


def _is_variant(name: str) -> bool:
    try:
        return parse_key(name) is not None
    except InvalidOption:
        # It looks like a key, with unknown parts.
        return True
