"""`import resizer`: the pictures of tags as values of Python."""

from __future__ import annotations

import json
import pickle
from typing import TYPE_CHECKING

import pytest
from django.test import RequestFactory

import resizer
from tests.conftest import save
from tests.pictures import photograph

if TYPE_CHECKING:
    from pytest_django import Settings

    from config.gallery.models import Photo

pytestmark = pytest.mark.django_db


def test_picture_has_the_parts_of_the_tag(photo: Photo) -> None:
    picture = resizer.picture(photo.image, alt="A cat", width=600)
    assert picture.html == str(picture)
    assert f'src="{picture.url}" srcset="{picture.srcset}" sizes="{picture.sizes}"' in picture.html
    assert (picture.width, picture.height, picture.alt) == (600, 450, "A cat")


def test_picture_as_data_has_every_candidate(photo: Photo, settings: Settings) -> None:
    settings.RESIZER = {"FORMATS": ["avif", "webp"], "WIDTHS": [320, 640, 1280]}
    picture = resizer.picture(photo.image, alt="A cat", width=600)
    data = picture.as_dict()
    assert json.loads(json.dumps(data)) == data
    assert {name: data[name] for name in ("url", "width", "height", "alt", "sizes")} == {
        "url": picture.url,
        "width": 600,
        "height": 450,
        "alt": "A cat",
        "sizes": "auto, (min-width: 600px) 600px, 100vw",
    }
    assert [source["type"] for source in data["sources"]] == [
        "image/avif",
        "image/webp",
        "image/jpeg",
    ]
    for source, extension in zip(data["sources"], ["avif", "webp", "jpg"], strict=True):
        assert source["media"] == ""
        assert (source["width"], source["height"], source["sizes"]) == (600, 450, data["sizes"])
        assert [one["width"] for one in source["candidates"]] == [320, 640, 1280]
        described = [f"{one['url']} {one['width']}w" for one in source["candidates"]]
        assert source["srcset"] == ", ".join(described)
        assert source["candidates"][0]["url"].endswith(f"/320.{extension}")
    assert data["sources"][-1]["srcset"] == picture.srcset


def test_icon_as_data_has_widths_in_pixels(photo: Photo) -> None:
    data = resizer.picture(photo.image, width=24).as_dict()
    assert data["sizes"] == ""
    for source in data["sources"]:
        assert [one["width"] for one in source["candidates"]] == [24, 48]


def test_smallest_original_as_data_has_one_candidate() -> None:
    save("dot.jpg", photograph((8, 8)))
    data = resizer.picture("dot.jpg", ratio="2/1").as_dict()
    assert [len(source["candidates"]) for source in data["sources"]] == [1, 1]
    assert data["sources"][-1]["candidates"] == [{"url": data["url"], "width": 8}]


def test_original_as_it_is_as_data_has_no_sources() -> None:
    save("2026/640.svg", b"<svg/>")
    data = resizer.picture("2026/640.svg", alt="Logo", width=48, height=48).as_dict()
    assert data == {
        "url": "/originals/2026/640.svg",
        "width": 48,
        "height": 48,
        "alt": "Logo",
        "sizes": "",
        "sources": [],
    }


def test_empty_field_has_an_empty_picture() -> None:
    picture = resizer.picture(None, absolute=RequestFactory().get("/"))
    assert not picture
    assert (picture.html, picture.url, picture.width) == ("", "", None)
    assert resizer.url("") == ""


def test_url_is_a_string_that_can_be_kept_in_a_cache(photo: Photo) -> None:
    url = resizer.url(photo.image, width=600, format="jpeg")
    kept = pickle.loads(pickle.dumps(url))
    assert kept == url
    assert (kept.width, kept.height, kept.content_type) == (640, 480, "image/jpeg")


def test_html_of_an_editor_has_pictures(photo: Photo) -> None:
    html = resizer.resized_html(f'<img src="{photo.image.url}" alt="">', width=600)
    assert str(resizer.picture(photo.image, alt="", width=600)) == html


def test_alt_is_the_stored_one_or_empty(photo: Photo, settings: Settings) -> None:
    settings.DEBUG = True
    assert resizer.picture(photo.image).alt == "A test picture"
    assert resizer.picture("photographs/test.jpg").alt == ""
    assert resizer.picture(photo.image, alt="").alt == ""


def test_wrong_option_is_an_error(photo: Photo) -> None:
    with pytest.raises(ValueError, match="ratio"):
        resizer.picture(photo.image, ratio="wide")
    with pytest.raises(ValueError, match="absolute"):
        resizer.url(photo.image, absolute="maybe")
