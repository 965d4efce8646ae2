"""The project's own settings for a server that is given files that are meant to harm it."""

from __future__ import annotations

import os

from config.settings import *  # noqa: F403  # the environment comes first

# All processes know what one has refused.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
        "LOCATION": os.environ["TESTS_LOCKS"] + "/cache",
    }
}
RESIZER |= {  # noqa: F405
    "EXTRA_FORMATS": ["tiff"],
    "LOCK_DIRECTORY": os.environ["TESTS_LOCKS"],
    "MAX_RENDERS": 2,
    # Of the clock. What the tests measure is processor time, whoever else is at work.
    "RENDER_SECONDS": 30,
}
