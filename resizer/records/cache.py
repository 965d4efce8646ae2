"""The configured cache. A failing cache counts as empty: this costs time, and nothing else."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from django.core.cache import caches

from resizer.breaker import CircuitBreaker
from resizer.conf import get_settings
from resizer.databases import lock_timeout_of_cache
from resizer.keys.digests import digest_of
from resizer.memo import Memo
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

#: A process remembers the entries that it has read for this time, seconds. So a purge, or a new version of an original,
#: shows in other processes after this time.
NEAR_SECONDS = 1
#: The most entries in this memory. Each takes about 1 KB.
MOST_NEAR = 4096

_breaker = CircuitBreaker(DOWN_SECONDS)
#: Each process logs a failing cache at most once in this time.
throttle = Throttle(60)


class Near(NamedTuple):
    """What the cache said a moment ago."""

    ends_at: float
    value: Any


_near: Memo[tuple[Settings, str], Near] = Memo(MOST_NEAR)


def key_of(kind: str, text: str) -> str:
    """The key of a cache entry: a word for its kind, and a text of any length."""
    return f"resizer:{kind}:{digest_of(text)}"


def read(key: str) -> Any:
    """The value of an entry, or None."""
    near = _near_values([key])
    if key in near:
        return near[key]
    value = _try(lambda cache: cache.get(key), None)
    _keep_near({} if value is None else {key: value})
    return value


def read_many(keys: Iterable[str]) -> dict[str, Any]:
    """The values of the entries found, by key. One cache call at most."""
    keys = list(keys)
    near = _near_values(keys)
    missing = [key for key in keys if key not in near]
    if not missing:
        return near
    found: dict[str, Any] = _try(lambda cache: cache.get_many(missing), {})
    _keep_near(found)
    return near | found


def write(key: str, value: object, seconds: int | None) -> None:
    """Write an entry. It expires after some seconds, or never with None."""
    _try(lambda cache: cache.set(key, value, seconds), None)
    _forget_near([key])


def write_many(values: Mapping[str, object], seconds: int | None) -> None:
    """Write entries with one cache call. They expire as with `write`."""
    _try(lambda cache: cache.set_many(dict(values), seconds), [])
    _forget_near(values)


def claim(key: str, seconds: int, value: object = True) -> bool:
    """Write an entry, unless there is one. Returns whether it was written. True also if the cache fails."""
    return _try(lambda cache: bool(cache.add(key, value, seconds)), True)


def drop(key: str) -> None:
    """Delete an entry, if there is one."""
    _try(lambda cache: cache.delete(key), False)
    _forget_near([key])


def drop_many(keys: Iterable[str]) -> None:
    """Delete entries with one cache call."""
    keys = list(keys)
    _try(lambda cache: cache.delete_many(keys), None)
    _forget_near(keys)


def near_entries(keys: Iterable[str]) -> tuple[Near, ...] | None:
    """What this process remembers of entries. None if it remembers nothing of one."""
    settings, now = get_settings(), time.monotonic()
    found = tuple([_near.get((settings, key)) for key in keys])
    present = tuple([one for one in found if one is not None and one.ends_at > now])
    return present if len(present) == len(found) else None


def _near_values(keys: Iterable[str]) -> dict[str, Any]:
    settings, now = get_settings(), time.monotonic()
    near = ((key, _near.get((settings, key))) for key in keys)
    return {key: one.value for key, one in near if one is not None and one.ends_at > now}


def _keep_near(values: Mapping[str, Any]) -> None:
    settings = get_settings()
    ends_at = time.monotonic() + NEAR_SECONDS
    for key, value in values.items():
        _near.remember((settings, key), Near(ends_at, value))


def _forget_near(keys: Iterable[str]) -> None:
    for key in keys:
        _near.forget((get_settings(), key))


def _try(ask: Callable[[BaseCache], Result], otherwise: Result) -> Result:
    if not (_breaker.is_closed or _breaker.allows_call()):
        return otherwise
    asked_at = time.monotonic()
    try:
        cache = caches[get_settings().CACHE]
        with lock_timeout_of_cache(cache):
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
