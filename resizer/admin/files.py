"""Responses with the very file of a cached variant or an original, for editors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import Http404, HttpResponse

from resizer.errors import ResizerError
from resizer.formats import BY_NAME
from resizer.serving.responses import SECURITY_HEADERS
from resizer.sources import get_source
from resizer.store import backends

if TYPE_CHECKING:
    from resizer.models import CachedVariant, Original

#: A URL names the moment when the file was made or seen.
CACHE_CONTROL = "private, max-age=31536000, immutable"
#: An original is sent to an editor only up to this size, bytes. Larger ones would hold the browser.
MAX_ORIGINAL_BYTES = 20_000_000
#: Formats of originals that every browser shows.
SHOWN = ("avif", "gif", "jpeg", "png", "webp")


def send_variant(variant: CachedVariant) -> HttpResponse:
    """Raises Http404 if the file is gone."""
    try:
        fetched = backends.fetch(variant.key)
    except ResizerError as error:
        return _refuse(error)
    if fetched is None:
        raise Http404(variant.key)
    return _send(fetched[0], variant.format)


def can_show(original: Original) -> bool:
    return original.format in SHOWN and original.bytes <= MAX_ORIGINAL_BYTES


def send_original(original: Original) -> HttpResponse:
    """Raises Http404 if it is not for browsers."""
    if not can_show(original):
        raise Http404(str(original))
    try:
        with get_source(original.source).open(original.name) as file:
            content = file.read(MAX_ORIGINAL_BYTES)
    except ResizerError as error:
        return _refuse(error)
    return _send(content, original.format)


def _send(content: bytes, format_name: str) -> HttpResponse:
    headers = {**SECURITY_HEADERS, "Cache-Control": CACHE_CONTROL}
    content_type = BY_NAME[format_name].content_type
    return HttpResponse(content, content_type=content_type, headers=headers)


def _refuse(error: ResizerError) -> HttpResponse:
    headers = {"Cache-Control": "no-store"}
    return HttpResponse(
        error.public_message, status=error.status, content_type="text/plain", headers=headers
    )
