"""The configured cache. A failing cache counts as empty: this costs time, and nothing else."""

from __future__ import annotations

import functools
import logging
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

from django.core.cache import caches
from django.core.cache.backends.db import BaseDatabaseCache
from django.core.cache.backends.locmem import LocMemCache

from resizer.breaker import CircuitBreaker
from resizer.conf import get_settings
from resizer.databases import lock_timeout_of_cache
from resizer.keys.digests import digest_of
from resizer.throttle import Throttle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from django.core.cache import BaseCache

    from resizer.conf import Settings

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

#: After a slow failure, the cache is not asked for this time, seconds.
DOWN_SECONDS = 10
#: A failure is slow after this time, seconds. A request asks several times.
SLOW_SECONDS = 0.1

_breaker = CircuitBreaker(DOWN_SECONDS)
#: Each process logs a failing cache at most once in this time.
throttle = Throttle(60)


def key_of(kind: str, text: str) -> str:
    """The key of a cache entry: a word for its kind, and a text of any length."""
    return f"resizer:{kind}:{digest_of(text)}"


def is_remote() -> bool:
    """Whether a call leaves this process, such as to Redis."""
    return _is_remote(get_settings())


@functools.lru_cache(maxsize=1)
def _is_remote(settings: Settings) -> bool:
    return not isinstance(caches[settings.CACHE], LocMemCache)


def read(key: str) -> Any:
    """The value of an entry, or None."""
    return _try(lambda cache: cache.get(key), None)


def read_many(keys: Iterable[str]) -> dict[str, Any]:
    """The values of the entries found, by key. One cache call."""
    return _try(lambda cache: cache.get_many(keys), {})


def write(key: str, value: object, seconds: int | None) -> None:
    """Write an entry. It expires after some seconds, or never with None."""
    _try(lambda cache: cache.set(key, value, seconds), None)


def write_many(values: Mapping[str, object], seconds: int | None) -> None:
    """Write entries with one cache call. They expire as with `write`."""
    _try(lambda cache: cache.set_many(dict(values), seconds), [])


def claim(key: str, seconds: int, value: object = True) -> bool:
    """Write an entry, unless there is one. Returns whether it was written. True also if the cache fails."""
    return _try(lambda cache: bool(cache.add(key, value, seconds)), True)


def drop(key: str) -> None:
    """Delete an entry, if there is one."""
    _try(lambda cache: cache.delete(key), False)


def drop_many(keys: Iterable[str]) -> None:
    """Delete entries with one cache call."""
    _try(lambda cache: cache.delete_many(list(keys)), None)


def _try(ask: Callable[[BaseCache], Result], otherwise: Result) -> Result:
    if not (_breaker.is_closed or _breaker.allows_call()):
        return otherwise
    asked_at = time.monotonic()
    try:
        cache = caches[get_settings().CACHE]
        with (
            lock_timeout_of_cache(cache) if isinstance(cache, BaseDatabaseCache) else nullcontext()
        ):
            result = ask(cache)
    except Exception as error:
        # A cache's library raises unknown classes of its own.
        _tell(error)
        if time.monotonic() - asked_at >= SLOW_SECONDS:
            _breaker.open()
        return otherwise
    if not _breaker.is_closed:
        _breaker.close()
    return result


def _tell(error: Exception) -> None:
    """Log a failure. Each request makes several calls, so while a cache is down, once a minute is enough."""
    if throttle.passes("failed"):
        logger.warning(
            "The cache does not answer: %s: %.500r. Pictures work without it, but slower.",
            type(error).__name__,
            str(error),
        )
