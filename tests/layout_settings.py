"""The project's own settings for pages that lay out pictures with the rules of CSS frameworks."""

from __future__ import annotations

import os

from config.settings import *  # noqa: F403  # the environment comes first

INSTALLED_APPS = ["django.contrib.staticfiles", "resizer"]
ROOT_URLCONF = "tests.layouts"
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
_PROCESSORS = ["django.template.context_processors.request"]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "OPTIONS": {"context_processors": _PROCESSORS},
    }
]
SECURE_CSP = {}
if os.environ.get("TESTS_CSP"):
    from django.utils.csp import CSP

    MIDDLEWARE = ["django.middleware.csp.ContentSecurityPolicyMiddleware"]
    _PROCESSORS.append("django.template.context_processors.csp")
    SECURE_CSP = {
        "default-src": [CSP.NONE],
        "img-src": [CSP.SELF],
        "style-src": [CSP.NONCE],
        "script-src": [CSP.NONCE],
    }
