"""Checks of URLs: their mount and host, the middleware, the signing keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured
from django.http.request import split_domain_port, validate_host
from django.urls import NoReverseMatch

from resizer.conf import OUR_MIDDLEWARE
from resizer.links.mount import host, mount_path
from resizer.links.signing import signing_keys

if TYPE_CHECKING:
    from collections.abc import Iterator


#: They add `Vary` or `Content-Encoding` to every response.
CHANGING = (
    "django.middleware.cache.UpdateCacheMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "django.middleware.locale.LocaleMiddleware",
)
SESSIONS = "django.contrib.sessions.middleware.SessionMiddleware"
#: Characters. A shorter key can be found by trying all keys against one signed URL.
LEAST_KEY_CHARACTERS = 32


def check_mount() -> Iterator[CheckMessage]:
    try:
        mount = mount_path()
    except NoReverseMatch:
        yield Error(
            "The root URLconf does not include resizer.urls.",
            hint='Add path("img/", include("resizer.urls")) to the root URLconf.',
            id="resizer.E004",
        )
        return
    if not mount.endswith("/"):
        yield Warning(
            f"The URLs of pictures begin with {mount!r}, without a slash behind it.",
            hint=f'Write path("{mount.strip("/")}/", include("resizer.urls")), so that nginx and CDNs find a directory.',
            id="resizer.W012",
        )


def check_host() -> Iterator[CheckMessage]:
    try:
        name, _port = split_domain_port(host().partition("//")[2])
    except NoReverseMatch:
        # E004 says so.
        return
    middleware = list(django_settings.MIDDLEWARE)
    refuses = "django.middleware.common.CommonMiddleware" in _before_ours(middleware)
    if not name or not refuses or validate_host(name, django_settings.ALLOWED_HOSTS):
        return
    yield Warning(
        f"Pages print the host {host()!r} before pictures, but ALLOWED_HOSTS lacks {name!r}. Django refuses its requests.",
        hint=f"Put {OUR_MIDDLEWARE!r} first in MIDDLEWARE, or add {name!r} to ALLOWED_HOSTS."
        " If a CDN there sends the name of the site, silence this check.",
        id="resizer.W009",
    )


def _before_ours(middleware: list[str]) -> list[str]:
    if OUR_MIDDLEWARE not in middleware:
        return middleware
    return middleware[: middleware.index(OUR_MIDDLEWARE)]


def check_middleware() -> Iterator[CheckMessage]:
    before = _before_ours(list(django_settings.MIDDLEWARE))
    changing = [name for name in before if name in CHANGING]
    if django_settings.SESSION_SAVE_EVERY_REQUEST and SESSIONS in before:
        # It would put a visitor's session cookie into a response for everybody.
        changing.append(SESSIONS)
    if changing:
        yield Warning(
            f"{changing[0]} adds headers to pictures. A shared cache then cannot keep one copy for all visitors.",
            hint=f"Put {OUR_MIDDLEWARE!r} first in MIDDLEWARE.",
            id="resizer.W002",
        )


def check_signing() -> Iterator[CheckMessage]:
    try:
        keys = signing_keys()
    except ImproperlyConfigured:
        yield Error(
            "URLs cannot be signed. RESIZER['SIGNING_KEY'] and SECRET_KEY are both missing.",
            hint=f"Set RESIZER['SIGNING_KEY'] to {LEAST_KEY_CHARACTERS} or more random characters.",
            id="resizer.E008",
        )
        return
    if not all(keys):
        yield Error(
            "SECRET_KEY_FALLBACKS has an empty key. Everybody can sign URLs with it.",
            hint="Remove the empty string from SECRET_KEY_FALLBACKS.",
            id="resizer.E008",
        )
