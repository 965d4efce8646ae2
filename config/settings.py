"""The project around the app: a gallery on a laptop, an image service in production.

Environment variables configure it. With DJANGO_DEBUG=1 alone it runs on SQLite and local files:

    DJANGO_DEBUG                  1 for development
    DJANGO_SECRET_KEY             required unless DJANGO_DEBUG is 1
    DJANGO_ALLOWED_HOSTS          host names, separated by commas
    DJANGO_SCRIPT_NAME            path of the project as visitors see it, if the server sees another one. / for none, such as
                                  behind a CDN that adds the stage of an API Gateway
    DJANGO_LOG_LEVEL              least level of log messages. Default: WARNING
    DJANGO_HTTPS                  1 if visitors come by HTTPS to a proxy. It has to set X-Forwarded-Proto itself, and to
                                  overwrite what a visitor sends. Cookies then need HTTPS
    DJANGO_SERVE_STATIC           1 to serve style sheets and scripts of gallery and admin from the code, without
                                  collectstatic and a server for files. Default: 1 on AWS Lambda
    DATABASE_URL                  such as postgres://user:password@host/name; none for no database. Default: SQLite; on AWS
                                  Lambda none. Only the gallery and the admin need a database
    REDIS_URL                     such as redis://host:6379/0, a cache for all processes and hosts. Default: each process has
                                  its own
    RESIZER_HEALTH_URL            path of a health check, such as /health/. It responds to every host name. Default: none
    RESIZER_RESPOND_FIRST         0 to store a new variant before its response, where a platform stops a program after it.
                                  Default: 1; 0 on AWS Lambda
    RESIZER_MAX_RESPONSE_BYTES    the largest response of the platform, bytes. Default: none; 4500000 on AWS Lambda
    RESIZER_WORKERS               1 if workers do tasks: manage.py db_worker. They then make the variants of every upload
    RESIZER_SIGNING_KEY           signs URLs. Default: the secret key. Set it, so that URLs survive a new secret key
    RESIZER_FORMATS               modern formats of variants, the best first. Default: avif. For more: avif,webp
    RESIZER_DATA_DIR              directory of database, uploads and variants. Default: var/
    RESIZER_ORIGINALS_BUCKET      S3 bucket for uploads. Required on AWS Lambda, because files in a function are lost
    RESIZER_ORIGINALS_PREFIX      path of uploads in the bucket. Default: its top
    RESIZER_ORIGINALS_URL         path of SVG originals, such as /originals/, where browsers cannot reach the bucket: Django sends
                                  them. Default: URLs of the bucket
    RESIZER_WEB_URL               base URL of further originals. With https://bucket.example.com/pictures/, fig.jpg in it is
                                  web:fig.jpg in templates, and /img/640/_web/fig.jpg as a short URL
    RESIZER_WEB_NETWORKS          private networks allowed for RESIZER_WEB_URL, such as 10.1.0.0/16, separated by commas
    RESIZER_OPEN                  open sources: everybody may see their originals in every width, by short URLs such as
                                  /img/640/fig.jpg. default, web or default,web. Default: none; all with DJANGO_DEBUG=1
    RESIZER_VARIANTS_BUCKET       S3 bucket for variants. Can be the same bucket. Required on AWS Lambda
    RESIZER_VARIANTS_PREFIX       path of variants in the bucket. Default: img, so that an object's key is the path of its URL
    RESIZER_CDN_DOMAIN            host name of a CDN in front of the variants bucket; pages print it before pictures
    RESIZER_HOST                  another host before pictures, such as https://img.example.com
    RESIZER_ALLOW_ORIGIN          the origin whose scripts may read pictures, or *
    RESIZER_PARAMETERS            path of parameters in AWS Systems Manager, such as /resizer/production/. Those below it are
                                  read like variables of their names, so that secrets are in no file

boto3 reads region, credentials and endpoint of S3: AWS_DEFAULT_REGION, AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL, ….
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

from django.core.exceptions import ImproperlyConfigured

if os.environ.get("RESIZER_PARAMETERS"):
    from resizer.contrib.aws_parameters import read_parameters

    os.environ.update(read_parameters(os.environ["RESIZER_PARAMETERS"]) | os.environ)


def _list(name: str, *default: str) -> list[str]:
    return os.environ.get(name, ",".join(default)).replace(",", " ").split()


BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(os.environ.get("RESIZER_DATA_DIR") or BASE_DIR / "var")

#: Set by AWS in every function.
ON_LAMBDA = "AWS_LAMBDA_FUNCTION_NAME" in os.environ

DEBUG = os.environ.get("DJANGO_DEBUG") == "1"
SECRET_KEY = os.environ.get("DJANGO_SECRET_KEY") or ("for development only" if DEBUG else "")
if not SECRET_KEY:
    raise ImproperlyConfigured("Set DJANGO_SECRET_KEY, or DJANGO_DEBUG=1 for development.")
ALLOWED_HOSTS = _list("DJANGO_ALLOWED_HOSTS")

if os.environ.get("DJANGO_SCRIPT_NAME"):
    FORCE_SCRIPT_NAME = os.environ["DJANGO_SCRIPT_NAME"].rstrip("/")
if ON_LAMBDA:
    # On AWS, every request to the function has come by HTTPS.
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
if os.environ.get("DJANGO_HTTPS") == "1":
    # Without it, Django refuses forms: their origin has another scheme than the request from the proxy.
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
SERVE_STATIC = os.environ.get("DJANGO_SERVE_STATIC", "1" if ON_LAMBDA else "") == "1"


def _databases() -> dict[str, dict[str, Any]]:
    url = os.environ.get("DATABASE_URL") or ("none" if ON_LAMBDA else "")
    if url == "none":
        return {}
    if url:
        import dj_database_url

        try:
            database = cast("dict[str, Any]", dj_database_url.parse(url))
        except ValueError as error:
            # Security: the value is a secret, so do not show it.
            raise ImproperlyConfigured(f"DATABASE_URL is wrong. {error}") from None
        if database["ENGINE"].rpartition(".")[2] in {"postgresql", "mysql"}:
            # Seconds. Variants need no database, but each connection to a hanging server costs this time.
            database.setdefault("OPTIONS", {}).setdefault("connect_timeout", 3)
        return {"default": database}
    return {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": DATA_DIR / "db.sqlite3",
            "OPTIONS": {
                # Seconds. Writers wait for each other, but not long for a hanging one. Readers never wait.
                "timeout": 5,
                "transaction_mode": "IMMEDIATE",
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
            },
        },
    }


DATABASES = _databases()
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

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
    "config.gallery.policy.CSPSwitch",
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

TEMPLATES: list[dict[str, Any]] = [
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

#: Answered before any other middleware asks for the host name: probes send an IP address.
HEALTH_URL = os.environ.get("RESIZER_HEALTH_URL") or None
if HEALTH_URL:
    HEALTH_URL = f"/{HEALTH_URL.lstrip('/')}"
    MIDDLEWARE.insert(1, "config.health.HealthURL")

HAS_WORKERS = os.environ.get("RESIZER_WORKERS") == "1"
if HAS_WORKERS:
    if not DATABASES:
        raise ImproperlyConfigured("RESIZER_WORKERS needs DATABASE_URL: tasks are rows of a table.")
    INSTALLED_APPS.append("django_tasks_db")
    TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}

if not DATABASES:
    # Without a database, load no apps with users and sessions.
    INSTALLED_APPS = ["resizer"]
    ours = ("config.gallery.", "django.contrib.")
    MIDDLEWARE = [name for name in MIDDLEWARE if not name.startswith(ours)]
    TEMPLATES = []

CACHES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        # Django's 300 entries are fewer than the variants of one page.
        "OPTIONS": {"MAX_ENTRIES": 20_000},
    },
}
if os.environ.get("REDIS_URL"):
    CACHES["default"] = {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": os.environ["REDIS_URL"],
        # Seconds. While Redis is down, each process waits so long, once in ten seconds.
        "OPTIONS": {"socket_connect_timeout": 0.5, "socket_timeout": 0.5},
    }


def _files(directory: str, **options: Any) -> dict[str, Any]:
    return {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": DATA_DIR / directory, **options},
    }


def _bucket(name: str, prefix: str, **options: Any) -> dict[str, Any]:
    # Imported here, because importing it takes 0.25 s.
    from botocore.config import Config

    return {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": name,
            "location": prefix.strip("/"),
            # A second upload of a name gets another name, as on a disk.
            "file_overwrite": False,
            "client_config": Config(
                signature_version="s3v4",
                # Seconds. botocore's default of a minute is too long for a visitor and for a function.
                connect_timeout=3,
                read_timeout=10,
                retries={"mode": "standard", "total_max_attempts": 3},
            ),
            **options,
        },
    }


ORIGINALS_BUCKET = os.environ.get("RESIZER_ORIGINALS_BUCKET")
VARIANTS_BUCKET = os.environ.get("RESIZER_VARIANTS_BUCKET")
if ON_LAMBDA and not (ORIGINALS_BUCKET and VARIANTS_BUCKET):
    raise ImproperlyConfigured(
        "Set RESIZER_ORIGINALS_BUCKET and RESIZER_VARIANTS_BUCKET: files in a function are lost."
    )

STORAGES = {
    "default": _bucket(ORIGINALS_BUCKET, os.environ.get("RESIZER_ORIGINALS_PREFIX", ""))
    if ORIGINALS_BUCKET
    else _files("originals", base_url="/originals/"),
    "resizer": _bucket(
        VARIANTS_BUCKET,
        os.environ.get("RESIZER_VARIANTS_PREFIX", "img"),
        custom_domain=os.environ.get("RESIZER_CDN_DOMAIN"),
    )
    if VARIANTS_BUCKET
    else _files("variants"),
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
ORIGINALS_URL = os.environ.get("RESIZER_ORIGINALS_URL", "").strip("/")
if ORIGINALS_URL:
    if not ORIGINALS_BUCKET:
        raise ImproperlyConfigured("RESIZER_ORIGINALS_URL needs RESIZER_ORIGINALS_BUCKET.")
    STORAGES["default"]["BACKEND"] = "config.svg.BehindDjango"
    STORAGES["default"]["OPTIONS"]["base_url"] = f"/{ORIGINALS_URL}/"
STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"

RESIZER: dict[str, Any] = {
    "SIGNING_KEY": os.environ.get("RESIZER_SIGNING_KEY") or None,
    "HOST": os.environ.get("RESIZER_HOST") or None,
    "ALLOW_ORIGIN": os.environ.get("RESIZER_ALLOW_ORIGIN") or None,
    "SOURCES": {"default": {}},
    "PRESETS": {"prose": {"width": 680}},
    "WARM_ON_SAVE": HAS_WORKERS,
}
if os.environ.get("RESIZER_WEB_URL"):
    RESIZER["SOURCES"]["web"] = {
        "BACKEND": "resizer.sources.HttpSource",
        "OPTIONS": {
            "base_url": os.environ["RESIZER_WEB_URL"],
            "networks": _list("RESIZER_WEB_NETWORKS"),
        },
    }
# Security: a bucket may hold private files. So originals need signed URLs, unless the operator opens a source.
for _name in _list("RESIZER_OPEN", *(RESIZER["SOURCES"] if DEBUG else ())):
    if _name not in RESIZER["SOURCES"]:
        raise ImproperlyConfigured(
            f"RESIZER_OPEN names {_name}: the sources are {' and '.join(RESIZER['SOURCES'])}."
        )
    RESIZER["SOURCES"][_name]["OPEN"] = True
if ON_LAMBDA:
    # Each request has its own machine, and AWS can kill it.
    RESIZER["ISOLATION"] = False
# AWS stops the function once the response is there.
RESIZER["RESPOND_FIRST"] = os.environ.get("RESIZER_RESPOND_FIRST", "0" if ON_LAMBDA else "1") != "0"
# A Lambda response has at most 6 MiB. Base64 turns three bytes into four, and headers need room too.
_most = os.environ.get("RESIZER_MAX_RESPONSE_BYTES") or ("4500000" if ON_LAMBDA else "")
if _most and not _most.isdecimal():
    raise ImproperlyConfigured(f"RESIZER_MAX_RESPONSE_BYTES is {_most}. Write a number of bytes.")
RESIZER["MAX_RESPONSE_BYTES"] = int(_most) if _most else None
if os.environ.get("GRANIAN_BLOCKING_THREADS"):
    # granian does not tell the app. A quarter of its threads stays free for hits.
    RESIZER["MAX_WAITING_PER_PROCESS"] = 1 + int(os.environ["GRANIAN_BLOCKING_THREADS"]) * 3 // 4
if os.environ.get("RESIZER_FORMATS"):
    RESIZER["FORMATS"] = _list("RESIZER_FORMATS")

#: Stands for the nonce of a page; `django.utils.csp.CSP.NONCE`, which Django 5.2 lacks.
CSP_NONCE = "<CSP_NONCE_SENTINEL>"
_PICTURE_HOSTS = [os.environ.get("RESIZER_HOST"), os.environ.get("RESIZER_CDN_DOMAIN")]
# For the gallery, while its switch is on.
SECURE_CSP = {
    "default-src": ["'none'"],
    "base-uri": ["'none'"],
    "connect-src": ["'self'"],
    "form-action": ["'self'"],
    "img-src": ["'self'", "data:", *filter(None, _PICTURE_HOSTS)],
    "script-src": ["'self'", CSP_NONCE],
    "style-src": ["'self'", CSP_NONCE],
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
    "root": {"handlers": ["console"], "level": os.environ.get("DJANGO_LOG_LEVEL") or "WARNING"},
    "loggers": {
        # Django's own handlers are for its development server, and would log everything twice.
        "django": {"handlers": [], "level": "INFO" if DEBUG else "WARNING"},
        # In production, do not log each 404.
        "django.request": {"level": "WARNING" if DEBUG else "ERROR"},
        # Security: at DEBUG they log credentials, so the level of the root does not apply to them.
        **{name: {"level": "WARNING"} for name in ("boto3", "botocore", "s3transfer", "urllib3")},
    },
}
