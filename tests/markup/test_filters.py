"""Filters and pieces with presets, in both template languages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import markdown
import pytest
from django.core.files.base import ContentFile
from django.template import Context, Template
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy
from jinja2 import Environment

import resizer
from resizer.contrib.rest_framework import ResizedImageField
from tests.costs import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_django import Settings

    from config.gallery.models import Photo

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _presets(settings: Settings) -> None:
    settings.RESIZER = {
        "PRESETS": {
            "card": {"width": 400, "ratio": "3/2", "class": "card"},
            "prose": {"width": 720, "class": "prose", "data-zoom": True},
            "hero": {"width": 1200, "priority": True},
        },
    }


def render_django(text: str, **context: Any) -> str:
    return Template("{% load resizer %}" + text).render(Context(context))


def render_jinja(text: str, **context: Any) -> str:
    jinja = Environment(extensions=["resizer.jinja2.ResizerExtension"], autoescape=True)
    return jinja.from_string(text).render(context)


def both(filter: str, **context: Any) -> str:
    """The output of `value|filter("preset")`, which is the same in both."""
    name, _, preset = filter.partition(":")
    html = render_django("{{ value|" + filter + " }}", **context)
    assert html == render_jinja("{{ value|" + name + "(" + preset + ") }}", **context)
    return html


def test_filter_prints_a_picture_with_a_preset(photo: Photo) -> None:
    html = both('resized:"card"', value=photo.image)
    assert html == resizer.picture(photo.image, preset="card").html
    assert 'width="400" height="267" alt="A test picture"' in html
    assert 'class="card"' in html


def test_filter_without_a_preset_prints_a_picture_with_the_defaults(photo: Photo) -> None:
    assert both("resized", value=photo.image) == resizer.picture(photo.image).html


def test_filter_in_jinja_takes_options(photo: Photo) -> None:
    html = render_jinja('{{ value|resized("card", width=300, id="x") }}', value=photo.image)
    expected = resizer.picture(photo.image, preset="card", width=300, attributes={"id": "x"})
    assert html == expected.html


def test_filter_of_an_empty_field_prints_nothing() -> None:
    assert both('resized:"card"', value="") == ""
    assert render_django('{% if value|resized:"card" %}yes{% endif %}', value=None) == ""


def test_html_of_an_editor_with_a_preset(photo: Photo) -> None:
    body = f'<p><img src="{photo.image.url}" alt="A" class="left" data-zoom="no"></p>'
    html = both('resized_html:"prose"', value=body)
    assert 'width="720" height="540" alt="A"' in html
    assert html.endswith(' class="prose left" data-zoom="no"></picture></p>')
    body = f'<img src="{photo.image.url}" alt="A" width="300" height="225">'
    html = both('resized_html:"prose"', value=body)
    assert 'width="300" height="225" alt="A"' in html
    assert html.endswith(' class="prose" data-zoom></picture>')


def test_preset_with_a_ratio_cuts_the_pictures_of_an_editor(photo: Photo) -> None:
    body = f'<img src="{photo.image.url}" alt="A" width="300" height="225">'
    assert 'width="300" height="200"' in both('resized_html:"card"', value=body)


def test_options_win_over_the_preset_in_html(photo: Photo) -> None:
    body = f'<img src="{photo.image.url}" alt="A" width="1600" height="1200">'
    html = resizer.resized_html(body, preset="prose", width=500, attributes={"class": "x"})
    assert 'width="500" height="375"' in html
    assert 'class="x"' in html
    assert html == render_jinja(
        '{{ v|resized_html("prose", width=500, attributes=a) }}', v=body, a={"class": "x"}
    )


def test_markdown_takes_a_preset(photo: Photo) -> None:
    html = markdown.markdown(
        f"![A]({photo.image.url})",
        extensions=["resizer.contrib.markdown"],
        extension_configs={"resizer.contrib.markdown": {"preset": "prose"}},
    )
    assert 'class="prose"' in html


def test_serializer_field_takes_a_preset(photo: Photo) -> None:
    field = ResizedImageField(preset="card")
    expected = resizer.picture(photo.image, preset="card").as_dict()
    assert field.to_representation(photo.image) == expected


def test_pieces_take_a_preset(photo: Photo) -> None:
    for tag in ("resized_srcset", "resized_preload", "resized_background"):
        html = render_django(f'{{% {tag} photo.image preset="hero" %}}', photo=photo)
        assert html == render_django(f"{{% {tag} photo.image width=1200 %}}", photo=photo)
    text = '{% resized_background photo.image preset="hero" selector="p" %}'
    assert "@media" not in render_django(text, photo=photo)


@pytest.mark.parametrize("filter", ["resized", "resized_html"])
def test_unknown_preset_is_told_in_production_and_an_error_in_development(
    photo: Photo, settings: Settings, filter: str, caplog: pytest.LogCaptureFixture
) -> None:
    value = photo.image if filter == "resized" else f'<img src="{photo.image.url}" alt="">'
    assert both(f'{filter}:"prsoe"', value=value) == both(filter, value=value)
    assert "Did you mean 'prose'?" in caplog.text
    settings.DEBUG = True
    for render in (render_django, render_jinja):
        text = '{{ value|X:"prsoe" }}' if render is render_django else '{{ value|X("prsoe") }}'
        with pytest.raises(ValueError, match="prsoe"):
            render(text.replace("X", filter), value=value)


PICTURE = "is no HTML. For one picture, write the tag resized_img or the filter resized."
TEXT = "is no HTML. Pass the text of an editor, such as article.body."


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda photo: photo.image, f"ImageFieldFile {PICTURE}"),
        (lambda _: ContentFile(b"x", name="x.jpg"), f"ContentFile {PICTURE}"),
        (lambda photo: photo, f"Photo {TEXT}"),
        (lambda photo: [photo], f"list {TEXT}"),
        (lambda photo: type(photo).objects.all(), f"QuerySet {TEXT}"),
        (lambda _: {"a": 1}, f"dict {TEXT}"),
        (lambda _: 7, f"int {TEXT}"),
        (lambda _: b"<p>", f"bytes {TEXT}"),
    ],
)
def test_value_without_html_prints_nothing(
    photo: Photo,
    settings: Settings,
    make: Callable[[Photo], object],
    problem: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    value = make(photo)
    assert both("resized_html", value=value) == both('resized_html:"prose"', value=value) == ""
    assert resizer.resized_html(value) == ""
    assert caplog.messages == [f"resized_html: {problem}"]
    settings.DEBUG = True
    for render in (render_django, render_jinja):
        with pytest.raises(TypeError, match=re.escape(problem)):
            render("{{ value|resized_html }}", value=value)


class Body:
    """A rich text of another package, as Wagtail has it."""

    def __html__(self) -> str:
        return "<p>Text"


@pytest.mark.parametrize(
    ("value", "html"),
    [
        ("<p>Text", "<p>Text"),
        (mark_safe("<p>Text"), "<p>Text"),
        (gettext_lazy("<p>Text"), "<p>Text"),
        (Body(), "<p>Text"),
        ("", ""),
        (None, ""),
        ([], ""),
    ],
)
def test_texts_count_as_html(settings: Settings, value: object, html: str) -> None:
    settings.DEBUG = True
    assert both("resized_html", value=value) == html
    assert render_jinja("{{ absent|resized_html }}") == ""


@pytest.mark.parametrize(
    "text", ["<p>A <b>cat</b></p>", mark_safe("<figure><img src=/a.jpg>"), gettext_lazy("cat<br>")]
)
def test_html_in_the_place_of_a_picture_has_no_url(
    settings: Settings, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    html = both("resized", value=text)
    assert html == '<img alt="" data-resizer loading="lazy" decoding="async">'
    assert render_django("{% resized_url value %}", value=text) == ""
    assert caplog.messages == [
        f"{str(text)!r} is HTML. For its pictures, write the filter resized_html."
    ]
    settings.DEBUG = True
    for render in (render_django, render_jinja):
        with pytest.raises(ValueError, match="write the filter resized_html"):
            render("{{ value|resized }}", value=text)


@pytest.mark.parametrize(
    ("options", "problem"),
    [("width=wrong", "width='wide' is not a size"), ("widht=300", "There is no option widht")],
)
def test_wrong_option_of_the_filter_in_jinja_breaks_no_page(
    settings: Settings, options: str, problem: str, caplog: pytest.LogCaptureFixture
) -> None:
    text = f"{{{{ '<p>Text'|resized_html('prose', {options}) }}}}"
    assert render_jinja(text, wrong="wide") == "<p>Text"
    assert problem in caplog.text
    settings.DEBUG = True
    with pytest.raises((TypeError, ValueError), match=problem):
        render_jinja(text, wrong="wide")


def test_warm_filter_makes_one_cache_call(photo: Photo) -> None:
    body = f'<img src="{photo.image.url}" alt="">' * 24
    both('resized_html:"prose"', value=body)
    with counted() as costs:
        render_django('{{ value|resized_html:"prose" }}', value=body)
    assert costs == (["read_many"], [], [])
