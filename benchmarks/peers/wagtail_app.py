"""Wagtail's view for images, as a WSGI application: `python -m benchmarks.peers.wagtail_app` prepares it first.

With what makes it fast: no middleware, a cache in memory, and database connections that stay open.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import django
from django.conf import settings

#: Has the directory "originals".
PLACE = Path(os.environ["BENCH_PLACE"])

settings.configure(
    SECRET_KEY="for measuring only",
    ALLOWED_HOSTS=["127.0.0.1"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": PLACE / "wagtail.sqlite3",
            "CONN_MAX_AGE": None,
            "OPTIONS": {
                "timeout": 5,
                "transaction_mode": "IMMEDIATE",
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
            },
        }
    },
    INSTALLED_APPS=[
        "django.contrib.contenttypes",
        "django.contrib.auth",
        "django.contrib.messages",
        "django.contrib.sessions",
        "taggit",
        "wagtail",
        "wagtail.admin",
        "wagtail.documents",
        "wagtail.users",
        "wagtail.search",
        "wagtail.images",
    ],
    CACHES={
        "default": {
            "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
            "OPTIONS": {"MAX_ENTRIES": 20_000},
        }
    },
    MEDIA_ROOT=PLACE,
    STATIC_URL="/static/",
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    ROOT_URLCONF=__name__,
    WAGTAILADMIN_BASE_URL="http://127.0.0.1",
    LOGGING_CONFIG=None,
    USE_TZ=True,
)
django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402  # settings come first
from django.urls import re_path  # noqa: E402
from wagtail.images.views.serve import ServeView  # noqa: E402

urlpatterns = [
    re_path(
        r"^images/([^/]*)/(\d*)/([^/]*)/[^/]*$", ServeView.as_view(), name="wagtailimages_serve"
    )
]
application = get_wsgi_application()


def prepare(width: int, qualities: list[int]) -> list[list[object]]:
    """A row for each original. Returns names of originals, qualities, and the paths of their variants."""
    from django.core.management import call_command
    from wagtail.images import get_image_model
    from wagtail.images.utils import generate_signature
    from willow.image import Image

    call_command("migrate", verbosity=0)
    paths: list[list[object]] = []
    for file in sorted((PLACE / "originals").iterdir()):
        with file.open("rb") as opened:
            own_width, height = Image.open(opened).get_size()
        image = get_image_model().objects.create(
            title=file.stem, file=f"originals/{file.name}", width=own_width, height=height
        )
        for quality in qualities:
            spec = f"width-{width}|format-jpeg|jpegquality-{quality}"
            signature = generate_signature(image.pk, spec)
            path = f"/images/{signature}/{image.pk}/{spec.replace('|', '%7C')}/{file.name}"
            paths.append([file.stem, quality, path])
    return paths


if __name__ == "__main__":
    print(json.dumps(prepare(int(sys.argv[1]), json.loads(sys.argv[2]))))
