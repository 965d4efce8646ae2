"""The cost of a hit in one process: `make bench-hits`.

CPU microseconds a request, the least of a few repeats: the whole variant, and "not modified". By the middleware, from
Django's request to its response; and by the WSGI application, from the environ to the body. Local files, and a cache
in memory.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import django
from django.conf import settings

if TYPE_CHECKING:
    from collections.abc import Callable

PLACE = Path(tempfile.mkdtemp(prefix="resizer-hits-"))
FILES = "django.core.files.storage.FileSystemStorage"
settings.configure(
    INSTALLED_APPS=["resizer"],
    DATABASES={},
    ROOT_URLCONF=__name__,
    SECRET_KEY="for measuring only",
    STORAGES={
        "default": {"BACKEND": FILES, "OPTIONS": {"location": PLACE / "originals"}},
        "resizer": {"BACKEND": FILES, "OPTIONS": {"location": PLACE / "variants"}},
    },
    RESIZER={"ISOLATION": False, "LOCK_DIRECTORY": str(PLACE / "locks")},
)
django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import HttpResponse  # noqa: E402  # settings come first
from django.test import RequestFactory  # noqa: E402
from django.urls import include, path  # noqa: E402

import resizer.wsgi  # noqa: E402
from benchmarks.originals import PHOTOGRAPHS  # noqa: E402
from resizer.markup import picture  # noqa: E402
from resizer.middleware import ResizerMiddleware  # noqa: E402

urlpatterns = [path("img/", include("resizer.urls"))]

REQUESTS = 500
REPEATS = 15
OPTIONS = ({}, {"ratio": "3/2", "quality": "high"})


def by_middleware(url: str, **headers: str) -> Callable[[], object]:
    middleware = ResizerMiddleware(lambda _: HttpResponse(status=404))
    requests = iter([RequestFactory().get(url, headers=headers) for _ in range(REQUESTS * REPEATS)])
    return lambda: middleware(next(requests))


def by_wsgi(url: str, **headers: str) -> Callable[[], object]:
    application = resizer.wsgi.wrap(get_wsgi_application())
    environ = RequestFactory().get(url, headers=headers).environ
    return lambda: application(environ, lambda *_: None)


def microseconds(respond: Callable[[], object]) -> float:
    costs = []
    for _ in range(REPEATS):
        before = time.process_time()
        for _ in range(REQUESTS):
            respond()
        costs.append((time.process_time() - before) / REQUESTS * 1e6)
    return min(costs)


def main() -> None:
    name = "original.jpg"
    (PLACE / "originals").mkdir()
    shutil.copy(min(PHOTOGRAPHS.glob("*.jpg")), PLACE / "originals" / name)
    for options in OPTIONS:
        url = picture.url(name, width=320, **options)
        made = ResizerMiddleware(lambda _: HttpResponse(status=404))(RequestFactory().get(url))
        assert made.status_code == 200, made
        for by in (by_middleware, by_wsgi):
            whole = microseconds(by(url))
            unchanged = microseconds(by(url, **{"If-None-Match": made.headers["ETag"]}))
            print(f"{whole:4.0f} µs a hit, {unchanged:4.0f} µs not modified  {by.__name__}  {url}")


if __name__ == "__main__":
    try:
        main()
    finally:
        shutil.rmtree(PLACE)
