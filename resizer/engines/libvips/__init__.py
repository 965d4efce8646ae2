"""The faster engine, if libvips is installed."""

from __future__ import annotations

import pyvips

from resizer.engines.libvips.engine import LibvipsEngine

__all__ = ["LibvipsEngine"]

# Security: never open loaders unsafe for strangers' files.
pyvips.block_untrusted_set(True)
# No operation on a file is repeated, so the cache would only hold memory.
pyvips.cache_set_max(0)
# Many renders run in parallel. More threads for one render gain nothing.
pyvips.concurrency_set(1)
