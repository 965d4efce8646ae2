from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.conf.urls.i18n import i18n_patterns
from django.http import HttpResponse
from django.urls import include, path
from django.utils.translation import override

from resizer.markup import picture
from tests.conftest import save

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.test import Client
    from pytest_django import Settings

pytestmark = pytest.mark.django_db

OURS = "resizer.middleware.ResizerMiddleware"
OTHERS = [
    "django.middleware.gzip.GZipMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
]


def page(request: HttpRequest, **_: str) -> HttpResponse:
    request.session["seen"] = True
    return HttpResponse("a page")


page.login_required = False  # type: ignore[attr-defined]  # as Django's decorator marks it

urlpatterns = [path("robots.txt", page), path("", include("resizer.urls"))]


def test_no_header_is_added_to_a_picture(client: Client, settings: Settings) -> None:
    settings.MIDDLEWARE = [OURS, *OTHERS]
    save("a.jpg")
    response = client.get(
        picture.url("a.jpg", width=640, format="png"), headers={"Accept-Encoding": "gzip"}
    )
    assert response.status_code == 200
    assert response["Content-Length"] == str(len(response.content))
    for header in ("Vary", "Content-Language", "Content-Encoding", "Set-Cookie"):
        assert not response.has_header(header)
    assert not response["ETag"].startswith("W/")


def test_view_works_without_the_middleware_and_without_login(
    client: Client, settings: Settings
) -> None:
    settings.MIDDLEWARE = OTHERS
    save("a.jpg")
    assert client.get(picture.url("a.jpg", width=640)).status_code == 200


def test_other_pages_pass_through(client: Client, settings: Settings) -> None:
    settings.MIDDLEWARE = [OURS, *OTHERS]
    settings.ROOT_URLCONF = "tests.test_middleware"
    response = client.get("/robots.txt")
    assert response.content == b"a page"
    assert "Accept-Language" in response["Vary"]


def test_project_may_mount_at_the_root(client: Client, settings: Settings) -> None:
    settings.MIDDLEWARE = [OURS, *OTHERS]
    settings.ROOT_URLCONF = "tests.test_middleware"
    save("a.jpg")
    url = picture.url("a.jpg", width=640)
    assert url.startswith("/a.jpg/")
    assert not client.get(url).has_header("Vary")


def test_url_below_the_mount_that_no_pattern_matches(client: Client, settings: Settings) -> None:
    settings.MIDDLEWARE = [OURS]
    assert client.get("/img/").status_code == 404


def guard(request: HttpRequest, path: str) -> HttpResponse:
    return HttpResponse(status=401)


class Guarded:
    """A project that shows pictures to nobody."""

    urlpatterns = [path("img/", include(([path("<path:path>", guard, name="picture")], "resizer")))]


class Shadowed:
    """A project with a view of its own among the pictures."""

    urlpatterns = [path("img/a.jpg/<path:path>", guard), path("img/", include("resizer.urls"))]


@pytest.mark.parametrize("urls", [Guarded, Shadowed])
def test_view_of_the_project_goes_before_ours(
    client: Client, settings: Settings, urls: type
) -> None:
    settings.MIDDLEWARE = [OURS]
    save("a.jpg")
    url = picture.url("a.jpg", width=640)
    assert client.get(url).status_code == 200
    settings.ROOT_URLCONF = urls
    assert client.get(url).status_code == 401


def test_project_without_our_urls(client: Client, settings: Settings) -> None:
    settings.MIDDLEWARE = [OURS]
    settings.ROOT_URLCONF = "django.contrib.auth.urls"
    assert client.get("/nothing").status_code == 404


class Translated:
    """A project with pictures below each language."""

    urlpatterns = i18n_patterns(path("img/", include("resizer.urls")))


def test_redirect_of_a_translated_project_keeps_its_language(
    client: Client, settings: Settings
) -> None:
    settings.MIDDLEWARE = [OURS, "django.middleware.locale.LocaleMiddleware"]
    settings.ROOT_URLCONF = Translated
    save("a.jpg")
    for language in ("de", "en", "de"):
        with override(language):
            url = picture.url("a.jpg", width=640)
        assert url.startswith(f"/{language}/img/")
        # Whatever the language of the former request in this thread was.
        for before in ("en", "de"):
            with override(before):
                assert client.get(url).status_code == 200
            with override(before):
                respelled = client.get(url, RAW_URI=url.replace("/a.jpg", "/%61.jpg"))
            assert respelled["Location"] == url
