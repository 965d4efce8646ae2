"""The project's own settings for servers that many ask at once; what differs from test to test is in the environment."""

from __future__ import annotations

import os

from config.settings import *  # noqa: F403  # the environment comes first
from resizer.concurrency import leases, lockfiles

_cache = os.environ.get("TESTS_CACHE", "")
if _cache:
    _backend = "redis.RedisCache" if _cache.startswith("redis:") else "db.DatabaseCache"
    CACHES = {"default": {"BACKEND": f"django.core.cache.backends.{_backend}", "LOCATION": _cache}}
# No two pictures of a test wait for each other by chance.
lockfiles.SLOTS = 2**64
if os.environ.get("TESTS_LEASE"):
    # Tests of dead hosts wait for it.
    leases.LEASE_SECONDS = int(os.environ["TESTS_LEASE"])
    leases.RENEW_SECONDS = 0.1
RESIZER |= {  # noqa: F405
    # It isolates by itself.
    "ENGINE": "tests.logging_engine.LoggingEngine",
    "ISOLATION": False,
    "LOCK_DIRECTORY": os.environ["TESTS_LOCKS"],
    "MAX_RENDERS": 2,
    "MAX_WAITING": int(os.environ.get("TESTS_WAITING", "0")) or None,
}
# A test of a slow storage counts the requests that wait for it, unless it wants none to.
RESIZER["RESPOND_FIRST"] = bool(
    not os.environ.get("TESTS_SLOW") or os.environ.get("TESTS_RESPOND_FIRST")
)
if os.environ.get("TESTS_SLOW"):
    for _alias, _directory in (("slow", "originals"), ("resizer", "variants")):
        STORAGES[_alias] = {  # noqa: F405
            "BACKEND": "tests.slow_storage.SlowStorage",
            "OPTIONS": {
                "location": str(DATA_DIR / _directory),  # noqa: F405
                "hold": f"{os.environ['TESTS_SLOW']}/{_alias}",
            },
        }
    RESIZER["SOURCES"]["web"] = {"OPTIONS": {"storage": "slow"}, "OPEN": True}
# More than the threads of most of these servers: what is tested is all that waits, not the bound.
RESIZER["MAX_WAITING_PER_PROCESS"] = int(os.environ.get("TESTS_THREADS", "8"))
if os.environ.get("TESTS_FETCHES"):
    RESIZER["MAX_FETCHES"] = int(os.environ["TESTS_FETCHES"])
if os.environ.get("TESTS_BUCKET"):
    # Most of these servers have no bucket, and start sooner without its client.
    from botocore.config import Config

    STORAGES["bucket"] = {  # noqa: F405
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "endpoint_url": os.environ["TESTS_BUCKET"],
            "bucket_name": "originals",
            "region_name": "us-east-1",
            # Longer than any test waits.
            "client_config": Config(read_timeout=120, s3={"addressing_style": "path"}),
        },
    }
    RESIZER["SOURCES"]["bucket"] = {"OPTIONS": {"storage": "bucket"}, "OPEN": True}
if os.environ.get("TESTS_WEB"):
    RESIZER["SOURCES"]["web"] = {
        "BACKEND": "resizer.sources.HttpSource",
        "OPTIONS": {
            "base_url": os.environ["TESTS_WEB"],
            "networks": ["127.0.0.0/8"],
            # Longer than any test waits.
            "deadline_seconds": 120,
        },
        "OPEN": True,
    }
if os.environ.get("TESTS_HOSTS"):
    # Processes that share no directory are to each other what hosts are.
    RESIZER["LOCK_DIRECTORY"] += f"/{os.getpid()}"
for _storage in STORAGES.values():  # noqa: F405
    if _storage["BACKEND"] == "storages.backends.s3.S3Storage":
        # Here, so that forked processes need not import it each.
        from tests.storages.quick import SharedStorage

        _storage["BACKEND"] = f"{SharedStorage.__module__}.{SharedStorage.__name__}"
