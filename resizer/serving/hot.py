"""A memory of responses with small variants, for those requested several times a second.

A response is repeated while the process remembers the cache entries that it came from: see `records/cache.py`. So a purge
shows as soon as without this memory. Only a file that was deleted or changed by hand is shown for up to a second more.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

from resizer.conf import get_settings
from resizer.records import cache
from resizer.serving.responses import count_hit, is_respelled

if TYPE_CHECKING:
    from collections.abc import Iterable

    from resizer.conf import Settings
    from resizer.records.cache import Near
    from resizer.serving.messages import Request, Response

#: The largest variant in this memory. Larger ones cost mostly their sending.
MAX_BYTES = 65_536


class _Hot(NamedTuple):
    response: Response
    #: The cache entries that it came from.
    near: tuple[Near, ...]
    keys: tuple[str, ...]


class _Responses:
    """Responses by settings and path, with at most so many bytes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bytes = 0
        self.by_path: dict[tuple[Settings, str], _Hot] = {}

    def add(self, key: tuple[Settings, str], hot: _Hot, most_bytes: int) -> None:
        with self._lock:
            self._remove(key)
            self.by_path[key] = hot
            self._bytes += len(hot.response.content)
            while self._bytes > most_bytes:
                self._remove(next(iter(self.by_path)))

    def _remove(self, key: tuple[Settings, str]) -> None:
        former = self.by_path.pop(key, None)
        if former is not None:
            self._bytes -= len(former.response.content)


_responses = _Responses()


def repeat(request: Request) -> Response | None:
    """The response of a moment ago, counted. None without one, or if the request has conditions."""
    hot = _responses.by_path.get((get_settings(), request.path))
    if (
        hot is None
        or request.method != "GET"
        or request.if_none_match
        or request.if_modified_since
        or is_respelled(request)
        or cache.near_entries(hot.keys) != hot.near
    ):
        return None
    count_hit(request, request.path, len(hot.response.content), hot.response.status)
    return hot.response


def remember(request: Request, response: Response, keys: Iterable[str]) -> None:
    """Remember a response to a key, if it is a whole small variant."""
    most_bytes = get_settings().HOT_BYTES
    if most_bytes is None or not 0 < len(response.content) <= MAX_BYTES:
        return
    names = tuple(keys)
    near = cache.near_entries(names)
    if near is not None:
        key = get_settings(), request.path
        _responses.add(key, _Hot(response, near, names), most_bytes)
