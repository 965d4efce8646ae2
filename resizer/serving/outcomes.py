"""A memory of the last second, for URLs without a variant of their own: former versions, unlisted widths, errors.

Cached pages and strangers ask for the same URLs again and again. So a process repeats its last response.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from resizer import store
from resizer.conf import get_settings
from resizer.errors import Busy, ResizerError, SourceFailed, SourceTimedOut
from resizer.formats import BY_EXTENSION
from resizer.links.mount import mount_path
from resizer.memo import Memo
from resizer.records import cache
from resizer.serving.responses import FOR_A_MOMENT, respond

if TYPE_CHECKING:
    from resizer.conf import Settings
    from resizer.serving.messages import Request, Response

#: The most outcomes in this memory. Each takes about 2 KB.
MOST = 2048
#: Errors that may be over at the next request.
_PASSING = (Busy, SourceFailed, SourceTimedOut)


class _Outcome(NamedTuple):
    ends_at: float
    #: Its URLs begin with this path.
    mount: str
    #: Without content.
    response: Response | ResizerError


#: By settings and path. Look here before calling `repeat`: a hit must not cost more.
recent: Memo[tuple[Settings, str], _Outcome] = Memo(MOST)


def remember(request: Request, response: Response | ResizerError) -> None:
    """Remember the response to a key, if it is a redirect, another variant or a lasting error."""
    if isinstance(response, ResizerError):
        is_kept = not isinstance(response, _PASSING)
    else:
        is_kept = response.headers.get("Cache-Control") == FOR_A_MOMENT and response.status != 304
        response = response._replace(content=b"")
    if is_kept:
        outcome = _Outcome(time.monotonic() + cache.NEAR_SECONDS, mount_path(), response)
        recent.remember((get_settings(), request.path), outcome)


def repeat(request: Request) -> Response | None:
    """The response to the same key within the last second. None without one. Raises the same ResizerError."""
    outcome = recent.get((get_settings(), request.path))
    if outcome is None or outcome.ends_at <= time.monotonic() or outcome.mount != mount_path():
        return None
    response = outcome.response
    if isinstance(response, ResizerError):
        # Another object, because each has the traceback of its own request.
        error = type(response)(*response.args)
        error.is_remembered = True
        raise error
    if response.status == 302:
        return response
    path = response.headers["Content-Location"]
    key = path.removeprefix(outcome.mount)
    headers = {"Cache-Control": FOR_A_MOMENT, "Content-Location": path}
    file = store.find(key)
    target = BY_EXTENSION[key.rpartition(".")[2]]
    return None if file is None else respond(request, file, key, target, headers)
