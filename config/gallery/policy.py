"""The strict Content Security Policy of the gallery: a switch in the footer, kept in a cookie."""

from __future__ import annotations

import importlib.util
import secrets
from typing import TYPE_CHECKING

from django.conf import settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse

COOKIE = "gallery_csp"


class CSPSwitch:
    """Applies SECURE_CSP to the pages of the gallery while the switch is on.

    `?csp=strict` turns it on, `?csp=off` turns it off. The admin has no policy.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.get_strict_response = _with_policy(get_response)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        asked = request.GET.get("csp")
        is_strict = (asked or request.COOKIES.get(COOKIE)) == "strict"
        request.is_csp_strict = is_strict  # type: ignore[attr-defined]
        # The tags know the policy from the settings, and need a nonce with the switch off too.
        request.csp_nonce = secrets.token_urlsafe(16)  # type: ignore[attr-defined]
        has_policy = is_strict and not request.path_info.startswith("/admin/")
        response = (self.get_strict_response if has_policy else self.get_response)(request)
        if asked:
            response.set_cookie(COOKIE, "strict" if is_strict else "off", samesite="Lax")
        return response


def _with_policy(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Django's middleware; for Django 5.2, a header of our own."""
    if importlib.util.find_spec("django.middleware.csp"):
        from django.middleware.csp import ContentSecurityPolicyMiddleware

        return ContentSecurityPolicyMiddleware(get_response)  # type: ignore[return-value]

    def get_strict_response(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        policy = "; ".join(f"{name} {' '.join(one)}" for name, one in settings.SECURE_CSP.items())
        nonce = f"'nonce-{request.csp_nonce}'"  # type: ignore[attr-defined]
        response.headers["Content-Security-Policy"] = policy.replace(settings.CSP_NONCE, nonce)
        return response

    return get_strict_response
