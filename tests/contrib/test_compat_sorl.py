"""The drop-in for sorl-thumbnail's tag: examples of its documentation, and its options."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from django.template import Context, Engine, TemplateSyntaxError

from config.gallery.models import Photo
from tests.conftest import save
from tests.costs import counted
from tests.pictures import decode, photograph

if TYPE_CHECKING:
    from django.test import Client
    from pytest_django import Settings

pytestmark = pytest.mark.django_db

ENGINE = Engine(libraries={"thumbnail": "resizer.contrib.compat.sorl"})
SIZES = "{{ im.width }}x{{ im.height }}"


def render(text: str, **context: Any) -> str:
    template = ENGINE.from_string("{% load thumbnail %}" + text)
    return " ".join(template.render(Context(context)).split())


def sizes(options: str, name: str, **context: Any) -> str:
    """The size of a thumbnail in the page, such as "100x75"."""
    return render(
        f"{{% thumbnail name {options} as im %}}{SIZES}{{% endthumbnail %}}", name=name, **context
    )


def load(client: Client, url: str) -> tuple[int, int]:
    """The size of the file at a URL."""
    response = client.get(url)
    assert response.status_code == 200
    return decode(response.content).size


def test_simple_example_has_the_size_of_the_thumbnail(photo: Photo) -> None:
    html = render(
        '{% thumbnail item.image "100x100" crop="center" as im %}'
        '<img src="{{ im.url }}" width="{{ im.width }}" height="{{ im.height }}">'
        "{% endthumbnail %}",
        item=photo,
    )
    url = html.split('"')[1]
    assert url.startswith("/img/photographs/test.jpg/")
    assert url.endswith("/1x1/128.jpg")
    assert html == f'<img src="{url}" width="100" height="100">'


def test_file_is_exactly_as_wide_with_exact_widths(
    photo: Photo, client: Client, settings: Settings
) -> None:
    settings.RESIZER = {"EXACT_WIDTHS": [100]}
    url = render('{% thumbnail item.image "100x100" crop="center" %}', item=photo)
    assert load(client, url) == (100, 100)


def test_margin_example(photo: Photo) -> None:
    html = render(
        '{% thumbnail item.image "100x700" as im %}'
        '<img style="margin:{{ im|margin:"100x700" }}" width="{{ im.x }}" height="{{ im.y }}">'
        "{% endthumbnail %}",
        item=photo,
    )
    assert html == '<img style="margin:312px 0px 313px 0px" width="100" height="75">'


def test_ghost_is_shown_for_an_empty_field(photo: Photo) -> None:
    text = (
        "{% for profile in profiles %}"
        '{% thumbnail profile.image "100x100" as im %}<img src="{{ im.src }}">'
        '{% empty %}<img src="ghost100x100.jpg">{% endthumbnail %}'
        "{% endfor %}"
    )
    found, absent = "/img/photographs/test.jpg/", '<img src="ghost100x100.jpg">'
    html = render(text, profiles=[photo, {"image": None}, {}])
    assert html.startswith(f'<img src="{found}')
    assert html.endswith(absent * 2)


def test_missing_original_counts_as_empty() -> None:
    save("another.jpg")
    text = (
        '{% thumbnail "absent.jpg" "100" as im %}{{ im.url }}{% empty %}No image{% endthumbnail %}'
    )
    assert render(text) == "No image"
    assert render('{% thumbnail "absent.jpg" "100" %}') == ""


def test_original_that_cannot_be_resized_is_shown_as_it_is() -> None:
    save("logo.svg", b'<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20"/>')
    text = '{% thumbnail "logo.svg" "100x100" as im %}{{ im.url }} {{ im.width }}{% endthumbnail %}'
    assert render(text) == "/originals/logo.svg 100"


def test_nested_example(photo: Photo) -> None:
    html = render(
        '{% thumbnail item.image "1000" as big %}'
        '{% thumbnail item.image "50x50" crop="center" as small %}'
        '<a href="{{ big.url}}" title="look ma!"><img src="{{ small.url }}"></a>'
        "{% endthumbnail %}{{ small.url }}{% endthumbnail %}{{ big.url }}",
        item=photo,
    )
    assert html.split('"')[1].endswith("/1080.jpg")
    assert html.endswith('/1x1/64.jpg"></a>')


def test_portrait_example(photo: Photo, client: Client) -> None:
    save("tall.jpg", photograph((600, 800)))
    text = (
        "{% if image|is_portrait %}"
        '{% thumbnail image "100" crop="10px 10px" format="PNG" as im %}tall {{ im.is_portrait }} {{ im.url }}{% endthumbnail %}'
        '{% else %}{% thumbnail image "50" crop="bottom" format="PNG" as im %}wide {{ im.url }}{% endthumbnail %}'
        "{% endif %}"
    )
    tall = render(text, image="tall.jpg")
    assert tall.startswith("tall True /img/tall.jpg/")
    assert load(client, tall.split()[2]) == (128, 171)
    assert render(text, image=photo.image).endswith("/64.png")
    assert not render("{% if image|is_portrait %}x{% endif %}", image="absent.jpg")


def test_web_url_needs_the_alias_of_its_source(settings: Settings) -> None:
    text = '{% thumbnail "http://www.aino.se/media/i/logo.png" "40x40" crop="80% top" as im %}{% endthumbnail %}'
    with pytest.raises(
        TemplateSyntaxError, match=r"is an absolute URL. Declare its site as a source"
    ):
        render(text)
    source = {
        "BACKEND": "resizer.sources.HttpSource",
        "OPTIONS": {"base_url": "http://www.aino.se/"},
    }
    settings.RESIZER = {"SOURCES": {"web": source}}
    ENGINE.from_string("{% load thumbnail %}" + text.replace("http", "web:http"))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ('"200x100"', "133x100"),
        ('"200"', "200x150"),
        ('"x100"', "133x100"),
        ("geometry", "300x225"),
        ("missing", "800x600"),
        ('"200x100" crop="center"', "200x100"),
        ('"200x100" crop="noop"', "133x100"),
        ('"200x100" crop=""', "133x100"),
        ('"200" crop="center"', "200x150"),
        ('"1000x1000"', "1000x750"),
        ('"1000x1000" crop="center"', "1000x1000"),
        ('"1000x1000" upscale=False', "800x600"),
        ('"1000x500" crop="center" upscale=False', "800x500"),
        ('"x900" upscale=False', "800x600"),
    ],
)
def test_sizes_are_those_of_sorl_thumbnail(options: str, expected: str) -> None:
    save("a.jpg", photograph((800, 600)))
    assert sizes(options, "a.jpg", geometry="300x300") == expected


@pytest.mark.parametrize(
    ("crop", "focal"),
    [
        ("center", ""),
        ("left", "fp0-50"),
        ("top", "fp50-0"),
        ("right bottom", "fp100-100"),
        ("100%", "fp100-100"),
        # 400 px of the scaled original beside a crop of 400: 80 % of them are left of it, then 200 px to its middle.
        ("80% top", "fp65-0"),
        ("20px 20px", "fp28-50"),
        ("900px 0%", "fp75-0"),
    ],
)
def test_crops_are_those_of_sorl_thumbnail(crop: str, focal: str) -> None:
    save("a.jpg", photograph((800, 400)))
    url = render('{% thumbnail "a.jpg" "400x400" crop=crop %}', crop=crop)
    assert url.endswith(f"/1x1,{focal}/400.jpg" if focal else "/1x1/400.jpg")


def test_smart_crop_is_the_automatic_one() -> None:
    save("a.jpg", photograph((800, 400)))
    assert "/1x1" in render('{% thumbnail "a.jpg" "400x400" crop="smart" %}')


def test_options_without_effect_are_accepted(photo: Photo) -> None:
    options = 'quality=99 colorspace="RGB" progressive=False orientation=False'
    url = render(f'{{% thumbnail item.image "100" {options} %}}', item=photo)
    assert url.endswith("/q-99/128.jpg")


@pytest.mark.parametrize(
    ("tag", "problem"),
    [
        ("thumbnail", "thumbnail needs an original and a size"),
        ("thumbnail item.image", "thumbnail needs an original and a size"),
        ("thumbnail item.image as im", "thumbnail needs an original and a size"),
        ('thumbnail item.image "big"', "'big' is not a size"),
        ('thumbnail item.image "100" crop="middle"', "crop='middle' is unknown"),
        ('thumbnail item.image "100" crop="1% 2% 3%"', "crop='1% 2% 3%' is unknown"),
        ('thumbnail item.image "100" format="GIF"', "format 'gif' is not offered"),
        (
            'thumbnail item.image "100" rounded=5',
            "has no option rounded. Remove it, and do it with CSS",
        ),
        ('thumbnail item.image "100" colorspace="GRAY"', "colorspace='GRAY' has no counterpart"),
        ('thumbnail item.image "100" qualty=50', "Did you mean quality?"),
    ],
)
def test_mistakes_are_told_when_the_template_compiles(tag: str, problem: str) -> None:
    with pytest.raises(TemplateSyntaxError) as told:
        render(f"{{% {tag} %}}{{% endthumbnail %}}")
    assert problem in str(told.value)


def test_wrong_data_is_left_out_in_production(
    photo: Photo, caplog: pytest.LogCaptureFixture, settings: Settings
) -> None:
    settings.DEBUG = True
    text = '{% thumbnail item.image "100" quality=quality %}'
    with pytest.raises(ValueError, match="quality='best' is unknown"):
        render(text, item=photo, quality="best")
    settings.DEBUG = False
    assert render(text, item=photo, quality="best").endswith("/128.jpg")
    assert "ignores quality from a variable" in caplog.text


@pytest.mark.parametrize("value", [7, ["a.jpg"], Photo(title="x"), "<p>A cat</p>"], ids=str)
def test_value_that_is_no_original_breaks_no_page(settings: Settings, value: object) -> None:
    settings.DEBUG = False
    tag = '{% thumbnail it "100x100" crop="10px 10px" as im %}yes{% empty %}no{% endthumbnail %}'
    filters = "{{ it|is_portrait }} {{ it|margin:it }} {{ it|background_margin:'9x9' }}"
    assert render(tag + filters, it=value) == "noFalse auto auto"
    settings.DEBUG = True
    with pytest.raises((TypeError, ValueError), match=r"is no original|is HTML"):
        render(tag, it=value)


def test_wider_file_is_told_once_in_development(
    photo: Photo, caplog: pytest.LogCaptureFixture, settings: Settings
) -> None:
    settings.DEBUG = True
    caplog.set_level(logging.WARNING)
    for options in ('"100x100" crop="top"', '"100"', '"128"', '"100x100"', '"x100"'):
        render(f"{{% thumbnail item.image {options} %}}", item=photo)
    assert [one.getMessage() for one in caplog.records] == [
        "The file of a thumbnail of 100 px is 128 px wide. If its width matters, add 100 to RESIZER['EXACT_WIDTHS']."
    ]


def test_margins_of_other_values() -> None:
    save("a.jpg", photograph((800, 600)))
    assert render('{{ "a.jpg"|margin:"1000x1000" }}') == "200px 100px 200px 100px"
    assert render('{{ "a.jpg"|margin:"1000" }}') == "75px 100px 75px 100px"
    assert render('{{ "a.jpg"|background_margin:"x700" }}') == "66.5px 50.0px"
    assert (
        render('{{ "absent.jpg"|margin:"100x100" }} {{ "a.jpg"|background_margin:"big" }}')
        == "auto auto"
    )
    assert render('{{ 3|margin:"100" }}{{ "a.jpg"|margin:"" }}') == "autoauto"


def test_ratio_and_size_are_told(photo: Photo) -> None:
    text = '{% thumbnail item.image "400" as im %}{{ im }} {{ im.ratio }} {{ im.size }}{% endthumbnail %}'
    url, told = render(text, item=photo).split(" ", 1)
    assert url.endswith("/480.jpg")
    assert told == f"{4 / 3} (400, 300)"


def test_known_thumbnail_costs_one_call_of_the_cache(photo: Photo) -> None:
    text = '{% thumbnail item.image "100x100" crop="center" as im %}{{ im.url }}{% endthumbnail %}'
    render(text, item=photo)
    with counted() as costs:
        render(text, item=photo)
    assert (costs.cache, costs.storage, costs.queries) == (["read"], [], [])
