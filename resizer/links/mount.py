"""Where the project has mounted the app's URLs: keys to addresses."""

from __future__ import annotations

import functools

from django.urls import get_script_prefix, get_urlconf, reverse
from django.utils.translation import get_language

from resizer.conf import Settings, get_settings


def url_for(key: str) -> str:
    """The address of a key: an absolute path. Raises NoReverseMatch where the app is not mounted."""
    return mount_path() + key


def mount_path() -> str:
    """The absolute path under which keys begin, with a slash at its end."""
    return _mount_path(get_settings(), get_urlconf(), get_script_prefix(), get_language())


# `reverse` takes about 30 µs, more than all the rest of an address; hence once for each of what it depends on.
@functools.lru_cache(maxsize=128)
def _mount_path(
    settings: Settings, urlconf: str | None, script_prefix: str, language: str | None
) -> str:
    return reverse("resizer:picture", args=["x"]).removesuffix("x")
