"""The project with the strictest policy that Django's own admin obeys: scripts and styles by their nonce alone."""

from __future__ import annotations

import django

from config.settings import *  # noqa: F403

# Each test signs in.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
if django.VERSION >= (6, 1):
    from django.utils.csp import CSP

    MIDDLEWARE = [*MIDDLEWARE, "django.middleware.csp.ContentSecurityPolicyMiddleware"]  # noqa: F405
    TEMPLATES[0]["OPTIONS"]["context_processors"].append("django.template.context_processors.csp")  # noqa: F405
    SECURE_CSP = {
        "default-src": [CSP.NONE],
        "script-src": [CSP.NONCE, CSP.STRICT_DYNAMIC],
        "style-src": [CSP.NONCE],
        "img-src": [CSP.SELF],
        "connect-src": [CSP.SELF],
        "form-action": [CSP.SELF],
        "base-uri": [CSP.NONE],
    }
