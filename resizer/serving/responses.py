"""Build responses: a variant, "not modified", a redirect or an error."""

from __future__ import annotations

import functools
import logging
import re
import time
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from django.utils.encoding import iri_to_uri
from django.utils.http import http_date, parse_etags, parse_http_date_safe, quote_etag

from resizer import store
from resizer.conf import BY_APP, BY_STORAGE, get_settings
from resizer.errors import (
    Busy,
    InvalidOption,
    InvalidSignature,
    MethodNotAllowed,
    NotAllowed,
    OriginalNotFound,
    StoreFailed,
)
from resizer.keys.variant import PRIVATE
from resizer.links.mount import path_for
from resizer.records import tallies
from resizer.serving.messages import Response
from resizer.signals import variant_refused, variant_served
from resizer.storages.protocol import FOREVER
from resizer.store import backends
from resizer.throttle import problems

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resizer.errors import ResizerError
    from resizer.formats import Format
    from resizer.serving.messages import Request
    from resizer.store import VariantFile

# The logger of the view, whose name projects have in LOGGING.
logger = logging.getLogger("resizer.views")

#: For redirects and for a variant shown in place of another. The original can be replaced again.
FOR_A_MOMENT = "public, max-age=60"
#: For responses to another spelling of a path. A cache may treat all spellings as one, and give this response to everybody.
FOR_NOBODY = "private, no-store"
#: The header that names the file for nginx to send.
SENT_BY_NGINX = "X-Accel-Redirect"
#: Query parameter of our redirect for a variant too large for a response of the app.
LED = "led"
#: Escapes of unreserved characters (RFC 3986 §2.3) and of the slash. Each makes a second spelling of a URL.
#: No proxy escapes these characters by itself.
NEEDLESS_ESCAPE = re.compile(r"%(?:2[DEF]|3[0-9]|[46][1-9A-F]|[57][0-9A]|5F)", re.IGNORECASE)
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    # Whatever a browser takes the content for, it must run and load nothing.
    "Content-Security-Policy": "default-src 'none'; sandbox",
    # Pages of other origins that isolate themselves may show it (HTML §7.1.4): whoever has its URL may see it.
    "Cross-Origin-Resource-Policy": "cross-origin",
}
#: Mistakes in a request, of which strangers make many. They count as no failures.
MISTAKES = (InvalidOption, InvalidSignature, MethodNotAllowed, NotAllowed, OriginalNotFound)
#: Headers of a whole response without a place in a 304 (RFC 9110 §15.4.5). nginx leaves out the same ones.
OF_CONTENT = {"Content-Type", "Content-Length", "Server-Timing"}

# A hit spells both, the same ones each time.
_quote_etag = functools.lru_cache(maxsize=4096)(quote_etag)
_http_date = functools.lru_cache(maxsize=4096)(http_date)


def respond(
    request: Request,
    file: VariantFile,
    key: str,
    written_as: Format,
    headers: Mapping[str, str] | None = None,
) -> Response | None:
    """The response with a variant, counted. None if its file is gone or was replaced. Raises StoreFailed or Busy.

    `headers` replace those of the same name.
    """
    response = _write(request, file, key, written_as, headers)
    if response is not None:
        _count(request, key, file.length, response.status, is_hit=not file.timings)
    return response


def count_hit(request: Request, key: str, length: int, status: int) -> None:
    """Count a response with a stored variant of so many bytes."""
    _count(request, key, length, status, is_hit=True)


def _count(request: Request, key: str, length: int, status: int, *, is_hit: bool) -> None:
    tallies.count_served(key, is_hit=is_hit)
    variant_served.send_robust(
        None,
        key=key,
        bytes=length,
        is_hit=is_hit,
        status=status,
        seconds=time.monotonic() - request.began_at,
    )


def _write(
    request: Request,
    file: VariantFile,
    key: str,
    written_as: Format,
    headers: Mapping[str, str] | None,
) -> Response | None:
    all_headers = {
        "Content-Type": written_as.content_type,
        "Content-Length": str(file.length),
        "ETag": _quote_etag(file.etag),
        "Last-Modified": _http_date(file.modified_at),
        "Cache-Control": FOREVER,
        "Server-Timing": _timing(file),
        **_common_headers(),
        **(headers or {}),
    }
    if not file.is_kept:
        all_headers["Cache-Control"] = "no-store"
    if _is_unchanged(request, all_headers["ETag"], file.modified_at):
        kept = {name: value for name, value in all_headers.items() if name not in OF_CONTENT}
        return Response(304, kept)
    if key.startswith(PRIVATE):
        handed_out = _hand_out(request, file, key, all_headers)
        if handed_out is not None:
            return handed_out
    limit = get_settings().MAX_RESPONSE_BYTES
    if limit is not None and file.length > limit:
        return _lead_to_storage(request, file, key)
    if request.method == "HEAD":
        return Response(200, all_headers)
    content = store.read(key, file)
    return None if content is None else Response(200, all_headers, content)


def is_respelled(request: Request) -> bool:
    """Whether the path of a request has needless escapes. False if the server does not pass on the path as sent."""
    path = request.sent_path.partition("?")[0]
    return "%" in path and NEEDLESS_ESCAPE.search(path) is not None


def redirect(path: str, cache_control: str) -> Response:
    """A redirect to a key or a short URL."""
    return _redirect(path_for(path), cache_control)


def respond_error(
    request: Request, error: ResizerError, cache_control: str | None = None
) -> Response:
    """Turn an error into a response. No other function chooses a status. `cache_control` replaces the error's own."""
    level = problems.level(type(error).__name__) if error.status >= 500 else logging.INFO
    logger.log(
        level,
        "%d for %.300r: %s: %.500r",
        error.status,
        request.path,
        type(error).__name__,
        str(error),
    )
    if isinstance(error, Busy):
        tallies.count(tallies.BUSY)
    elif not isinstance(error, MISTAKES):
        tallies.count(tallies.FAILURE)
    seconds = time.monotonic() - request.began_at
    variant_refused.send_robust(None, path=request.path, error=error, seconds=seconds)
    headers = {
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Length": str(len(error.public_message)),
        "Cache-Control": cache_control or error.cache_control,
        **_common_headers(),
    }
    if error.retry_seconds is not None:
        headers["Retry-After"] = str(error.retry_seconds)
    # Not each server drops the body of a response to HEAD, and gunicorn logs a warning.
    content = b"" if request.method == "HEAD" else error.public_message.encode()
    return Response(error.status, headers, content)


def _is_unchanged(request: Request, etag: str, modified_at: int) -> bool:
    """Whether the browser has this variant already (RFC 9110 §13.2.2). Dates count only without an ETag."""
    if request.if_none_match:
        tags = [tag.removeprefix("W/") for tag in parse_etags(request.if_none_match)]
        return etag in tags or tags == ["*"]
    since = parse_http_date_safe(request.if_modified_since) if request.if_modified_since else None
    return since is not None and modified_at <= since


def _hand_out(
    request: Request, file: VariantFile, key: str, headers: Mapping[str, str]
) -> Response | None:
    """Let nginx or the bucket send a private variant. None if the app has to send it, or if its file is gone.

    Raises StoreFailed.
    """
    if request.method == "HEAD":
        # A signed URL is for GET only.
        return Response(200, headers)
    delivery = get_settings().PRIVATE_DELIVERY
    # A variant with content may not be in the storage yet.
    if delivery == BY_APP or file.content is not None or not store.confirm(key):
        return None
    if delivery == BY_STORAGE:
        return _redirect(_private_url(key), FOR_NOBODY)
    # nginx tells the length of the file itself.
    return Response(200, {**headers, "Content-Length": "0", SENT_BY_NGINX: delivery + key})


def _private_url(key: str) -> str:
    """A signed URL of the bucket. Raises StoreFailed if the storage has none."""
    url = backends.url(key)
    if url is None:
        raise StoreFailed(f"{key!r} has to come from the storage, which has no signed URLs")
    return url


def _lead_to_storage(request: Request, file: VariantFile, key: str) -> Response | None:
    """Redirect to the storage's own URL for a variant. None if the variant's file is gone.

    Without such a URL, redirect to the same URL with `LED`. A CDN or web server before the app then has to respond
    from the storage. Raises StoreFailed if it does not, or if the variant could not be kept.
    """
    if not file.is_kept:
        raise StoreFailed(f"{key!r} is larger than MAX_RESPONSE_BYTES, and could not be kept")
    if file.content is None and not store.confirm(key):
        return None
    if key.startswith(PRIVATE):
        return _redirect(_private_url(key), FOR_NOBODY)
    # Gateways of AWS write "led=".
    if LED in (part.partition("=")[0] for part in request.query.split("&")):
        # No server before the app has looked into the storage. Another redirect would lead back here.
        raise StoreFailed(
            f"{key!r} is larger than MAX_RESPONSE_BYTES, and no CDN or web server serves it from the storage"
        )
    path = path_for(key)
    target = backends.url(key) or path
    parts = urlsplit(target)
    if unquote(parts.path) == path and not parts.query:
        target = f"{target}?{LED}"
    return _redirect(target, FOR_NOBODY)


def _redirect(target: str, cache_control: str) -> Response:
    headers = {
        "Location": iri_to_uri(target) or "",
        "Content-Length": "0",
        "Cache-Control": cache_control,
        **_common_headers(),
    }
    return Response(302, headers)


def _common_headers() -> dict[str, str]:
    """Headers of every response. A browser wants permission of redirects and errors, too (Fetch §4.10)."""
    origin = get_settings().ALLOW_ORIGIN
    if origin is None:
        return SECURITY_HEADERS
    return {**SECURITY_HEADERS, "Access-Control-Allow-Origin": origin}


def _timing(file: VariantFile) -> str:
    """The `Server-Timing` header (Server Timing §3): hit or miss, and the milliseconds of each step."""
    if not file.timings:
        return 'resizer;desc="hit"'
    steps = [f"{step};dur={seconds * 1000:.1f}" for step, seconds in file.timings.items()]
    return ", ".join(['resizer;desc="miss"', *steps])
