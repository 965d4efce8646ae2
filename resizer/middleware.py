"""Responds to requests for pictures before other middleware can change the responses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resizer.views import path_below_mount, serve

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase


class ResizerMiddleware:
    """Put it first in `MIDDLEWARE`.

    Sessions, languages and compression add `Vary`, cookies or a `Content-Encoding` to a response. But a picture is the
    same for everybody, and shared caches have to know this.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        path = path_below_mount(request.path_info)
        return self.get_response(request) if path is None else serve(request, path)
