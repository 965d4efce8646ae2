"""The log of storages that are not there: visitors see what was made, so that nobody else would notice."""

from __future__ import annotations

import logging
import math
import threading
import time

logger = logging.getLogger(__name__)

#: How often the log of a process names one storage, seconds.
TELL_SECONDS = 60
#: Of how many storages it is remembered when that was: with a place for each site, there are many.
MAX_TOLD = 1024

_lock = threading.Lock()
_told_at: dict[str | None, float] = {}


def tell(storage: str | None, error: OSError) -> None:
    """Log that the directory or the bucket of a storage is not there, once in `TELL_SECONDS`."""
    now = time.monotonic()
    with _lock:
        if now - _told_at.get(storage, -math.inf) < TELL_SECONDS:
            return
        if len(_told_at) >= MAX_TOLD:
            _told_at.clear()
        _told_at[storage] = now
    logger.warning(
        "The directory or the bucket of storage %r is not there, so no picture of it can be made: %.500r",
        storage,
        error,
    )
