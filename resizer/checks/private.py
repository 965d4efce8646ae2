"""Checks of private sources: their variants, their originals, and the function that decides."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import storages

from resizer.checks.loading import LOADING
from resizer.checks.storages import storage_sources
from resizer.conf import BY_APP, BY_STORAGE, get_settings
from resizer.serving.private import load_allow
from resizer.sources.identity import is_same, lies_in
from resizer.storages.files import Files
from resizer.storages.kinds import kind_of
from resizer.storages.objects import Objects
from resizer.store.backends import public_storage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.core.files.storage import Storage


def _private_aliases() -> list[str]:
    return [alias for alias, source in get_settings().SOURCES.items() if source.PRIVATE]


def check_private_storage() -> Iterator[CheckMessage]:
    settings = get_settings()
    if not _private_aliases():
        return
    alias = settings.PRIVATE_STORAGE
    hint = (
        f"Set STORAGES[{alias!r}] to {{'BACKEND': …, 'OPTIONS': …}}. OPTIONS name a directory or bucket of its own,"
        " which no web server or CDN serves."
    )
    try:
        storage = storages[alias]
        kind = kind_of(storage)
    except (ImportError, TypeError, ValueError, ImproperlyConfigured) as error:
        message = f"A source is private, but the storage {alias!r} for its variants cannot be loaded: {error}"
        yield Error(message, hint=hint, id="resizer.E011")
        return
    for other, outer in _other_storages(alias):
        if lies_in(storage, outer):
            yield Error(
                f"Visitors may reach private variants. Their storage {alias!r} lies in the storage {other!r}.",
                hint=hint,
                id="resizer.E011",
            )
    if _has_public_files(storage):
        yield Error(
            f"Everybody who knows a URL can see private variants: the bucket of {alias!r} serves them without a signature.",
            hint="In its OPTIONS, set querystring_auth to True, and remove custom_domain and default_acl.",
            id="resizer.E011",
        )
    delivery = settings.PRIVATE_DELIVERY
    is_suitable = {BY_APP: True, BY_STORAGE: isinstance(kind, Objects)}.get(
        delivery, isinstance(kind, Files)
    )
    if not is_suitable:
        yield Error(
            f"RESIZER['PRIVATE_DELIVERY'] is {delivery!r}, but the storage {alias!r} is a {type(storage).__name__}.",
            hint=f'Use "{BY_STORAGE}" for a bucket, the path of an internal location for files, or "{BY_APP}".',
            id="resizer.E012",
        )


def _other_storages(private: str) -> Iterator[tuple[str, Storage]]:
    """All other storages, except those of private originals."""
    originals = []
    for name, source in storage_sources():
        with suppress(ImproperlyConfigured):
            # E005 says so.
            if get_settings().is_private(name):
                originals.append(source.storage)
    for alias in {**storages.backends, get_settings().STORAGE: {}}:
        if alias == private:
            continue
        with suppress(*LOADING, ImproperlyConfigured):
            # E003 and E005 say so.
            storage = public_storage() if alias == get_settings().STORAGE else storages[alias]
            if not any(is_same(storage, one) for one in originals):
                yield alias, storage


def _has_public_files(storage: Any) -> bool:
    """Whether a bucket gives its objects to everybody, as far as its options tell."""
    has_domain = getattr(storage, "custom_domain", None)
    has_signer = getattr(storage, "cloudfront_signer", None)
    acl = getattr(storage, "default_acl", None) or ""
    return bool(
        kind_of(storage).has_unsigned_urls
        or (has_domain and not has_signer)
        or acl.startswith("public")
    )


def check_private_originals() -> Iterator[CheckMessage]:
    private = _private_aliases()
    sources = dict(storage_sources())
    for name in private:
        for other in sources.keys() - set(private):
            if name not in sources:
                continue
            with suppress(ImproperlyConfigured):
                # E005 says so.
                inner, outer = sources[name].storage, sources[other].storage
                if lies_in(inner, outer):
                    yield Error(
                        f"The originals of the private source {name!r} lie in the public source {other!r}."
                        " Pages may print public URLs of them.",
                        hint=f"Move the originals of {name!r} into a directory or bucket of their own,"
                        f" or make {other!r} private too.",
                        id="resizer.E013",
                    )


def check_allow() -> Iterator[CheckMessage]:
    for name, source in get_settings().SOURCES.items():
        if source.ALLOW is None:
            continue
        try:
            load_allow(source.ALLOW)
        except LOADING as error:
            yield Error(
                f"ALLOW of RESIZER['SOURCES'][{name!r}] cannot be loaded: {error}",
                hint="Set it to the dotted path of a function f(request, reference) -> bool.",
                id="resizer.E005",
            )
