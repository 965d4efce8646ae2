"""One view for all URLs: parse, verify, find the variant or make it, respond."""

from __future__ import annotations

import functools
import logging
import time
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.cache import caches
from django.core.cache.backends.db import BaseDatabaseCache
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import (
    NoReverseMatch,
    Resolver404,
    URLPattern,
    URLResolver,
    get_resolver,
    get_script_prefix,
    resolve,
)
from django.urls.resolvers import RoutePattern
from django.utils.translation import get_language

from resizer import store
from resizer.concurrency.at_once import NotAtOnce, at_once
from resizer.conf import OUR_MIDDLEWARE, get_settings
from resizer.errors import InvalidSignature, MethodNotAllowed, NotAllowed, ResizerError
from resizer.keys.variant import PRIVATE, ParsedKey
from resizer.links.mount import mount_path
from resizer.links.short import parse_short
from resizer.links.signing import read_key
from resizer.memo import Memo
from resizer.records.descriptions import Reference, is_current
from resizer.serving import hot, outcomes, responses
from resizer.serving.messages import Request, Response
from resizer.serving.misses import serve_unknown
from resizer.serving.private import serve_private
from resizer.serving.responses import FOR_NOBODY, is_respelled, redirect, respond_error
from resizer.serving.short import serve_short
from resizer.sources import OWN, is_private

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.http import HttpRequest

    from resizer.conf import Settings
    from resizer.links.short import ShortURL

logger = logging.getLogger(__name__)

SAFE_METHODS = ("GET", "HEAD")
#: Preconditions for writers, against overwriting a version they have not seen (RFC 9110 §13.1). A GET would get 412.
CONDITIONS_OF_WRITERS = ("HTTP_IF_MATCH", "HTTP_IF_UNMODIFIED_SINCE")
#: How many paths of keys a process remembers.
MOST_PATHS = 4096

_keys_at: Memo[tuple[Settings, str, str | None, str], str] = Memo(MOST_PATHS)


# Anybody with the URL of a public picture may see it, as with any media file. The signature proves that a page of the
# project printed the URL. For private pictures, `serving/private.py` decides.
@login_not_required
def serve(request: HttpRequest, path: str) -> HttpResponse:
    """Respond to a variant's key, the link of a private one, or the short URL of an open source.

    Every ResizerError becomes a response with its status. Other exceptions pass through.
    """
    for condition in CONDITIONS_OF_WRITERS:
        request.META.pop(condition, None)
    response = respond(read_request(request.META, path, getattr(request, "scope", None)), request)
    headers = dict(response.headers)
    made: HttpResponse
    if "Location" in headers:
        made = HttpResponseRedirect(headers["Location"], headers=headers)
    else:
        made = HttpResponse(response.content, status=response.status, headers=headers)
    if "Content-Type" not in headers:
        # Django's default.
        del made.headers["Content-Type"]
    # Django would log errors again, and mail each 5xx to ADMINS. Its own `log_response` sets and checks this mark
    # (4.2 to 6.1).
    made._has_been_logged = True  # type: ignore[attr-defined]  # not in the stubs
    return made


def respond(request: Request, django_request: HttpRequest | None = None) -> Response:
    """Decide every response. All entry points call this function: the view, the middleware, WSGI and ASGI.

    Security: a link of a private picture needs the request as Django's middleware has left it. Without, it is refused.
    """
    if request.method not in SAFE_METHODS:
        refused = respond_error(request, MethodNotAllowed(request.method))
        return refused._replace(headers={**refused.headers, "Allow": ", ".join(SAFE_METHODS)})
    if django_request is not None and request.path.startswith(PRIVATE):
        return serve_private(request, django_request)
    repeated = hot.repeat(request)
    if repeated is not None:
        return repeated
    try:
        parsed = _parse(request.path)
    except InvalidSignature as error:
        return respond_error(request, error)
    except ResizerError as error:
        return respond_error(request, error, FOR_NOBODY)
    if isinstance(parsed, ParsedKey):
        try:
            return _serve_key(request, parsed)
        except ResizerError as error:
            return respond_error(request, error)
    try:
        response = serve_short(request, parsed)
    except ResizerError as error:
        response = respond_error(request, error)
    # On redirects and errors too: with another `Accept` header, the response might differ.
    return response._replace(headers={**response.headers, "Vary": "Accept"})


def respond_at_once(request: Request) -> Response | None:
    """`respond` for entry points before Django. None if Django has to respond: `respond` would wait for something."""
    token = at_once.set(True)
    try:
        return respond(request)
    except NotAtOnce:
        return None
    finally:
        at_once.reset(token)


def path_before_django(path_info: str) -> str | None:
    """The path below the mount of the app, if a request may be answered before Django sees it. Else None.

    Security: this is the only place for this decision. Each request must pass the middleware before `ResizerMiddleware`,
    such as a list of allowed IP addresses. A cache in the database needs the connections of Django's requests.
    """
    return path_below_mount(path_info) if _may_precede_django(get_settings()) else None


@functools.lru_cache(maxsize=1)
def _may_precede_django(values: Settings) -> bool:
    middleware = list(settings.MIDDLEWARE)
    if OUR_MIDDLEWARE in middleware and middleware[0] != OUR_MIDDLEWARE:
        logger.warning(
            "Pictures are not answered before Django, because %s stands before %s in MIDDLEWARE.",
            middleware[0],
            OUR_MIDDLEWARE,
        )
        return False
    return not isinstance(caches[values.CACHE], BaseDatabaseCache)


def path_below_mount(path_info: str) -> str | None:
    """The path below the mount of the app, if Django would call `serve` for a request. Else None.

    A project may decorate `serve`, or put another view before it. Such requests must pass all middleware, so they get
    None too. So do links of private pictures: other middleware tells whose request it is.
    """
    # The language counts for an app mounted with `i18n_patterns`.
    known = get_settings(), settings.ROOT_URLCONF, get_language(), path_info
    path = _keys_at.get(known)
    if path is not None:
        return path
    path = _path_of_serve(path_info)
    if path is None or path.startswith(PRIVATE):
        return None
    try:
        read_key(get_settings(), path)
    except (LookupError, ResizerError):
        # Security: remember signed keys only. Strangers can invent any number of other paths, of any length.
        return path
    _keys_at.remember(known, path)
    return path


def _path_of_serve(path_info: str) -> str | None:
    """The argument of `serve`. None if Django would call another view, or none."""
    try:
        # The prefix spares all other pages the cost of resolving twice.
        mount = "/" + mount_path().removeprefix(get_script_prefix())
        if not path_info.startswith(mount):
            return None
        if _owns_mount(get_settings(), settings.ROOT_URLCONF, get_language(), mount):
            path = path_info.removeprefix(mount)
            # As in `<path:path>`.
            return path if path and "\n" not in path else None
        match = resolve(path_info, settings.ROOT_URLCONF)
    except (NoReverseMatch, Resolver404):
        return None
    return str(match.kwargs["path"]) if match.func is serve else None


@functools.lru_cache(maxsize=128)
def _owns_mount(_values: Settings, urlconf: str, _language: str | None, mount: str) -> bool:
    """Whether every path below the mount is a path of `serve`. To resolve each would take as long as the rest of an error."""
    rest, patterns = mount.removeprefix("/"), get_resolver(urlconf).url_patterns
    while True:
        first = next((one for one in patterns if _may_match(one, rest)), None)
        if isinstance(first, URLPattern):
            return rest == "" and first.callback is serve and str(first.pattern) == "<path:path>"
        if first is None or not _is_literal(first) or not rest.startswith(str(first.pattern)):
            return False
        rest, patterns = rest.removeprefix(str(first.pattern)), first.url_patterns


def _may_match(entry: URLPattern | URLResolver, start: str) -> bool:
    """Whether an entry of a URLconf may match a path that begins so."""
    if not isinstance(entry.pattern, RoutePattern):
        return True
    literal = str(entry.pattern).partition("<")[0]
    return start.startswith(literal) or literal.startswith(start)


def _is_literal(entry: URLResolver) -> bool:
    return isinstance(entry.pattern, RoutePattern) and "<" not in str(entry.pattern)


def _parse(path: str) -> ParsedKey | ShortURL:
    try:
        return read_key(get_settings(), path)
    except LookupError:
        return parse_short(path)


def _serve_key(request: Request, parsed: ParsedKey) -> Response:
    if is_respelled(request):
        return redirect(request.path, FOR_NOBODY)
    if (get_settings(), request.path) in outcomes.recent:
        response = outcomes.repeat(request)
        if response is not None:
            return response
    variant = parsed.variant
    # `read_key` knows the sources in the settings only, and the cache may know the original for minutes.
    if variant.source.startswith(OWN) and is_private(variant.source):
        raise NotAllowed(f"the storage of {variant.source!r} is private")
    reference = Reference(variant.source, variant.name)
    recalled = store.recall(reference, request.path)
    if recalled.file and is_current(recalled.original, variant.version, variant.recipe):
        response = responses.respond(request, recalled.file, request.path, variant.format)
        if response is not None:
            hot.remember(request, response, store.cache_keys(reference, request.path))
            return response
        recalled = recalled._replace(file=None)
    try:
        response = serve_unknown(request, variant, request.path, recalled)
    except ResizerError as error:
        outcomes.remember(request, error)
        raise
    outcomes.remember(request, response)
    return response


def read_request(
    environ: Mapping[str, Any], path: str, scope: Mapping[str, Any] | None = None
) -> Request:
    """A request from a WSGI environ, or from `META` of Django. An ASGI server has a `scope` too."""
    get = environ.get
    # RAW_URI is set by gunicorn, REQUEST_URI by uWSGI and mod_wsgi. Both include the query.
    sent_path = get("RAW_URI") or get("REQUEST_URI", "")
    if scope is not None:
        sent_path = (scope.get("raw_path") or b"").decode("latin-1")
    return Request(
        method=environ["REQUEST_METHOD"].upper(),
        path=path,
        sent_path=sent_path,
        query=get("QUERY_STRING", ""),
        accept=get("HTTP_ACCEPT", ""),
        if_none_match=get("HTTP_IF_NONE_MATCH", ""),
        if_modified_since=get("HTTP_IF_MODIFIED_SINCE", ""),
        began_at=time.monotonic(),
    )
