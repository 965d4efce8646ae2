"""The applications that `served.py` compares, for any server."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.served_settings")

from django.core.asgi import get_asgi_application  # settings come first
from django.core.wsgi import get_wsgi_application

import resizer.asgi
import resizer.wsgi

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

VARIANTS = os.path.join(os.environ["RESIZER_DATA_DIR"], "variants")

django_wsgi = get_wsgi_application()
wrapped_wsgi = resizer.wsgi.wrap(django_wsgi)
django_asgi = get_asgi_application()
wrapped_asgi = resizer.asgi.wrap(django_asgi)


def _read(path: str) -> tuple[bytes, list[tuple[str, str]]]:
    with open(VARIANTS + path.removeprefix("/img"), "rb") as file:
        content = file.read()
    return content, [
        ("Content-Type", "image/jpeg"),
        ("Content-Length", str(len(content))),
        ("ETag", '"0123456789abcdef0123456789abcdef"'),
        ("Last-Modified", "Thu, 26 Nov 2026 12:00:00 GMT"),
        ("Cache-Control", "public, max-age=31536000, immutable"),
        ("Server-Timing", 'resizer;desc="hit"'),
        ("X-Content-Type-Options", "nosniff"),
        ("Content-Security-Policy", "default-src 'none'; sandbox"),
    ]


def bare_wsgi(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """The limit: opens the file, checks nothing, and sends the same headers."""
    content, headers = _read(environ["PATH_INFO"])
    start_response("200 OK", headers)
    return [content]


async def bare_asgi(scope: Any, receive: Any, send: Any) -> None:
    """The same for ASGI. It blocks the event loop."""
    if scope["type"] != "http":
        return
    content, headers = _read(scope["path"])
    encoded = [(name.lower().encode(), value.encode()) for name, value in headers]
    await send({"type": "http.response.start", "status": 200, "headers": encoded})
    await send({"type": "http.response.body", "body": content})
