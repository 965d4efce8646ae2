"""The project, with Redis as its cache where `RESIZER_BENCH_REDIS` names one."""

from __future__ import annotations

import os

from config.settings import *  # noqa: F403  # and what follows

if "RESIZER_BENCH_REDIS" in os.environ:
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": os.environ["RESIZER_BENCH_REDIS"],
        }
    }
