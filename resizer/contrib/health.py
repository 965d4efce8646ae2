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


#: How long a request waits for a render, seconds. Probes give up after a few.
WAIT_SECONDS = 2
#: A render of this time hangs, seconds. On a busy server, a child process may come late.
HUNG_SECONDS = 60


class _Result(NamedTuple):
    is_well: bool
    #: On the monotonic clock.
    at: float


class _Render(NamedTuple):
    thread: threading.Thread
    began_at: float


_lock = threading.Lock()
_last: list[_Result] = []
_present: list[_Render] = []


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
    _present.clear()


def _is_well() -> bool:
    """The last result. While one request renders, the others do not wait."""
    with _lock:
        is_first = not _last
        render = _present[0] if _present and _present[0].thread.is_alive() else None
        begins = render is None and (is_first or time.monotonic() - _last[0].at >= SECONDS)
        if begins:
            render = _Render(threading.Thread(target=_render, daemon=True), time.monotonic())
            _present[:] = [render]
            try:
                render.thread.start()
            except RuntimeError:
                # Without threads, it makes no new variants.
                return False
    if render is not None:
        if begins or is_first:
            render.thread.join(WAIT_SECONDS)
        if render.thread.is_alive() and time.monotonic() - render.began_at >= HUNG_SECONDS:
            return False
    # Without a result it is busy.
    return not _last or _last[0].is_well


def _render() -> None:
    _last[:] = [_Result(_renders(), time.monotonic())]


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
