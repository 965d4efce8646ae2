"""Respond to requests for pictures before Django sees them: `application = wrap(get_asgi_application())`."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from django.conf import settings
from django.core.handlers.asgi import get_script_prefix
from django.urls import set_script_prefix, set_urlconf

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from resizer.serving.messages import Response

    Scope: TypeAlias = Mapping[str, Any]
    Receive: TypeAlias = Callable[[], Awaitable[Any]]
    Send: TypeAlias = Callable[[Any], Awaitable[None]]
    Application: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]

#: Threads of a process for reads from the cache and the variants storage, which would block the event loop.
THREADS = 4
#: After this time for a thread and its work together, Django responds, seconds. It has threads of its own, and refuses
#: requests that would wait for a slow storage.
LONGEST_SECONDS = 1
HEADERS = {
    b"accept": "HTTP_ACCEPT",
    b"if-modified-since": "HTTP_IF_MODIFIED_SINCE",
    b"if-none-match": "HTTP_IF_NONE_MATCH",
}


def wrap(django: Application) -> Application:
    """An ASGI application for hits and errors. It passes all other requests on, new variants and pages alike.

    Responses are the same as Django's, but take much less CPU time. No middleware sees such a request.
    """
    # Here, because models cannot be imported before `get_asgi_application` has loaded the apps.
    from resizer.views import path_before_django, read_request, respond_at_once

    def respond(scope: Scope, path: str, prefix: str) -> Response | None:
        _set_prefix(prefix)
        return respond_at_once(read_request(_environ(scope), path, scope))

    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="resizer")

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        response = None
        if scope["type"] == "http":
            prefix = get_script_prefix(scope)
            path_info = scope["path"].removeprefix(prefix.rstrip("/"))
            _set_prefix(prefix)
            path = path_before_django(path_info)
            if path is not None:
                loop = asyncio.get_running_loop()
                with suppress(TimeoutError):
                    async with asyncio.timeout(LONGEST_SECONDS):
                        response = await loop.run_in_executor(
                            pool, partial(respond, scope, path, prefix)
                        )
        if response is None:
            await django(scope, receive, send)
            return
        headers = [
            (name.lower().encode(), value.encode("latin-1"))
            for name, value in response.headers.items()
        ]
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": response.content})

    return application


def _environ(scope: Scope) -> dict[str, str]:
    """The parts of a request that have an effect on the response, named as in WSGI."""
    environ = {"REQUEST_METHOD": scope["method"]}
    for header, value in scope["headers"]:
        name = HEADERS.get(header)
        if name is not None:
            # A repeated header is one list (RFC 9110 §5.3).
            former = f"{environ[name]}," if name in environ else ""
            environ[name] = former + value.decode("latin-1")
    environ["QUERY_STRING"] = scope.get("query_string", b"").decode("latin-1")
    return environ


def _set_prefix(prefix: str) -> None:
    # URLs depend on these. Django sets them for its own requests only, and leaves them to the next one.
    set_script_prefix(prefix or "/")
    set_urlconf(settings.ROOT_URLCONF)
