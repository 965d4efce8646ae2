"""A URL for load balancers and containers: does this process still render?

    path("health/", include("resizer.contrib.health"))

It renders one pixel at most once in `SECONDS`, whoever asks how often, so it may be public.
"""

from __future__ import annotations

import io
import logging
import threading
import time
from typing import NamedTuple

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.http import require_safe

from resizer.engines import get_engine
from resizer.errors import Busy, EngineAbsent
from resizer.formats import JPEG
from resizer.keys.variant import Variant
from resizer.maintenance.pixel import one_pixel

logger = logging.getLogger(__name__)

#: How long a result holds, seconds.
SECONDS = 10


class _Result(NamedTuple):
    is_well: bool
    #: On the monotonic clock.
    at: float


_lock = threading.Lock()
_last: list[_Result] = []


@login_not_required
@require_safe
def health(request: HttpRequest) -> HttpResponse:
    """200 if this process renders, or is busy doing so; else 503."""
    is_well = _is_well()
    text, status = ("ok\n", 200) if is_well else ("the engine fails\n", 503)
    headers = {"Cache-Control": "no-store", "Content-Type": "text/plain; charset=utf-8"}
    return HttpResponse(text, status=status, headers=headers)


def forget() -> None:
    """Drop the last result."""
    _last.clear()


def _is_well() -> bool:
    # While one request renders, the others get the last result.
    if not _lock.acquire(blocking=not _last):
        return _last[0].is_well
    try:
        if not _last or time.monotonic() - _last[0].at >= SECONDS:
            _last[:] = [_Result(_renders(), time.monotonic())]
        return _last[0].is_well
    finally:
        _lock.release()


def _renders() -> bool:
    variant = Variant(source="default", name="x", version="00000000", width=1, format=JPEG)
    try:
        engine = get_engine()
        file = io.BytesIO(one_pixel())
        next(engine.render(file, engine.read_header(file), [variant]))
    except Busy as error:
        # It works for visitors, unless it never loads.
        return not isinstance(error, EngineAbsent)
    # Whatever it is, strangers must not cause it again and again.
    except Exception as error:
        logger.exception("The engine fails: %s: %.500r", type(error).__name__, str(error))
        return False
    return True


app_name = "resizer_health"
urlpatterns = [path("", health, name="health")]
