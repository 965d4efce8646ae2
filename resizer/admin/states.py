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

from resizer.errors import InvalidOption
from resizer.keys.variant import parse_recipe
from resizer.maintenance import presence
from resizer.records.descriptions import version_of
from resizer.sources import StorageSource, find_source
from resizer.storages.kinds import kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from resizer.keys.variant import Recipe
    from resizer.models import CachedVariant, Original


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
    known = _recipe(recipe)
    is_current = known is not None and version_of(fingerprint, known) == version_in(key, recipe)
    return State.CURRENT if is_current else State.STALE


def version_in(key: str, recipe: str) -> str:
    """The version in a key, without the cost of parsing the key."""
    return key.split("/")[-3 if recipe else -2].partition("-")[0]


def find_gone(originals: Iterable[Original]) -> set[int]:
    """The primary keys of originals that are gone. An absent source cannot tell, so it has none."""
    asked: dict[str, dict[str, int]] = defaultdict(dict)
    for one in originals:
        if one.checked_at is None or _is_local(one.source):
            asked[one.source][one.name] = one.pk
    gone: set[int] = set()
    for alias, names in asked.items():
        if presence.absence(alias) is None:
            answers = presence.present(alias, names)
            gone |= {names[name] for name, answer in answers if answer is None}
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
