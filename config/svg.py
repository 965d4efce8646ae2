"""SVG originals in a bucket that browsers cannot reach, such as one inside of a network of containers: Django sends them.

Pages link an SVG as it is. All other originals stay closed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from django.core.files.storage import storages
from django.http import Http404, HttpResponse
from storages.backends.s3 import S3Storage

from resizer.conf import get_settings

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
    storage = storages["default"]
    try:
        with storage.open(name) as file:
            if file.size > get_settings().MAX_BYTES:
                raise Http404
            return HttpResponse(file.read(), content_type="image/svg+xml", headers=HEADERS)
    except FileNotFoundError as error:
        raise Http404 from error
