"""Answer pictures before other middleware can touch them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.urls import NoReverseMatch, Resolver404, resolve

from resizer.links.addresses import mount_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase


class ResizerMiddleware:
    """Goes first in `MIDDLEWARE`.

    Sessions, languages and compression add `Vary`, cookies or a `Content-Encoding` to a response. A variant is the same for
    everybody, and a shared cache must see it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        # Compare the prefix first, so that other pages are not resolved twice.
        try:
            if request.path.startswith(mount_path()):
                match = resolve(request.path_info)
                if "resizer" in match.app_names:
                    return match.func(request, *match.args, **match.kwargs)  # type: ignore[no-any-return]
        except (NoReverseMatch, Resolver404):
            pass
        return self.get_response(request)
