"""Variants not known to be current: ask the source and the storage, and render."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resizer import originals, store
from resizer.errors import (
    Busy,
    OriginalChanged,
    OriginalNotFound,
    ResizerError,
    SourceFailed,
    SourceTimedOut,
    TooManyBytes,
    TooMuchWork,
    UndecodableOriginal,
)
from resizer.keys.geometry import widest
from resizer.keys.variant import AUTO, LOSSLESS
from resizer.links.mount import path_for
from resizer.links.private import link_instead
from resizer.links.signing import key_of
from resizer.originals import Freshness
from resizer.records.descriptions import Reference, Sighted, version_of
from resizer.serving.responses import FOR_A_MOMENT, redirect, respond
from resizer.sources.deadline import one_request
from resizer.store import backends

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resizer.keys.variant import Recipe, Variant
    from resizer.records.descriptions import Description
    from resizer.serving.messages import Request, Response
    from resizer.store import Recalled, VariantFile


@one_request()
def serve_unknown(request: Request, variant: Variant, key: str, recalled: Recalled) -> Response:
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
        response = show_cached(request, variant, key, recalled.file or store.load(key))
        if response is None:
            raise
        return response
    if version_of(known.fingerprint, recipe) == version:
        file = recalled.file or (store.load(key) if _may_look(known, variant) else None)
        response = show_cached(request, variant, key, file)
        if response is not None:
            return response
    description = originals.look_up(reference, Freshness.FRESH, state=known)
    return show_new(request, description, variant, key)


def _may_look(known: Description | Sighted, variant: Variant) -> bool:
    """Whether to look for a file. Security: strangers can send any width, and each look into a bucket is a request."""
    return (
        isinstance(known, Sighted)
        or backends.is_local(is_private=variant.is_private)
        or known.offered(variant) == variant
    )


def show_cached(
    request: Request,
    variant: Variant,
    key: str,
    file: VariantFile | None,
    headers: Mapping[str, str] | None = None,
) -> Response | None:
    """The response with a cached variant, or None. If the cache entry is outdated, load it from the storage."""
    if file is None:
        return None
    response = respond(request, file, key, variant.format, headers)
    if response is None:
        loaded = store.load(key)
        response = respond(request, loaded, key, variant.format, headers) if loaded else None
    return response


def show_new(
    request: Request,
    description: Description,
    variant: Variant,
    key: str,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The response with a new variant, or with its replacement. Raises any ResizerError but InvalidSignature and MethodNotAllowed."""
    offered = description.offered(variant)
    if offered != variant:
        return _show_instead(request, description, variant, offered)
    try:
        file = store.make(description, variant, key)
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
    return _respond_made(request, file, key, variant, headers)


def _breaks(error: ResizerError, recipe: Recipe) -> bool:
    """Whether this error means that an original can have no variant at all.

    After TooMuchWork with a costly recipe, a plain recipe may still be quick enough.
    """
    if isinstance(error, TooMuchWork):
        return not (recipe.animated or recipe.linear or recipe.quality in {AUTO, LOSSLESS})
    return isinstance(error, UndecodableOriginal)


def _show_instead(
    request: Request,
    description: Description,
    variant: Variant,
    offered: Variant,
    *,
    is_second: bool = False,
) -> Response:
    """Redirect to the replacement of a variant, or show it at once if a redirect could lead in a circle.

    Two servers with different files or settings may redirect to each other's variants. A CDN with both redirects in
    its cache then sends visitors in a circle. So a redirect never leads to another version. It always leads to a
    larger width, or to the original's own.
    """
    key = key_of(offered)
    path = link_instead(offered, request.path) if offered.is_private else key
    is_same_version = description.version_of(variant.recipe) == variant.version
    least = min(variant.width, widest(description.size, offered.recipe))
    if is_same_version and offered.width >= least and not is_second:
        return redirect(path, FOR_A_MOMENT)
    headers = {"Cache-Control": FOR_A_MOMENT, "Content-Location": path_for(path)}
    response = show_cached(request, offered, key, store.find(key), headers)
    if response is not None:
        return response
    try:
        file = store.make(description, offered, key)
    except OriginalChanged:
        if is_second:
            raise
        # Another server with other files shares our cache, and wrote the description.
        description = originals.look_up(description.reference, Freshness.FRESH)
        offered = description.offered(variant)
        return _show_instead(request, description, variant, offered, is_second=True)
    return _respond_made(request, file, key, offered, headers)


def _respond_made(
    request: Request,
    file: VariantFile,
    key: str,
    variant: Variant,
    headers: Mapping[str, str] | None,
) -> Response:
    response = respond(request, file, key, variant.format, headers)
    if response is None:
        raise Busy(f"{key!r} was deleted again right after it was made")
    return response
