"""Ask a source on this machine before Django. It takes microseconds, so strangers' URLs cost little more than hits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resizer.concurrency.at_once import NotAtOnce
from resizer.concurrency.slowness import Slowness
from resizer.errors import Busy, SourceFailed, SourceTimedOut
from resizer.sources import get_source

if TYPE_CHECKING:
    from resizer.storages.protocol import Stat

#: A disk is slow once it has taken this time, seconds.
SLOW_SECONDS = 0.1
#: The most threads of a process that ask a slow disk at once. The others serve stored variants.
MAX_SLOW = 2
_asking = Slowness("a disk of originals", SLOW_SECONDS, MAX_SLOW)


def stat_at_once(alias: str, name: str) -> Stat:
    """The size and fingerprint of an original on this machine. Raises OriginalNotFound.

    Raises NotAtOnce for a source elsewhere, and for a failing or slow one: with Django, a known original counts as unchanged.
    """
    source = get_source(alias)
    # As in `NearbySource`. `isinstance` would take half the time of a hit.
    if not getattr(source, "is_local", False):
        raise NotAtOnce
    try:
        with _asking.asking():
            # As if it were known: in an empty directory only Django can tell, by the row of the original.
            return source.stat(name, "")
    except (SourceFailed, SourceTimedOut, Busy) as error:
        raise NotAtOnce from error
