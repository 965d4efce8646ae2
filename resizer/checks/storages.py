"""Checks of the places of variants and originals."""

from __future__ import annotations

import difflib
from contextlib import suppress
from typing import TYPE_CHECKING

from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import storages

from resizer.checks.loading import LOADING
from resizer.conf import get_settings
from resizer.sources import StorageSource, get_sources
from resizer.sources.identity import lies_in, share_place
from resizer.storages.kinds import kind_of
from resizer.store.backends import public_storage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.core.files.storage import Storage


def check_storage() -> Iterator[CheckMessage]:
    alias = get_settings().STORAGE
    hint = storage_hint(alias)
    try:
        storage = public_storage()
    except (ImportError, TypeError, ValueError, ImproperlyConfigured) as error:
        message = f"The variants storage {alias!r} cannot be loaded: {error}"
        near = difflib.get_close_matches(alias, storages.backends, n=1)
        if alias not in storages.backends and near:
            hint = f"Did you mean {near[0]!r}? {hint}"
        yield Error(message, hint=hint, id="resizer.E003")
        return
    if get_settings().MAX_RESPONSE_BYTES is not None and kind_of(storage).has_unsigned_urls:
        yield Warning(
            "Large variants redirect visitors to an unsigned URL of the bucket. A private bucket refuses them.",
            hint=f"In the OPTIONS of STORAGES[{alias!r}], set custom_domain to the CDN before the bucket, or"
            " querystring_auth to True.",
            id="resizer.W003",
        )
    for name, source in storage_sources():
        try:
            beside = source.storage
        except (*LOADING, ImproperlyConfigured) as error:
            yield Error(
                f"The storage of source {name!r} cannot be loaded: {error}",
                hint="Set OPTIONS['storage'] to an alias in STORAGES.",
                id="resizer.E005",
            )
            continue
        if share_place(beside, storage):
            yield Error(
                f"Variants and the originals of source {name!r} are kept in the same place.",
                hint=f"Give STORAGES[{alias!r}] another location. A variant's directory is named like its original.",
                id="resizer.E007",
            )


def storage_hint(alias: str) -> str:
    return (
        f"Set STORAGES[{alias!r}] to {{'BACKEND': …, 'OPTIONS': …}}."
        " OPTIONS name the directory or bucket for variants."
    )


def storage_sources() -> Iterator[tuple[str, StorageSource]]:
    try:
        sources = get_sources()
    except LOADING:
        # E005 says so.
        return
    for name, source in sources.items():
        if isinstance(source, StorageSource):
            yield name, source


def check_open_sources() -> Iterator[CheckMessage]:
    configured = get_settings().SOURCES
    sources: dict[bool, dict[str, Storage]] = {True: {}, False: {}}
    for name, source in storage_sources():
        with suppress(ImproperlyConfigured):
            # E005 says so.
            is_open = name in configured and configured[name].OPEN
            sources[is_open][name] = source.storage
    for closed, inner in sources[False].items():
        for name, outer in sources[True].items():
            if lies_in(inner, outer):
                place = getattr(inner, "location", None)
                yield Warning(
                    f"Everybody can see the originals of the closed source {closed!r}. Their location {place!r}"
                    f" is inside the open source {name!r}.",
                    hint=f"Move them, or set 'OPEN': False for {name!r}. If everybody may see them,"
                    " configure their source in RESIZER['SOURCES'] with 'OPEN': True.",
                    id="resizer.W008",
                )
