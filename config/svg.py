"""SVG originals in a bucket that browsers cannot reach, such as one inside of a network of containers: Django sends them.

Pages link an SVG as it is. All other originals stay closed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from django.http import Http404, HttpResponse
from storages.backends.s3 import S3Storage

from resizer.conf import get_settings
from resizer.errors import InvalidOption, OriginalNotFound, ResizerError, TooManyBytes
from resizer.keys.names import escape_name
from resizer.keys.variant import DEFAULT_SOURCE
from resizer.sources import get_source

if TYPE_CHECKING:
    from django.http import HttpRequest

#: Security: opened on its own, an SVG may hold scripts, and the policy stops them. As in config/edge/nginx.conf.
HEADERS = {
    "Cache-Control": "public, max-age=300",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox",
    "X-Content-Type-Options": "nosniff",
}


class BehindDjango(S3Storage):  # type: ignore[misc]  # django-storages has no types
    """Its URLs are paths of the site."""

    base_url: str

    def get_default_settings(self) -> dict[str, Any]:
        return {**super().get_default_settings(), "base_url": ""}

    def url(self, name: str, *_: Any, **__: Any) -> str:
        return self.base_url + quote(name)


def serve(request: HttpRequest, name: str) -> HttpResponse:
    try:
        # Before the bucket is asked: it refuses some names with an error of its own.
        escape_name(name)
        with get_source(DEFAULT_SOURCE).open(name) as file:
            limit = get_settings().MAX_BYTES
            content = file.read(limit + 1)
        if len(content) > limit:
            raise TooManyBytes(f"{name!r} has more than {limit} bytes")
    except (InvalidOption, OriginalNotFound) as error:
        raise Http404 from error
    except ResizerError as error:
        headers = {"Cache-Control": "no-store"}
        return HttpResponse(
            error.public_message, status=error.status, content_type="text/plain", headers=headers
        )
    return HttpResponse(content, content_type="image/svg+xml", headers=HEADERS)
