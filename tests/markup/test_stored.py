"""Focal points and alternative texts beside pictures, and on the rows of originals."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from django.apps.registry import Apps
from django.core.cache import caches
from django.db import models
from django.template import Context, Template

from config.gallery.models import Photo
from resizer import originals
from resizer.markup import picture
from resizer.models import Original
from resizer.records.descriptions import Reference
from tests.conftest import save
from tests.pictures import photograph

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries, Settings
    from pytest_django.fixtures import DjangoCaptureOnCommitCallbacks

pytestmark = pytest.mark.django_db

REFERENCE = Reference("default", "a.jpg")


@pytest.fixture(autouse=True)
def original() -> None:
    save("a.jpg", photograph((400, 200)))


def photo(**fields: Any) -> Photo:
    return Photo.objects.create(title="A photo", image="a.jpg", **fields)


def recipe(file: Any, **options: Any) -> str:
    """The part of the URL that says what is cropped."""
    return picture.url(file, **{"ratio": "1/1", **options}).split("/")[-2]


def in_template(tag: str, **values: Any) -> str:
    return Template("{% load resizer %}{% " + tag + " %}").render(Context(values))


class Image(models.Model):
    """As Wagtail's and django-filer's images: a model of its own, to which pages have a foreign key."""

    file = models.ImageField()
    width = 400
    height = 200

    class Meta:
        app_label = "nowhere"
        apps = Apps()


def image(**attributes: Any) -> Image:
    one = Image(file="a.jpg")
    for name, value in attributes.items():
        setattr(one, name, value)
    return one


# --- the focal point


def test_point_beside_the_image_is_read_without_naming_it(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    photo(focal="62,35")
    one = Photo.objects.get()
    picture.url(one.image)
    with django_assert_num_queries(0):
        assert recipe(one.image) == "1x1,fp62-35"
        assert "/1x1,fp62-35/" in in_template('resized_img photo.image ratio="1/1"', photo=one)
        assert recipe(one.image, focal="10,20") == "1x1,fp10-20"
        assert recipe(one.image, focal="50,50") == "1x1"
        assert recipe(one.image, focal="") == "1x1,fp62-35"
        # Nothing is cropped, so nothing is said.
        assert "fp62" not in picture.url(one.image)


def test_point_that_was_left_out_of_the_query_costs_no_query(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    photo(focal="62,35")
    one = Photo.objects.only("image").get()
    picture.url(one.image)
    with django_assert_num_queries(0):
        assert recipe(one.image) == "1x1"


def test_point_on_the_row_of_an_original_is_used_where_the_model_has_none() -> None:
    one = photo()
    assert recipe(one.image) == "1x1"
    Original.objects.update(focal_x=20, focal_y=30)
    caches["default"].clear()
    assert recipe(one.image) == recipe("a.jpg") == "1x1,fp20-30"
    assert recipe(photo(focal="62,35").image) == "1x1,fp62-35"
    assert recipe(Original.objects.get()) == "1x1,fp20-30"


def test_row_that_is_saved_is_followed_at_once(
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    assert recipe("a.jpg") == "1x1"
    row = Original.objects.get()
    row.focal_x, row.focal_y = 20, 30
    with django_capture_on_commit_callbacks(execute=True):
        row.save()
    assert recipe("a.jpg") == "1x1,fp20-30"


def test_editors_words_stay_when_the_file_is_replaced() -> None:
    picture.url("a.jpg")
    Original.objects.update(focal_x=20, focal_y=30, alt="A cat", checked_at=None)
    save("a.jpg", photograph((300, 150)))
    found = originals.look_up(REFERENCE, originals.Freshness.NOW)
    assert found.size == (300, 150)
    assert found.words == ((20, 30), "A cat")
    assert recipe("a.jpg") == "1x1,fp20-30"


def test_half_a_point_is_none_and_one_beyond_the_picture_is_at_its_edge() -> None:
    picture.url("a.jpg")
    for point, spelt in (((20, None), "1x1"), ((20, 300), "1x1,fp20-100")):
        Original.objects.update(focal_x=point[0], focal_y=point[1])
        caches["default"].clear()
        assert recipe("a.jpg") == spelt


@pytest.mark.parametrize(
    ("attributes", "spelt"),
    [
        ({"focal_point_x": 100, "focal_point_y": 50}, "1x1,fp25-25"),
        ({"focal_point_x": None, "focal_point_y": None}, "1x1"),
        ({"focal_point_x": 100, "focal_point_y": 50, "width": 0}, "1x1"),
        ({"subject_location": "300,100"}, "1x1,fp75-50"),
        ({"subject_location": "300.0,190.0"}, "1x1,fp75-95"),
        ({"subject_location": ""}, "1x1"),
        ({"subject_location": "middle"}, "1x1"),
        ({"subject_location": "900,100"}, "1x1"),
        ({}, "1x1"),
    ],
)
def test_images_of_wagtail_and_filer_bring_their_point(
    attributes: dict[str, Any], spelt: str
) -> None:
    one = image(**attributes)
    assert recipe(one) == spelt
    assert f"/{spelt}/" in in_template('resized_img hero alt="" ratio="1/1"', hero=one)


# --- the alternative text


def test_stored_text_is_printed_where_the_tag_has_none() -> None:
    one = photo(alt="A <cat>")
    tag = "resized_img photo.image"
    assert 'alt="A &lt;cat&gt;"' in in_template(tag, photo=one)
    assert 'alt="x"' in in_template(f'{tag} alt="x"', photo=one)
    assert 'alt=""' in in_template(f'{tag} alt=""', photo=one)
    assert 'alt=""' in in_template(f"{tag} alt=photo.nothing", photo=one)
    assert 'alt=""' in in_template(tag, photo=photo())


def test_text_on_the_row_of_an_original_is_printed_where_the_model_has_none() -> None:
    picture.url("a.jpg")
    Original.objects.update(alt="From the row")
    caches["default"].clear()
    assert picture.build("a.jpg").alt == "From the row"
    assert picture.build(photo().image).alt == "From the row"
    assert picture.build(photo(alt="Beside").image).alt == "Beside"


@pytest.mark.parametrize(
    ("names", "alt"),
    [
        (["hero_alt", "alt"], "hero_alt"),
        (["alt", "alt_text"], "alt"),
        (["alt_text"], "alt_text"),
        (["logo", "alt"], None),
        (["logo", "logo_alt"], None),
    ],
)
def test_text_belongs_to_the_image_by_its_name(
    settings: Settings, names: list[str], alt: str | None
) -> None:
    meta = type("Meta", (), {"app_label": "nowhere", "apps": Apps()})
    fields: dict[str, Any] = {
        name: models.ImageField() if name == "logo" else models.TextField() for name in names
    }
    members = {"__module__": __name__, "Meta": meta, "hero": models.ImageField(), **fields}
    page: Any = type("Page", (models.Model,), members)
    one = page(hero="a.jpg", **{name: name for name in names})
    assert picture.build(one.hero).alt == (alt or "")


@pytest.mark.parametrize(
    ("attributes", "alt"),
    [
        ({"default_alt_text": "Default"}, "Default"),
        ({"default_alt_text": "Default", "contextual_alt_text": "Here"}, "Here"),
        ({"default_alt_text": "Default", "decorative": True}, ""),
        ({"default_alt_text": None}, ""),
    ],
)
def test_images_of_wagtail_and_filer_bring_their_text(attributes: dict[str, Any], alt: str) -> None:
    assert f'alt="{alt}"' in in_template("resized_img hero", hero=image(**attributes))


def test_missing_text_is_an_error_with_debug(settings: Settings) -> None:
    settings.DEBUG = True
    with pytest.raises(ValueError, match=r'has no alternative text\. Write alt="…", or alt=""'):
        in_template("resized_img hero", hero="a.jpg")
    with pytest.raises(ValueError, match=r"Or add a text field file_alt to Image\. Or fill it in"):
        in_template("resized_img hero.file", hero=image())
    assert in_template("resized_img photo.nothing", photo=photo()) == ""


def test_missing_text_is_logged_once_in_production(caplog: pytest.LogCaptureFixture) -> None:
    save("unsaid.jpg", photograph())
    for _ in range(2):
        assert 'alt=""' in in_template("resized_img hero", hero="unsaid.jpg")
    lines = [one.message for one in caplog.records if one.levelno == logging.ERROR]
    assert len([one for one in lines if "'unsaid.jpg' has no alternative text" in one]) == 1


def test_missing_original_has_the_stored_text() -> None:
    one = Photo(image="missing.jpg", alt="Gone")
    assert picture.build(one.image).alt == "Gone"


def test_default_brings_what_is_stored_beside_it() -> None:
    assert recipe(Photo(image="a.jpg", focal="middle").image) == "1x1"
    assert recipe("", default=photo(focal="62,35").image) == "1x1,fp62-35"
