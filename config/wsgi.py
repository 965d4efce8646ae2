"""The WSGI application, for any server that speaks it."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

import resizer.wsgi

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

application = resizer.wsgi.wrap(get_wsgi_application())
