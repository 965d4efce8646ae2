"""The project around the app: a gallery on a laptop, a picture service in production.

Driven by the environment; without any of these it runs on SQLite and local files:

    DJANGO_DEBUG                  1 for development
    DJANGO_SECRET_KEY             required unless DJANGO_DEBUG is 1
    DJANGO_ALLOWED_HOSTS          host names, separated by commas
    RESIZER_SIGNING_KEY           signs addresses of pictures; apart from the secret key, so that changing that keeps them
    RESIZER_DATA_DIR              database, uploads and variants; var/ by default
    RESIZER_ORIGINALS_BUCKET      keeps uploads on S3 instead
    RESIZER_VARIANTS_BUCKET       keeps variants on S3 instead
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(os.environ.get("RESIZER_DATA_DIR") or BASE_DIR / "var")

DEBUG = os.environ.get("DJANGO_DEBUG") == "1"
SECRET_KEY = os.environ.get("DJANGO_SECRET_KEY") or ("for development only" if DEBUG else "")
if not SECRET_KEY:
    raise ImproperlyConfigured("Set DJANGO_SECRET_KEY, or DJANGO_DEBUG=1 for development.")
ALLOWED_HOSTS = os.environ.get("DJANGO_ALLOWED_HOSTS", "").replace(",", " ").split()

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "resizer",
    "config.gallery",
]

MIDDLEWARE = [
    "resizer.middleware.ResizerMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DATA_DIR / "db.sqlite3",
        "OPTIONS": {
            # Writers wait for each other, and readers for nobody.
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    },
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        # Django's 300 entries are fewer than the variants of one page.
        "OPTIONS": {"MAX_ENTRIES": 20_000},
    },
}


def _storage(bucket: str | None, directory: str, **options: Any) -> dict[str, Any]:
    if bucket:
        return {
            "BACKEND": "storages.backends.s3.S3Storage",
            # A second upload of a name gets another name, as on a disk.
            "OPTIONS": {"bucket_name": bucket, "querystring_auth": False, "file_overwrite": False},
        }
    return {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": DATA_DIR / directory, **options},
    }


STORAGES = {
    "default": _storage(
        os.environ.get("RESIZER_ORIGINALS_BUCKET"), "originals", base_url="/originals/"
    ),
    "resizer": _storage(os.environ.get("RESIZER_VARIANTS_BUCKET"), "variants"),
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"

RESIZER: dict[str, Any] = {
    "SIGNING_KEY": os.environ.get("RESIZER_SIGNING_KEY") or None,
    # The gallery shows nothing that is private, so /img/640/photographs/fig.jpg works as well.
    "SOURCES": {"default": {"OPEN": True}},
}

PASSWORD_HASHERS = ["django.contrib.auth.hashers.ScryptPasswordHasher"]
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {"resizer": {"handlers": ["console"], "level": "WARNING"}},
}
