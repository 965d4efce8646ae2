"""Whether cached variants are current, stale or orphaned.

Neither the storage nor the database tells: the version in a key is compared with that of the original. To find an orphan,
the source is asked, if it is local or has lost the original before.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from typing import TYPE_CHECKING

from django.db import models
from django.utils.translation import gettext_lazy as _

from resizer.concurrency.waiting import Deadline
from resizer.errors import InvalidOption
from resizer.keys.variant import parse_recipe
from resizer.maintenance import presence
from resizer.models import CachedVariant, Original
from resizer.records.descriptions import version_of
from resizer.sources import StorageSource, find_source
from resizer.storages.kinds import kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from resizer.keys.variant import Recipe

#: How many rows are read at a time.
BATCH = 5000
#: How long sources are asked for all originals together, seconds.
ASK_SECONDS = 0.5


class State(models.TextChoices):
    CURRENT = "current", _("current")
    #: The original, or the meaning of the recipe, has changed since.
    STALE = "stale", _("stale")
    #: The original is gone.
    ORPHANED = "orphaned", _("orphaned")


def state_of(variant: CachedVariant, gone: set[int]) -> State:
    """`gone` are primary keys of originals, from `find_gone`."""
    if variant.original_id in gone:
        return State.ORPHANED
    return tell(variant.key, variant.recipe, variant.original.fingerprint)


def tell(key: str, recipe: str, fingerprint: str) -> State:
    """Current or stale, by the key and the recipe of a variant, and the fingerprint of its original."""
    is_current = _version(fingerprint, recipe) == version_in(key, recipe)
    return State.CURRENT if is_current else State.STALE


def version_in(key: str, recipe: str) -> str:
    """The version in a key, without the cost of parsing the key."""
    # The slashes are for a text that is no key.
    return f"//{key}".split("/")[-3 if recipe else -2].partition("-")[0]


def scan() -> dict[State, list[int]]:
    """The primary keys of stale and of orphaned variants. All others are current. Reads all keys by one query."""
    gone = find_gone(_all_originals(), ASK_SECONDS)
    found: dict[State, list[int]] = {State.STALE: [], State.ORPHANED: []}
    columns = ("pk", "key", "recipe", "original_id", "original__fingerprint")
    rows = CachedVariant.objects.order_by().values_list(*columns)
    versions: dict[tuple[str, str], str | None] = {}
    for pk, key, recipe, original, fingerprint in rows.iterator(chunk_size=BATCH):
        if original in gone:
            found[State.ORPHANED].append(pk)
            continue
        of = fingerprint, recipe
        if of not in versions:
            versions[of] = _version(*of)
        if versions[of] != version_in(key, recipe):
            found[State.STALE].append(pk)
    return found


def _all_originals() -> Iterable[Original]:
    columns = ("pk", "source", "name", "checked_at")
    return Original.objects.order_by().only(*columns).iterator(chunk_size=BATCH)


def _version(fingerprint: str, recipe: str) -> str | None:
    known = _recipe(recipe)
    return None if known is None else version_of(fingerprint, known)


def find_gone(originals: Iterable[Original], seconds: float | None = None) -> set[int]:
    """The primary keys of originals that are gone. An absent source cannot tell, so it has none.

    With `seconds`, those that are found in that time.
    """
    asked: dict[str, dict[str, int]] = defaultdict(dict)
    is_local = functools.cache(_is_local)
    for one in originals:
        if one.checked_at is None or is_local(one.source):
            asked[one.source][one.name] = one.pk
    deadline = None if seconds is None else Deadline(seconds)
    gone: set[int] = set()
    for alias, names in asked.items():
        if presence.absence(alias) is not None:
            continue
        for name, answer in presence.present(alias, names):
            if answer is None:
                gone.add(names[name])
            if deadline is not None and not deadline.seconds_left:
                return gone
    return gone


def _is_local(alias: str) -> bool:
    source = find_source(alias)
    return isinstance(source, StorageSource) and kind_of(source.storage).is_local


@functools.lru_cache(maxsize=1024)
def _recipe(text: str) -> Recipe | None:
    try:
        return parse_recipe(text)
    except InvalidOption:
        # Another release wrote it.
        return None
