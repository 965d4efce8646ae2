"""Log absent storages. Visitors still see cached variants, so without the log nobody would notice."""

from __future__ import annotations

import logging
import math
import threading
import time

logger = logging.getLogger(__name__)

#: Each process logs a storage at most once in this time.
TELL_SECONDS = 60
#: Storages remembered as logged. With a directory for each site, there can be many.
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
        "The directory or the bucket of storage %r is not there, so no variant of its originals can be made: %.500r",
        storage,
        error,
    )
