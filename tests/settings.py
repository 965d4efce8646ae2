"""The project's own settings, on a temporary database; storages are temporary too, see conftest.py."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

os.environ.setdefault("DJANGO_SECRET_KEY", "for tests only")

from config.settings import *  # noqa: F403  # the environment comes first

DEBUG = False
# A file, because threads cannot close their connections to a database in memory.
DATABASES["default"]["TEST"] = {  # noqa: F405
    "NAME": Path(tempfile.gettempdir()) / f"resizer-tests-{os.getpid()}.sqlite3"
}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
RESIZER = {}
# A policy changes what the tags print. The tests of the gallery bring it back.
SECURE_CSP = {}
MIDDLEWARE = [one for one in MIDDLEWARE if "CSP" not in one]  # noqa: F405
