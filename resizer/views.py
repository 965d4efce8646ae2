"""One view for all URLs: parse, verify, find the variant or make it, respond."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from django.contrib.auth.decorators import login_not_required
from django.http import HttpResponse, HttpResponseRedirect
from django.utils.cache import get_conditional_response
from django.utils.http import http_date, quote_etag

from resizer import originals, store
from resizer.conf import get_settings
from resizer.errors import (
    Busy,
    InvalidOption,
    MethodNotAllowed,
    OriginalChanged,
    OriginalNotFound,
    ResizerError,
    SourceFailed,
    SourceTimedOut,
    StoreFailed,
    TooManyBytes,
    TooMuchWork,
    UndecodableOriginal,
)
from resizer.keys.geometry import height_of, widest
from resizer.keys.variant import AUTO, LOSSLESS, ParsedKey, Recipe, parse_key, write_key
from resizer.links.addresses import path_for, sign, verify
from resizer.links.short import parse_short, write_short
from resizer.originals import Freshness
from resizer.records.descriptions import Reference, is_current, version_of
from resizer.sources.deadline import one_request
from resizer.storages.protocol import FOREVER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from resizer.formats import Format
    from resizer.keys.variant import Variant
    from resizer.links.short import ShortAddress
    from resizer.records.descriptions import Description
    from resizer.store import Answer, Recalled

logger = logging.getLogger(__name__)

SAFE_METHODS = ("GET", "HEAD")
#: Preconditions for writers, against overwriting a version they have not seen (RFC 9110 §13.1). A GET would get 412.
CONDITIONS_OF_WRITERS = ("HTTP_IF_MATCH", "HTTP_IF_UNMODIFIED_SINCE")
#: For redirects and for a variant shown in place of another. The original can be replaced again.
FOR_A_MOMENT = "public, max-age=60"
#: For responses to another spelling of a path. A cache may treat all spellings as one, and give this response to everybody.
FOR_NOBODY = "private, no-store"
#: Query parameter of our redirect for a variant too large for a response of the app.
LED = "led"
#: Longer than any browser's `Accept`.
MAX_ACCEPT_CHARACTERS = 1000
QUALITY_VALUE = re.compile(r"(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)")
#: Escapes of unreserved characters (RFC 3986 §2.3) and of the slash. Each makes a second spelling of a URL.
#: No proxy escapes these characters by itself.
NEEDLESS_ESCAPE = re.compile(r"%(?:2[DEF]|3[0-9]|[46][1-9A-F]|[57][0-9A]|5F)", re.IGNORECASE)
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    # Whatever a browser takes the content for, it must run and load nothing.
    "Content-Security-Policy": "default-src 'none'; sandbox",
}


# Anybody with the URL of a picture may see it, as with any media file. The signature proves that a page of the project
# printed the URL.
@login_not_required
def serve(request: HttpRequest, path: str) -> HttpResponseBase:
    """Respond to a variant's key, or to the short URL of an open source.

    Every ResizerError becomes a response with its status. Other exceptions pass through.
    """
    if request.method not in SAFE_METHODS:
        response = _refuse(path, MethodNotAllowed(str(request.method)))
        response.headers["Allow"] = ", ".join(SAFE_METHODS)
        return response
    for condition in CONDITIONS_OF_WRITERS:
        request.META.pop(condition, None)
    try:
        parsed = parse_key(path) or parse_short(path)
    except ResizerError as error:
        return _refuse(path, error, FOR_NOBODY)
    if isinstance(parsed, ParsedKey):
        try:
            return _serve_key(request, path, parsed)
        except ResizerError as error:
            return _refuse(path, error)
    try:
        response = _serve_short(request, parsed)
    except ResizerError as error:
        response = _refuse(path, error)
    # On redirects and errors too: with another `Accept` header, the response might differ.
    response.headers["Vary"] = "Accept"
    return response


def _serve_key(request: HttpRequest, key: str, parsed: ParsedKey) -> HttpResponseBase:
    variant = parsed.variant
    verify(parsed)
    if _is_respelled(request):
        return _redirect(key, FOR_NOBODY)
    recalled = store.recall(Reference(variant.source, variant.name), key)
    if recalled.answer and is_current(recalled.original, variant.version, variant.recipe):
        response = _respond(request, recalled.answer, key, variant.format)
        if response is not None:
            return response
        recalled = recalled._replace(answer=None)
    return _serve_unknown(request, variant, key, recalled)


@one_request()
def _serve_unknown(
    request: HttpRequest, variant: Variant, key: str, recalled: Recalled
) -> HttpResponseBase:
    """Respond to a variant not known to be current. This may ask the source and the storage, and render.

    Raises any ResizerError but MethodNotAllowed and InvalidSignature.
    """
    reference = Reference(variant.source, variant.name)
    version, recipe = variant.version, variant.recipe
    try:
        known = originals.look_up(reference, Freshness.SIGHTED, state=recalled.original)
        if version_of(known.fingerprint, recipe) != version:
            # Perhaps this process does not know a new version yet.
            known = originals.look_up(reference, Freshness.RECENT, state=known)
    except (SourceFailed, SourceTimedOut, Busy):
        # A cached variant can be shown without its original.
        response = _find(request, variant, key, recalled.answer or store.load(key))
        if response is None:
            raise
        return response
    if version_of(known.fingerprint, recipe) == version:
        response = _find(request, variant, key, recalled.answer or store.load(key))
        if response is not None:
            return response
    description = originals.look_up(reference, Freshness.FRESH, state=known)
    return _make(request, description, variant, key)


@one_request()
def _serve_short(request: HttpRequest, address: ShortAddress) -> HttpResponseBase:
    settings = get_settings()
    source = settings.SOURCES.get(address.source)
    if source is None or not source.OPEN:
        raise OriginalNotFound(f"source {address.source!r} is not open")
    if _is_respelled(request):
        return _redirect(write_short(address), FOR_NOBODY)
    if address.width is not None:
        if address.width == 0:
            raise InvalidOption("width 0")
        listed = settings.listed_width(address.width)
        if listed != address.width:
            return _redirect(write_short(address._replace(width=listed)), FOR_A_MOMENT)
    reference = Reference(address.source, address.name)
    description = originals.look_up(reference, Freshness.FRESH)
    limit = description.widest_offered(Recipe())
    width = min(address.width or limit, limit)
    height = height_of(width, description.size, Recipe())
    target = _negotiate(request, max(width, height), description.fallback(Recipe()))
    variant = description.variant(Recipe(), width, target)
    key = write_key(variant, sign(variant))
    headers = {
        "Cache-Control": f"public, max-age={settings.FRESH_SECONDS}",
        "Content-Location": path_for(key),
    }
    response = _find(request, variant, key, store.find(key), headers)
    return response or _make(request, description, variant, key, headers)


def _find(
    request: HttpRequest,
    variant: Variant,
    key: str,
    answer: Answer | None,
    headers: Mapping[str, str] | None = None,
) -> HttpResponseBase | None:
    """The response with a cached variant, or None. If the cache entry is outdated, load it from the storage."""
    if answer is None:
        return None
    response = _respond(request, answer, key, variant.format, headers)
    if response is None:
        loaded = store.load(key)
        response = _respond(request, loaded, key, variant.format, headers) if loaded else None
    return response


def _make(
    request: HttpRequest,
    description: Description,
    variant: Variant,
    key: str,
    headers: Mapping[str, str] | None = None,
) -> HttpResponseBase:
    offered = description.offered(variant)
    if offered != variant:
        return _show_instead(request, description, variant, offered)
    try:
        answer = store.make(description, variant, key)
    except (
        OriginalChanged,
        OriginalNotFound,
        TooManyBytes,
        TooMuchWork,
        UndecodableOriginal,
    ) as error:
        # Record that the original is gone or too large, or find its new version.
        description = originals.look_up(description.reference, Freshness.RECENT)
        offered = description.offered(variant)
        if offered == variant:
            if _breaks(error, variant.recipe):
                originals.note_broken(description)
            raise
        return _show_instead(request, description, variant, offered)
    return _respond_made(request, answer, key, variant, headers)


def _breaks(error: ResizerError, recipe: Recipe) -> bool:
    """Whether this error means that an original can have no variant at all.

    After TooMuchWork with a costly recipe, a plain recipe may still be quick enough.
    """
    if isinstance(error, TooMuchWork):
        return not (recipe.animated or recipe.linear or recipe.quality in {AUTO, LOSSLESS})
    return isinstance(error, UndecodableOriginal)


def _show_instead(
    request: HttpRequest,
    description: Description,
    variant: Variant,
    offered: Variant,
    *,
    is_second: bool = False,
) -> HttpResponseBase:
    """Redirect to the replacement of a variant, or show it at once if a redirect could lead in a circle.

    Two servers with different files or settings may redirect to each other's variants. A CDN with both redirects in
    its cache then sends visitors in a circle. So a redirect never leads to another version. It always leads to a
    larger width, or to the original's own.
    """
    key = write_key(offered, sign(offered))
    is_same_version = description.version_of(variant.recipe) == variant.version
    least = min(variant.width, widest(description.size, offered.recipe))
    if is_same_version and offered.width >= least and not is_second:
        return _redirect(key, FOR_A_MOMENT)
    headers = {"Cache-Control": FOR_A_MOMENT, "Content-Location": path_for(key)}
    response = _find(request, offered, key, store.find(key), headers)
    if response is not None:
        return response
    try:
        answer = store.make(description, offered, key)
    except OriginalChanged:
        if is_second:
            raise
        # Another server with other files shares our cache, and wrote the description.
        description = originals.look_up(description.reference, Freshness.FRESH)
        offered = description.offered(variant)
        return _show_instead(request, description, variant, offered, is_second=True)
    return _respond_made(request, answer, key, offered, headers)


def _respond_made(
    request: HttpRequest,
    answer: Answer,
    key: str,
    variant: Variant,
    headers: Mapping[str, str] | None,
) -> HttpResponseBase:
    response = _respond(request, answer, key, variant.format, headers)
    if response is None:
        raise Busy(f"{key!r} was deleted again right after it was made")
    return response


def _is_respelled(request: HttpRequest) -> bool:
    """Whether the path of a request has needless escapes. False if the server does not pass on the raw path."""
    scope = getattr(request, "scope", None) or {}
    raw = (scope.get("raw_path") or b"").decode("latin-1")
    # RAW_URI is set by gunicorn, REQUEST_URI by uWSGI and mod_wsgi. Both include the query.
    raw = raw or request.META.get("RAW_URI") or request.META.get("REQUEST_URI", "")
    return NEEDLESS_ESCAPE.search(raw.partition("?")[0]) is not None


def _negotiate(request: HttpRequest, side: int, standby: Format) -> Format:
    """The browser's preferred format, out of the offered ones that allow a side of this length in px.

    Only formats named in `Accept` count. Browsers without modern formats also send wildcards.
    """
    named = _accepted(request.headers.get("Accept", ""))
    offered = [one for one in get_settings().FORMATS if side <= one.max_side]

    def liking(one: Format) -> float:
        liked = named.get(one.content_type, 0)
        # The fallback wins over formats that are not named, or have q=0.
        return max(liked, 0.001) if one is standby else liked

    # `max` returns the first of equals, so the order of FORMATS decides.
    return max([*offered, standby], key=liking)


def _accepted(header: str) -> dict[str, float]:
    """Media types with their quality values, 0 to 1 (RFC 9110 §12.5.1). Django's own parser can raise, and be slow."""
    accepted = {}
    for part in header[:MAX_ACCEPT_CHARACTERS].lower().split(","):
        media_type, *parameters = (piece.strip() for piece in part.split(";"))
        quality = next((one[2:] for one in parameters if one.startswith("q=")), "1")
        accepted[media_type] = float(quality) if QUALITY_VALUE.fullmatch(quality) else 1.0
    return accepted


def _respond(
    request: HttpRequest,
    answer: Answer,
    key: str,
    written_as: Format,
    headers: Mapping[str, str] | None = None,
) -> HttpResponseBase | None:
    """The response with a variant. None if its file is gone or was replaced. Raises StoreFailed."""
    response = HttpResponse(
        headers={
            "Content-Type": written_as.content_type,
            "Content-Length": str(answer.length),
            "ETag": quote_etag(answer.etag),
            "Last-Modified": http_date(answer.modified_at),
            "Cache-Control": FOREVER,
            "Server-Timing": _timing(answer),
            **SECURITY_HEADERS,
            **(headers or {}),
        }
    )
    if not answer.is_kept:
        response.headers["Cache-Control"] = "no-store"
    conditional = get_conditional_response(
        request,
        etag=response.headers["ETag"],
        last_modified=answer.modified_at,
        response=response,
    )
    if conditional is not response:
        return conditional
    limit = get_settings().MAX_ANSWER_BYTES
    if limit is not None and answer.length > limit:
        return _lead_to_storage(request, answer, key)
    if request.method == "HEAD":
        return response
    content = store.read(key, answer)
    if content is None:
        return None
    response.content = content
    return response


def _lead_to_storage(request: HttpRequest, answer: Answer, key: str) -> HttpResponseBase | None:
    """Redirect to the storage's own URL for a variant. None if the variant's file is gone.

    Without such a URL, redirect to the same URL with `LED`. A CDN or web server before the app then has to respond
    from the storage. Raises StoreFailed if it does not, or if the variant could not be kept.
    """
    if not answer.is_kept:
        raise StoreFailed(f"{key!r} is larger than MAX_ANSWER_BYTES, and could not be kept")
    if answer.content is None and not store.confirm(key):
        return None
    if LED in request.GET:
        # No server before the app has looked into the storage. Another redirect would lead back here.
        raise StoreFailed(
            f"{key!r} is larger than MAX_ANSWER_BYTES, and no CDN or web server serves it from the storage"
        )
    path = path_for(key)
    target = store.address(key) or path
    parts = urlsplit(target)
    if unquote(parts.path) == path and not parts.query:
        target = f"{target}?{LED}"
    headers = {"Cache-Control": "private, no-store", **SECURITY_HEADERS}
    return HttpResponseRedirect(target, headers=headers)


def _timing(answer: Answer) -> str:
    """The `Server-Timing` header (Server Timing §3): hit or miss, and the milliseconds of each step."""
    steps = [f"{step};dur={seconds * 1000:.1f}" for step, seconds in answer.timings.items()]
    return ", ".join([f'resizer;desc="{"miss" if steps else "hit"}"', *steps])


def _redirect(path: str, cache_control: str) -> HttpResponseBase:
    headers = {"Cache-Control": cache_control, **SECURITY_HEADERS}
    return HttpResponseRedirect(path_for(path), headers=headers)


def _refuse(path: str, error: ResizerError, cache_control: str | None = None) -> HttpResponseBase:
    """Turn an error into a response. No other function chooses a status. `cache_control` replaces the error's own."""
    level = logging.WARNING if error.status >= 500 else logging.INFO
    logger.log(
        level, "%d for %.300r: %s: %.500r", error.status, path, type(error).__name__, str(error)
    )
    headers = {
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Length": str(len(error.public_message)),
        "Cache-Control": cache_control or error.cache_control,
        **SECURITY_HEADERS,
    }
    if error.retry_seconds is not None:
        headers["Retry-After"] = str(error.retry_seconds)
    response = HttpResponse(error.public_message, status=error.status, headers=headers)
    # Django would log the response again, and mail each 5xx to ADMINS. Its own `log_response` sets and checks this mark
    # (4.2 to 6.1).
    response._has_been_logged = True  # type: ignore[attr-defined]  # not in the stubs
    return response
