"""config/svg.py: SVG originals that Django sends, and what strangers get instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.http import Http404
from django.test import RequestFactory

from config.svg import HEADERS, serve

if TYPE_CHECKING:
    from pytest_django import Settings

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="30" height="20"/>'


def use(settings: Settings, backend: str) -> None:
    settings.STORAGES = {**settings.STORAGES, "default": {"BACKEND": backend}}


def test_svg_is_sent_without_its_scripts(settings: Settings) -> None:
    use(settings, "django.core.files.storage.InMemoryStorage")
    storages["default"].save("a.svg", ContentFile(SVG))
    response = serve(RequestFactory().get("/"), "a.svg")
    assert (response.status_code, response.content) == (200, SVG)
    assert HEADERS.items() <= dict(response.items()).items()
    settings.RESIZER = {"MAX_BYTES": 10}
    assert serve(RequestFactory().get("/"), "a.svg").status_code == 413


@pytest.mark.parametrize("name", ["none.svg", "../a.svg", "a\0.svg", "x" * 1100 + ".svg"])
def test_name_that_is_no_file_is_missing(settings: Settings, name: str) -> None:
    use(settings, "django.core.files.storage.InMemoryStorage")
    with pytest.raises(Http404):
        serve(RequestFactory().get("/"), name)


def test_bucket_that_fails_is_no_failure_of_the_page(settings: Settings) -> None:
    use(settings, "tests.test_store.FailingStorage")
    response = serve(RequestFactory().get("/"), "a.svg")
    assert (response.status_code, response["Cache-Control"]) == (502, "no-store")
    assert response.content == b"The original could not be fetched."
    # S3 refuses a longer name with an error of its own, so it is not asked.
    with pytest.raises(Http404):
        serve(RequestFactory().get("/"), "x" * 1100 + ".svg")
