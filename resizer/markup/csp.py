"""The nonce of a page's Content Security Policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings as django_settings

if TYPE_CHECKING:
    from collections.abc import Collection

    from django.template.context import Context

#: Variables of the context processors of Django and of django-csp.
_VARIABLES = ("csp_nonce", "CSP_NONCE")
#: Attributes of a request, set by the middleware of Django and of django-csp.
_ATTRIBUTES = ("_csp_nonce", "csp_nonce")
_INLINE = "'unsafe-inline'"


def nonce_of(context: Context) -> str:
    """The nonce for an inline style or script; empty if the page has none.

    A nonce differs for each request, so a page with one cannot be cached.
    """
    request = context.get("request")
    found = [
        *(context.get(name) for name in _VARIABLES),
        *(getattr(request, name, None) for name in _ATTRIBUTES),
    ]
    # Django's nonce is false until something reads it.
    return next((str(nonce) for nonce in found if nonce is not None), "")


def allows_style_attributes() -> bool:
    """Whether the settings let a page have `style="…"`. A nonce does not count for attributes (CSP 3 §6.7.3.3)."""
    sources = _sources("style-src-attr", "style-src", "default-src")
    if sources is None:
        return True
    return _INLINE in sources and not _has_nonce(sources)


def allows_styles(nonce: str) -> bool:
    """Whether the settings let a page have a `style` element with this nonce."""
    sources = _sources("style-src-elem", "style-src", "default-src")
    return bool(nonce) and (sources is None or _has_nonce(sources))


def allows_scripts(nonce: str) -> bool:
    """Whether the settings let a page run an inline script with this nonce."""
    sources = _sources("script-src-elem", "script-src", "default-src")
    return sources is None or (bool(nonce) and _has_nonce(sources))


def allows_data_images() -> bool:
    """Whether the settings let a page show images in data URIs."""
    sources = _sources("img-src", "default-src")
    return sources is None or "data:" in sources


def _sources(*directives: str) -> Collection[object] | None:
    """The sources of the first directive that the policy of Django or django-csp has; None without one."""
    if not any("csp" in one.lower() for one in django_settings.MIDDLEWARE):
        return None
    other = getattr(django_settings, "CONTENT_SECURITY_POLICY", None) or {}
    policy = getattr(django_settings, "SECURE_CSP", None) or other.get("DIRECTIVES", {})
    found = next((policy[name] for name in directives if policy.get(name)), None)
    return [found] if isinstance(found, str) else found


def _has_nonce(sources: Collection[object]) -> bool:
    # Django and django-csp each have an object of their own for it.
    return any("NONCE" in str(one).upper() for one in sources)
