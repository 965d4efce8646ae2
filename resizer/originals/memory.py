"""What is known of an original without its source: from the cache, else from its row.

`records/descriptions.py` lists the states in the cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from resizer.concurrency.at_once import NotAtOnce, at_once
from resizer.conf import get_settings
from resizer.errors import InvalidOption, OriginalNotFound
from resizer.keys.names import escape_name
from resizer.records import cache, index
from resizer.records.descriptions import Description, Failed, cache_key, decode
from resizer.sources.nearby import stat_at_once

if TYPE_CHECKING:
    from collections.abc import Collection

    from resizer.records.descriptions import Reference, State

#: After a variant has failed, pages show the unresized original for this time, seconds.
BROKEN_SECONDS = 7 * 24 * 3600
#: A source is asked about one original at most once in this time, however many requests doubt its state, seconds.
RECHECK_SECONDS = 5


class Recalled(NamedTuple):
    """What is known of an original without its source."""

    state: State = None
    #: Its row, if the file may have changed since.
    former: Description | None = None


def recall(reference: Reference) -> State:
    """The state of an original in the cache. Raises OriginalNotFound for an impossible name."""
    refuse_impossible_name(reference)
    return decode(reference, cache.read(cache_key(reference)))


def recall_or_read(reference: Reference) -> Recalled:
    """What is known of one original: from the cache, else from its row. Raises OriginalNotFound for an impossible name."""
    state = recall(reference)
    if isinstance(state, Description | Failed):
        return Recalled(state)
    row = index.find(reference)
    if row is None or not row.checked_at:
        return Recalled(former=row)
    remember(row)
    return Recalled(row)


def recall_many(references: Collection[Reference]) -> dict[Reference, Recalled]:
    """What is known of many originals. Needs one cache call, and one query for those missing in the cache."""
    if not references:
        return {}
    keys = {reference: cache_key(reference) for reference in references}
    remembered = cache.read_many(keys.values())
    states = {one: decode(one, remembered.get(key)) for one, key in keys.items()}
    rows = index.find_many(
        one for one, state in states.items() if not isinstance(state, Description | Failed)
    )
    encoded = {keys[one.reference]: one.encode() for one in rows if one.checked_at}
    if encoded:
        cache.write_many(encoded, get_settings().FRESH_SECONDS)
    found = {
        one.reference: Recalled(one) if one.checked_at else Recalled(former=one) for one in rows
    }
    return {one: Recalled(state) for one, state in states.items()} | found


def find_row(reference: Reference) -> Description | None:
    """The row of an original, or None if its file may have changed since."""
    known = index.find(reference)
    return known if known is not None and known.checked_at else None


def remember(description: Description) -> None:
    """Write a description into the cache."""
    # Let the entry expire: another process with its own cache may have recorded a new version.
    # A broken original stays longer. Without a database, only the cache knows of it.
    seconds = BROKEN_SECONDS if description.is_broken else get_settings().FRESH_SECONDS
    cache.write(cache_key(description.reference), description.encode(), seconds)


def broken_key(reference: Reference) -> str:
    """The cache key of a mark beside the state. It says since when an original is broken."""
    return cache.key_of("broken", "\n".join(reference))


def refuse_impossible_name(reference: Reference) -> None:
    """Raise OriginalNotFound for a name that no key can have."""
    try:
        escape_name(reference.name)
    except InvalidOption as error:
        raise OriginalNotFound(str(error)) from error


def may_ask(reference: Reference, fingerprint: str) -> bool:
    """Whether to ask the source of an original in doubt. True once in `RECHECK_SECONDS`.

    `fingerprint` is the known one, empty for none. Before Django, always False, or raises NotAtOnce: only an unchanged file
    raises no more questions.
    """
    key = cache.key_of("asked", "\n".join(reference))
    if at_once.get():
        if cache.read(key) is None:
            if not _is_unchanged(reference, fingerprint):
                raise NotAtOnce
            cache.claim(key, RECHECK_SECONDS)
        return False
    return cache.claim(key, RECHECK_SECONDS)


def _is_unchanged(reference: Reference, fingerprint: str) -> bool:
    """Raises NotAtOnce if only Django can tell."""
    try:
        return stat_at_once(*reference).fingerprint == fingerprint
    except OriginalNotFound:
        return False
