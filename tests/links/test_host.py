from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.template import Context, Template
from django.test import Client, RequestFactory

import resizer
from resizer.conf import read_settings
from tests.conftest import save

if TYPE_CHECKING:
    from pytest_django import Settings

pytestmark = pytest.mark.django_db

HOST = "https://img.example.com"


def render(text: str, **context: Any) -> str:
    return Template("{% load resizer %}" + text).render(Context(context))


@pytest.fixture(autouse=True)
def a() -> None:
    save("a.jpg")


@pytest.mark.parametrize(
    "host",
    [HOST, "http://localhost:8000", "https://[2001:db8::1]:8443", f"{HOST}/", "", None],
)
def test_host_is_an_origin_or_none(host: str | None) -> None:
    values, problems = read_settings({"HOST": host})
    assert problems == []
    assert (host.removesuffix("/") if host else host) == values.HOST


@pytest.mark.parametrize(
    "host",
    [
        "img.example.com",
        "//img.example.com",
        f"{HOST}/img",
        "https://IMG.example.com",
        "https://",
        1,
    ],
)
def test_host_of_another_spelling_is_refused(host: object) -> None:
    values, (problem,) = read_settings({"HOST": host})
    assert problem.id == "resizer.E002"
    assert "https://img.example.com" in problem.hint
    assert values.HOST is None


@pytest.mark.parametrize("origin", ["*", "https://www.example.com", None])
def test_origin_that_may_read_is_one_or_all(origin: str | None) -> None:
    values, problems = read_settings({"ALLOW_ORIGIN": origin})
    assert (values.ALLOW_ORIGIN, problems) == (origin, [])


@pytest.mark.parametrize("origin", ["www.example.com", "https://*.example.com", ["*"], "null"])
def test_origin_that_may_read_is_not_a_pattern(origin: object) -> None:
    _values, (problem,) = read_settings({"ALLOW_ORIGIN": origin})
    assert problem.hint == 'It is "*", or one origin such as "https://www.example.com".'


def test_pages_print_the_host_and_responses_stay_on_theirs(
    settings: Settings, client: Client
) -> None:
    settings.RESIZER = {"HOST": HOST, "SOURCES": {"default": {"OPEN": True}}, "WIDTHS": [320, 640]}
    picture = resizer.picture("a.jpg")
    urls = [one["url"] for source in picture.as_dict()["sources"] for one in source["candidates"]]
    assert len(urls) == 4
    for url in [picture.url, *urls]:
        assert url.startswith(f"{HOST}/img/a.jpg/")
    path = urls[-1].removeprefix(HOST)
    response = client.get("/img/640/a.jpg", headers={"host": "img.example.com"})
    assert response.headers["Content-Location"] == path
    assert client.get(path, headers={"host": "img.example.com"}).status_code == 200
    response = client.get("/img/500/a.jpg", headers={"host": "img.example.com"})
    assert response.headers["Location"] == "/img/640/a.jpg"


BUCKET = {"bucket_name": "b", "custom_domain": "cdn.example.com", "location": "img"}


@pytest.mark.parametrize(
    ("options", "host"),
    [
        (BUCKET, "https://cdn.example.com"),
        (BUCKET | {"location": "img/", "url_protocol": "http:"}, "http://cdn.example.com"),
        (BUCKET | {"custom_domain": None}, ""),
        # URLs there have another path, or need a signature.
        (BUCKET | {"location": ""}, ""),
        (BUCKET | {"cloudfront_signer": lambda: 0}, ""),
        ({"nonsense": 1}, ""),
    ],
)
def test_host_is_the_custom_domain_of_the_variants_storage(
    settings: Settings, options: dict[str, Any], host: str
) -> None:
    storage = {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "resizer": storage}
    assert resizer.url("a.jpg").startswith(f"{host}/img/a.jpg/")
    settings.RESIZER = {"HOST": ""}
    assert resizer.url("a.jpg").startswith("/img/a.jpg/")


def test_no_variants_storage_has_no_host(settings: Settings) -> None:
    settings.STORAGES = {k: v for k, v in settings.STORAGES.items() if k != "resizer"}
    assert resizer.url("a.jpg").startswith("/img/")


def test_absolute_url_has_the_host_of_the_request() -> None:
    request = RequestFactory().get("/page/", secure=True)
    text = (
        '{% resized_url "a.jpg" absolute=True %} {% resized_img "a.jpg" alt="" absolute="true" %}'
    )
    html = render(text, request=request)
    assert html.count("https://testserver/img/a.jpg/") == html.count("/img/a.jpg/") > 10
    assert resizer.url("a.jpg", absolute=request).startswith("https://testserver/img/")


def test_absolute_url_of_an_original_as_it_is_has_the_host_too() -> None:
    save("a.svg", b"<svg/>")
    request = RequestFactory().get("/")
    assert resizer.picture("a.svg", absolute=request).url == "http://testserver/originals/a.svg"


def test_absolute_url_without_a_request_needs_the_setting(settings: Settings) -> None:
    settings.RESIZER = {"HOST": HOST}
    assert render('{% resized_url "a.jpg" absolute=True %}').startswith(f"{HOST}/img/")
    save("a.svg", b"<svg/>")
    assert render('{% resized_url "a.svg" absolute=True %}') == f"{HOST}/originals/a.svg"


def test_wrong_option_beside_an_absolute_url_is_left_out() -> None:
    request = RequestFactory().get("/")
    text = '{% resized_url "a.jpg" absolute=request width=width %}'
    assert render(text, request=request, width="wide").startswith("http://testserver/img/")


@pytest.mark.parametrize("absolute", [False, None, "", "False"])
def test_url_is_a_path_unless_told_otherwise(absolute: object) -> None:
    request = RequestFactory().get("/")
    html = render('{% resized_url "a.jpg" absolute=absolute %}', absolute=absolute, request=request)
    assert html.startswith("/img/")


def test_absolute_url_without_any_host_is_an_error_in_development(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    assert render('{% resized_url "a.jpg" absolute=True %}').startswith("/img/")
    assert "Set RESIZER['HOST'], or pass absolute=request." in caplog.text
    settings.DEBUG = True
    with pytest.raises(ValueError, match="HOST"):
        render('{% resized_url "a.jpg" absolute=True %}')


def test_url_tells_its_size_and_type() -> None:
    text = (
        '{% resized_url "a.jpg" width=1200 ratio="1200/630" format="jpeg" as og %}'
        "{{ og.url }} {{ og.width }} {{ og.height }} {{ og.content_type }}"
    )
    url, *rest = render(text).split(" ")
    assert url == resizer.url("a.jpg", width=1200, ratio="1200/630", format="jpeg")
    assert rest == ["1200", "630", "image/jpeg"]


def test_url_of_an_original_as_it_is_tells_no_size() -> None:
    save("a.svg", b"<svg/>")
    url = resizer.url("a.svg")
    assert (url, url.width, url.height, url.content_type) == ("/originals/a.svg", None, None, "")
