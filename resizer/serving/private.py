"""Responses to links of private pictures. Only Django gives them, after all its middleware."""

from __future__ import annotations

import functools
import time
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, cast

from django.utils.module_loading import import_string

from resizer import store
from resizer.conf import get_settings
from resizer.errors import LinkExpired, NotAllowed, ResizerError
from resizer.links.private import read_link
from resizer.records.descriptions import Reference
from resizer.serving.misses import serve_unknown
from resizer.serving.responses import (
    FOR_A_MOMENT,
    FOR_NOBODY,
    SENT_BY_NGINX,
    respond_error,
)
from resizer.storages.protocol import FOREVER

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from django.http import HttpRequest

    from resizer.conf import SourceSettings
    from resizer.links.private import Link
    from resizer.serving.messages import Request, Response

    Allow: TypeAlias = Callable[[HttpRequest, Reference], object]

#: Other sites must not learn what a visitor may see. So with `ALLOW`, pictures and refusals look alike to them.
OURS_ALONE = {"Cross-Origin-Resource-Policy": "same-site"}
#: How long browsers keep a file that nginx sends. nginx sends our `Cache-Control` with its own errors, too.
OF_FILE = "X-Resizer-Cache-Control"
#: For a variant shown in place of another one, seconds.
MOMENT_SECONDS = 60


def serve_private(request: Request, django_request: HttpRequest) -> Response:
    """Respond to a link. Nothing is looked up or read for a visitor who may not see the picture."""
    try:
        link = read_link(request.path)
        source = _admit(link, django_request)
        variant = link.variant
        recalled = store.recall(Reference(variant.source, variant.name), link.key)
        response = serve_unknown(request, variant, link.key, recalled)
    except ResizerError as error:
        refused = respond_error(request, error, FOR_NOBODY)
        return refused._replace(headers={**refused.headers, **OURS_ALONE})
    return response._replace(headers={**response.headers, **_headers(response, link, source)})


def load_allow(path: str) -> Allow:
    """The function of `ALLOW`. Raises ImportError, or TypeError for anything but a synchronous function."""
    allow = import_string(path)
    if not callable(allow) or iscoroutinefunction(allow):
        raise TypeError(f"{path} is not a synchronous function")
    return cast("Allow", allow)


_loaded = functools.lru_cache(maxsize=16)(load_allow)


def _admit(link: Link, django_request: HttpRequest) -> SourceSettings:
    """The settings of the source, if the visitor may see the picture. Raises NotAllowed, LinkExpired."""
    alias = link.variant.source
    source = get_settings().SOURCES.get(alias)
    if source is None or not source.PRIVATE:
        raise NotAllowed(f"source {alias!r} is not private any longer")
    if link.has_expired:
        raise LinkExpired(f"the link of {link.variant.name[:200]!r} has expired")
    if source.ALLOW is None:
        if link.expires_at is None:
            # Printed while the source had a function.
            raise NotAllowed(f"the link of {link.variant.name[:200]!r} has no expiry")
        return source
    allows = _loaded(source.ALLOW)(django_request, Reference(alias, link.variant.name))
    # Security: many objects count as true, whoever asks.
    if not isinstance(allows, bool):
        raise TypeError(f"{source.ALLOW} must return True or False, not {allows!r:.200}")
    if not allows:
        raise NotAllowed(f"{source.ALLOW} does not allow {link.variant.name[:200]!r}")
    return source


def _headers(response: Response, link: Link, source: SourceSettings) -> dict[str, str]:
    """The headers of a public variant that do not suit a private one."""
    cache_control = _cache_control(response, link, source)
    headers = {"Cache-Control": cache_control}
    scope, comma, freshness = cache_control.partition(", max-age")
    if comma and SENT_BY_NGINX in response.headers:
        headers = {"Cache-Control": scope, OF_FILE: f"max-age{freshness}"}
    # The cookies of a visitor decide.
    return headers if source.ALLOW is None else {**headers, **OURS_ALONE}


def _cache_control(response: Response, link: Link, source: SourceSettings) -> str:
    given = response.headers["Cache-Control"]
    if response.status == 302 or given not in {FOREVER, FOR_A_MOMENT}:
        return FOR_NOBODY
    if source.ALLOW is not None or link.expires_at is None:
        # Ask the function again for each view, as a visitor may have logged out.
        return "private, no-cache"
    seconds = max(0, link.expires_at - int(time.time()))
    if given == FOR_A_MOMENT:
        return f"private, max-age={min(MOMENT_SECONDS, seconds)}"
    return f"private, max-age={seconds}, immutable"
