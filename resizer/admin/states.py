"""Whether cached variants are current, stale or orphaned.

Neither the storage nor the database tells: the version in a key is compared with that of the original. To find an orphan,
the source is asked, if it is local or has lost the original before. This takes time, so only the newest variants are compared.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

from django.db import models
from django.utils.translation import gettext_lazy as _

from resizer.concurrency.waiting import Deadline
from resizer.errors import InvalidOption
from resizer.keys.variant import PRIVATE, parse_recipe
from resizer.maintenance import presence
from resizer.models import CachedVariant, Original
from resizer.records.descriptions import version_of
from resizer.sources import StorageSource, find_source, is_private
from resizer.storages.kinds import kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.http import HttpRequest

    from resizer.keys.variant import Recipe

#: How many rows are read at a time.
BATCH = 5000
#: The most variants that are compared, the newest ones. A page of a list with as many takes up to 2 seconds.
MOST = 100_000
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
    original = variant.original
    return tell(variant.key, variant.recipe, original.source, original.fingerprint)


def tell(key: str, recipe: str, source: str, fingerprint: str) -> State:
    """Current or stale, by the key and the recipe of a variant, and the source and the fingerprint of its original."""
    is_current = _version(fingerprint, recipe) == version_in(key, recipe)
    # Its source may have been made private, or public, since.
    is_shown = is_current and key.startswith(PRIVATE) == is_private(source)
    return State.CURRENT if is_shown else State.STALE


def version_in(key: str, recipe: str) -> str:
    """The version in a key, without the cost of parsing the key."""
    # The slashes are for a text that is no key.
    return f"//{key}".split("/")[-3 if recipe else -2].partition("-")[0]


class Scan(NamedTuple):
    """The variants from one primary key on, and which of them are stale or orphaned. All others are current."""

    #: 0 for all variants.
    first: int
    variants: int
    stale: list[int]
    orphaned: list[int]

    def counts(self) -> dict[State, int]:
        known = {State.STALE: len(self.stale), State.ORPHANED: len(self.orphaned)}
        return {State.CURRENT: self.variants - sum(known.values()), **known}


_scans: WeakKeyDictionary[HttpRequest, Scan] = WeakKeyDictionary()


def scan_for(request: HttpRequest) -> Scan:
    """One scan for everything that a page shows."""
    if request not in _scans:
        _scans[request] = scan()
    return _scans[request]


def scan() -> Scan:
    """Compare the newest variants with their originals, by one query."""
    gone = find_gone(_newest_originals(), ASK_SECONDS)
    columns = ("pk", "key", "recipe", "original_id", "original__source", "original__fingerprint")
    rows = CachedVariant.objects.order_by("-pk").values_list(*columns)[:MOST]
    is_closed = functools.cache(is_private)
    versions: dict[tuple[str, str], str | None] = {}
    first = number = 0
    stale: list[int] = []
    orphaned: list[int] = []
    for pk, key, recipe, original, source, fingerprint in rows.iterator(chunk_size=BATCH):
        first, number = pk, number + 1
        if original in gone:
            orphaned.append(pk)
            continue
        of = fingerprint, recipe
        if of not in versions:
            versions[of] = _version(*of)
        if versions[of] != version_in(key, recipe) or key.startswith(PRIVATE) != is_closed(source):
            stale.append(pk)
    return Scan(first if number == MOST else 0, number, stale, orphaned)


def _newest_originals() -> Iterable[Original]:
    columns = ("pk", "source", "name", "checked_at")
    return Original.objects.order_by("-pk").only(*columns)[:MOST].iterator(chunk_size=BATCH)


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
