"""Checks for deployment: `manage.py check --deploy`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.core.cache import caches
from django.core.checks import CheckMessage, Warning, register
from django.core.checks.security.base import SECRET_KEY_INSECURE_PREFIX
from django.core.files.storage import storages
from django.utils.encoding import force_str

from resizer.checks.configuration import check_settings
from resizer.checks.serving import LEAST_KEY_CHARACTERS
from resizer.checks.storages import storage_hint
from resizer.concurrency import lockfiles
from resizer.concurrency.locks import locking_cache
from resizer.conf import get_settings
from resizer.links.signing import signing_keys
from resizer.storages.files import VARIANTS_DIRECTORY
from resizer.storages.kinds import kind_of
from resizer.store.backends import public_storage


def _has_errors() -> bool:
    """Whether the checks below could not run."""
    return any(one.is_serious() for one in check_settings())


@register("resizer", deploy=True)
def check_locks(**_: Any) -> list[CheckMessage]:
    if _has_errors() or locking_cache() is not None:
        return []
    alias = get_settings().CACHE
    name = type(caches[alias]).__name__
    hint = f"Configure CACHES[{alias!r}] as Redis, Memcached or a database table"
    harm = "That costs only time."
    try:
        lockfiles.identity()
    except OSError as error:
        message = f"Processes may render the same variant at the same time. The lock directory does not work: {error}. {harm}"
        hint = f"{hint}. Or set RESIZER['LOCK_DIRECTORY'] to a local directory, writable for this user only."
        return [Warning(message, hint=hint, id="resizer.W004")]
    # With variants on a local disk, only this machine makes them.
    if kind_of(public_storage()).is_local:
        return []
    message = f"Hosts may render the same variant at the same time, because {name} cannot lock between them. {harm}"
    return [Warning(message, hint=f"{hint}.", id="resizer.W004")]


@register("resizer", deploy=True)
def check_own_storage(**_: Any) -> list[CheckMessage]:
    if _has_errors():
        return []
    alias = get_settings().STORAGE
    if alias in storages.backends:
        return []
    is_on_disk = kind_of(public_storage()).is_local
    place = f"in {VARIANTS_DIRECTORY}/ in the media directory" if is_on_disk else "in memory"
    message = f"STORAGES has no {alias!r}. Variants are kept {place}."
    return [Warning(message, hint=storage_hint(alias), id="resizer.W001")]


@register("resizer", deploy=True)
def check_place(**_: Any) -> list[CheckMessage]:
    if _has_errors():
        return []
    storage: Any = public_storage()
    if not kind_of(storage).is_local:
        return []
    place = Path(storage.location)
    # The app makes missing directories.
    existing = next(one for one in (place, *place.parents) if one.exists())
    if existing.is_dir() and os.access(existing, os.W_OK | os.X_OK):
        return []
    message = f"Variants cannot be kept, because {str(existing)!r} cannot be written. Every request makes its variant anew."
    hint = f"Make {str(place)!r} a directory that the user of the server can write."
    return [Warning(message, hint=hint, id="resizer.W010")]


@register("resizer", deploy=True)
def check_key_lengths(**_: Any) -> list[CheckMessage]:
    if _has_errors():
        return []
    keys = [force_str(key) for key in signing_keys()]
    is_insecure = any(key.startswith(SECRET_KEY_INSECURE_PREFIX) for key in keys)
    if not is_insecure and all(len(key) >= LEAST_KEY_CHARACTERS for key in keys):
        return []
    message = (
        f"A key that signs URLs, or a former key, has less than {LEAST_KEY_CHARACTERS} characters or starts with"
        f" {SECRET_KEY_INSECURE_PREFIX!r}. An attacker can guess it, and request any variant."
    )
    hint = (
        f"Set RESIZER['SIGNING_KEY'] to {LEAST_KEY_CHARACTERS} or more random characters."
        " Remove weak keys from SIGNING_KEY_FALLBACKS and SECRET_KEY_FALLBACKS."
    )
    return [Warning(message, hint=hint, id="resizer.W005")]
