"""The nonce of a page's Content Security Policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings as django_settings

if TYPE_CHECKING:
    from django.template.context import Context

#: Variables of the context processors of Django and of django-csp.
_VARIABLES = ("csp_nonce", "CSP_NONCE")
#: Attributes of a request, set by the middleware of Django and of django-csp.
_ATTRIBUTES = ("_csp_nonce", "csp_nonce")


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


def allows_scripts(nonce: str) -> bool:
    """Whether the settings let a page run an inline script that has this nonce."""
    policy = getattr(django_settings, "SECURE_CSP", None)
    if not policy:
        return bool(nonce) or not hasattr(django_settings, "CONTENT_SECURITY_POLICY")
    # Django 5.2 has no such module.
    from django.utils.csp import CSP

    sources = policy.get("script-src", policy.get("default-src")) or ()
    return bool(nonce) and CSP.NONCE in sources
