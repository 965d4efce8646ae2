"""Short URLs of open sources. The format depends on the browser."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from resizer import originals, store
from resizer.conf import get_settings
from resizer.errors import InvalidOption, OriginalNotFound
from resizer.keys.geometry import height_of
from resizer.keys.variant import Recipe, write_key
from resizer.links.mount import path_for
from resizer.links.short import write_short
from resizer.links.signing import sign
from resizer.originals import Freshness
from resizer.records.descriptions import Reference
from resizer.serving.misses import show_cached, show_new
from resizer.serving.responses import FOR_A_MOMENT, FOR_NOBODY, is_respelled, redirect
from resizer.sources.deadline import one_request

if TYPE_CHECKING:
    from resizer.formats import Format
    from resizer.links.short import ShortURL
    from resizer.serving.messages import Request, Response

#: Longer than any browser's `Accept`.
MAX_ACCEPT_CHARACTERS = 1000
QUALITY_VALUE = re.compile(r"(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)")


@one_request()
def serve_short(request: Request, short: ShortURL) -> Response:
    """Respond to a short URL. Raises any ResizerError but MethodNotAllowed and InvalidSignature."""
    settings = get_settings()
    source = settings.SOURCES.get(short.source)
    if source is None or not source.OPEN:
        raise OriginalNotFound(f"source {short.source!r} is not open")
    if is_respelled(request):
        return redirect(write_short(short), FOR_NOBODY)
    if short.width is not None:
        if short.width == 0:
            raise InvalidOption("width 0")
        listed = settings.listed_width(short.width)
        if listed != short.width:
            return redirect(write_short(short._replace(width=listed)), FOR_A_MOMENT)
    reference = Reference(short.source, short.name)
    description = originals.look_up(reference, Freshness.FRESH)
    limit = description.widest_offered(Recipe())
    width = min(short.width or limit, limit)
    height = height_of(width, description.size, Recipe())
    target = _negotiate(request, max(width, height), description.fallback(Recipe()))
    variant = description.variant(Recipe(), width, target)
    key = write_key(variant, sign(variant))
    headers = {
        "Cache-Control": f"public, max-age={settings.FRESH_SECONDS}",
        "Content-Location": path_for(key),
    }
    response = show_cached(request, variant, key, store.find(key), headers)
    return response or show_new(request, description, variant, key, headers)


def _negotiate(request: Request, side: int, standby: Format) -> Format:
    """The browser's preferred format, out of the offered ones that allow a side of this length in px.

    Only formats named in `Accept` count. Browsers without modern formats also send wildcards.
    """
    named = _accepted(request.accept)
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
