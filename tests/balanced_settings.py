"""The project's own settings for two servers behind a balancer, of which each has collected its static files itself."""

from __future__ import annotations

import os

from config.settings import *  # noqa: F403  # the environment comes first

ROOT_URLCONF = "tests.balanced_urls"
RESIZER["SOURCES"]["static"] = {"BACKEND": "resizer.sources.StaticSource"}  # noqa: F405
if os.environ.get("TESTS_CACHE"):
    _backend = "django.core.cache.backends.redis.RedisCache"
    CACHES = {"default": {"BACKEND": _backend, "LOCATION": os.environ["TESTS_CACHE"]}}
