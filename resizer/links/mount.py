"""The beginning of all URLs of pictures: the host, and the mount of the app."""

from __future__ import annotations

import functools
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import storages
from django.urls import get_script_prefix, get_urlconf, reverse
from django.utils.translation import get_language

from resizer.conf import Settings, get_settings


def url_for(key: str) -> str:
    """The URL of a key on pages: on the host if there is one, else a path. Raises NoReverseMatch if the app is not mounted."""
    return host() + path_for(key)


def path_for(key: str) -> str:
    """The absolute path of a key, for responses: on whichever host the request was. Raises NoReverseMatch, too."""
    return mount_path() + key


def host() -> str:
    """The origin of URLs on pages, such as "https://img.example.com". Empty if they are paths."""
    given = get_settings().HOST
    return _host_of_storage() if given is None else given


def _host_of_storage() -> str:
    """The CDN before the variants storage, if a variant's URL has the same path there as here."""
    alias = get_settings().STORAGE
    if alias not in storages.backends:
        return ""
    try:
        storage: Any = storages[alias]
    except (ImproperlyConfigured, ImportError, TypeError, ValueError):
        # A system check says so. Pages need no variants storage.
        return ""
    domain = getattr(storage, "custom_domain", None)
    # Our URLs have no signature of CloudFront.
    if not domain or getattr(storage, "cloudfront_signer", None):
        return ""
    if f"/{storage.location.strip('/')}/" != mount_path():
        return ""
    return f"{storage.url_protocol}//{domain}"


def mount_path() -> str:
    """The absolute path of the app, with a slash at its end. Keys follow it. Raises NoReverseMatch if it is not mounted."""
    return _mount_path(get_settings(), get_urlconf(), get_script_prefix(), get_language())


# `reverse` takes about 30 µs, more than the rest of a URL. The arguments are all it depends on.
@functools.lru_cache(maxsize=128)
def _mount_path(
    settings: Settings, urlconf: str | None, script_prefix: str, language: str | None
) -> str:
    return reverse("resizer:picture", args=["x"]).removesuffix("x")
