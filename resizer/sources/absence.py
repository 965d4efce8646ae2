"""Log absent storages. Visitors still see cached variants, so without the log nobody would notice."""

from __future__ import annotations

import logging

from resizer.throttle import Throttle

logger = logging.getLogger(__name__)

#: Each process logs a storage at most once in this time. With a directory for each site, there can be many storages.
throttle = Throttle(60)


def tell(storage: str | None, error: OSError) -> None:
    """Log that the directory or the bucket of a storage is empty or missing."""
    if throttle.passes(storage):
        logger.warning(
            "The directory or the bucket of storage %r is empty or missing, so no variant of its originals can be made: %.500r",
            storage,
            error,
        )
