"""The drop-in for easy-thumbnails' tag and filters: examples of its documentation, and its options."""

from __future__ import annotations

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

ENGINE = Engine(libraries={"thumbnail": "resizer.contrib.compat.easy"})
ALIASES = {
    "": {"avatar": {"size": (50, 50), "crop": True}, "small": {"size": (10, 10)}},
    "gallery": {"small": {"size": (80, 80)}, "badge": {"size": (150, 80), "crop": True}},
    "gallery.Photo": {"small": {"size": (120, 0), "quality": 90, "bw": True}},
    "gallery.Photo.image": {"card": {"size": (300, 200), "crop": ",0"}},
}


@pytest.fixture(autouse=True)
def _aliases(settings: Settings) -> None:
    settings.THUMBNAIL_ALIASES = ALIASES


def render(text: str, **context: Any) -> str:
    return ENGINE.from_string("{% load thumbnail %}" + text).render(Context(context))


def sizes(options: str, name: str, **context: Any) -> str:
    """The size of a thumbnail in the page, such as "100x75"."""
    text = f"{{% thumbnail name {options} as thumb %}}{{{{ thumb.width }}}}x{{{{ thumb.height }}}}"
    return render(text, name=name, **context)


def test_example_of_the_tag_prints_a_url(photo: Photo, client: Client, settings: Settings) -> None:
    settings.RESIZER = {"EXACT_WIDTHS": [50]}
    html = render('<img src="{% thumbnail profile.image 50x50 crop %}" alt="" />', profile=photo)
    assert html.startswith('<img src="/img/photographs/test.jpg/')
    response = client.get(html.split('"')[1])
    assert decode(response.content).size == (50, 50)


def test_example_with_a_variable(photo: Photo) -> None:
    html = render(
        "{% thumbnail obj.image 200x200 upscale as thumb %}"
        '<img src="{{ thumb.url }}" width="{{ thumb.width }}" height="{{ thumb.height }}" />',
        obj=photo,
    )
    assert html.endswith('/256.jpg" width="200" height="150" />')


def test_example_of_the_alias(photo: Photo) -> None:
    html = render(
        '<img src="{{ profile.image|thumbnail_url:\'avatar\' }}" alt="" />', profile=photo
    )
    assert html.endswith('/1x1/64.jpg" alt="" />')


def test_example_with_a_default_picture() -> None:
    save("img/default_image.png", photograph((800, 600)))
    text = "{% thumbnail object.image|default:'img/default_image.png' 50x50 %}"
    assert render(text, object={"image": None}).startswith("/img/img/default_image.png/")


def test_example_of_the_thumbnailer(photo: Photo) -> None:
    for name in ("thumbnailer", "thumbnailer_passive"):
        text = (
            f"{{% with photo=image|{name} %}}{{% if photo %}}"
            '<a href="{{ photo.badge.url }}">{{ photo.avatar.tag }}</a>{{ photo.other.url }}'
            "{% else %}<img>{% endif %}{% endwith %}"
        )
        html = render(text, image=photo.image)
        assert html.count("/img/photographs/test.jpg/") == 2
        assert html.endswith('/1x1/64.jpg" width="50" height="50" alt=""></a>')
        assert render(text, image=None) == "<img>"
    text = "{% with photo=image|thumbnailer %}{{ photo.avatar.tag }}{% endwith %}"
    assert render(text, image=None) == ""


def test_alias_of_the_nearest_target_counts(photo: Photo) -> None:
    names = {
        "card": "300x200",
        "small": "120x90",
        "badge": "150x80",
        "avatar": "50x50",
    }
    for alias, size in names.items():
        text = f"{{% thumbnail image '{alias}' as thumb %}}{{{{ thumb.width }}}}x{{{{ thumb.height }}}}"
        assert render(text, image=photo.image) == size
    save("a.jpg", photograph((800, 600)))
    assert sizes("alias", "a.jpg", alias="small") == "10x8"
    assert "/3x2,fp50-0/" in render("{{ image|thumbnail_url:'card' }}", image=photo.image)


def test_options_win_over_those_of_the_alias(photo: Photo) -> None:
    text = '{% thumbnail image "avatar" crop="0,0" upscale=missing %}'
    assert render(text, image=photo.image).endswith("/1x1,fp0-0/64.jpg")
    text = '{% thumbnail image "small" quality=quality %}'
    assert render(text, image=photo.image).endswith("/q-90/128.jpg")
    assert render(text, image=photo.image, quality=30).endswith("/q-30/128.jpg")


def test_option_of_an_alias_without_a_counterpart_is_told_once(
    photo: Photo, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        render("{{ image|thumbnail_url:'small' }}", image=photo.image)
    assert [one.getMessage() for one in caplog.records] == [
        (
            "THUMBNAIL_ALIASES: 'small' has bw, without a counterpart."
            " Remove it, and do it with CSS. Such as filter: grayscale(1)."
        )
    ]


def test_note_of_the_package_in_an_alias_is_not_told(
    photo: Photo, caplog: pytest.LogCaptureFixture, settings: Settings
) -> None:
    # easy-thumbnails, still installed, writes it into the settings.
    settings.THUMBNAIL_ALIASES = {"": {"avatar": {"size": (50, 50), "ALIAS": "avatar"}}}
    assert render("{{ image|thumbnail_url:'avatar' }}", image=photo.image)
    assert caplog.records == []


def test_unknown_alias_prints_nothing(
    photo: Photo, caplog: pytest.LogCaptureFixture, settings: Settings
) -> None:
    assert render("{{ image|thumbnail_url:'lagre' }}", image=photo.image) == ""
    assert "'lagre' is no alias of THUMBNAIL_ALIASES" in caplog.text
    settings.THUMBNAIL_ALIASES = None
    assert render("{{ image|thumbnail_url:'avatar' }}", image=photo.image) == ""


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("200x100", "133x100"),
        ('"200x100"', "133x100"),
        ("200x0", "200x150"),
        ("0x100", "133x100"),
        ("size", "300x225"),
        ("pair", "40x30"),
        ("missing", "800x600"),
        ("200x100 crop", "200x100"),
        ("200x100 crop=False", "133x100"),
        ('200x100 crop="scale"', "200x150"),
        ("1000x1000", "800x600"),
        ("1000x1000 upscale", "1000x750"),
        ("1000x500 crop upscale", "1000x500"),
        ("1000x500 crop", "800x500"),
        ("3000x3000 crop", "800x600"),
    ],
)
def test_sizes_are_those_of_easy_thumbnails(options: str, expected: str) -> None:
    save("a.jpg", photograph((800, 600)))
    assert sizes(options, "a.jpg", size="300x300", pair=(40, 40)) == expected


def test_sides_are_rounded_from_those_of_the_original() -> None:
    # 66.6 px; the file has 85 of 128 px, from which it would be 66.4 px.
    save("a.jpg", photograph((2000, 1332)))
    assert sizes("100x100", "a.jpg") == "100x67"
    assert sizes("100x0", "a.jpg") == "100x67"
    assert sizes('100x60 crop="scale"', "a.jpg") == "100x67"
    assert sizes("3000x3000", "a.jpg") == "2000x1332"
    assert sizes("3000x0 upscale", "a.jpg") == "3000x1998"


def test_crop_is_no_wider_than_the_widest_variant(settings: Settings) -> None:
    settings.RESIZER = {"WIDTHS": [320]}
    save("a.jpg", photograph((800, 600)))
    assert sizes("600x300 crop", "a.jpg") == "320x160"
    assert sizes("600x300 crop upscale", "a.jpg") == "600x300"


@pytest.mark.parametrize(
    ("option", "focal"),
    [
        ("crop", ""),
        ('crop=","', ""),
        ('crop="0,0"', "fp0-0"),
        ('crop="-0,0"', "fp100-0"),
        ('crop=",0"', "fp50-0"),
        # 10 % of a crop of 400 px are 40; to its middle 200 more; of 800.
        ('crop="10,0"', "fp30-0"),
        ('crop="-10,-0"', "fp70-100"),
        ('crop target="20,30"', "fp20-30"),
        ('crop target=",60"', "fp50-60"),
        ("crop target=pair", "fp20-50"),
    ],
)
def test_crops_are_those_of_easy_thumbnails(option: str, focal: str) -> None:
    save("a.jpg", photograph((800, 400)))
    url = render(f'{{% thumbnail "a.jpg" 400x400 {option} %}}', pair=(20, None))
    assert url.endswith(f"/1x1,{focal}/400.jpg" if focal else "/1x1/400.jpg")


def test_options_without_effect_are_accepted(photo: Photo) -> None:
    text = "{% thumbnail image 100x100 sharpen detail subsampling=2 subject_location=where quality=90 %}"
    assert render(text, image=photo.image, where="10,20").endswith("/q-90/128.jpg")


def test_missing_picture_prints_nothing() -> None:
    save("another.jpg")
    assert render('{% thumbnail "absent.jpg" 50x50 %}{% thumbnail image 50x50 crop %}') == ""
    text = "{% thumbnail image 50x50 as thumb %}{% if thumb %}x{% endif %}{{ thumb.url }}{{ thumb.tag }}"
    assert render(text, image="") == ""


@pytest.mark.parametrize(
    ("tag", "problem"),
    [
        ("thumbnail image", "thumbnail needs an original and a size"),
        ("thumbnail image 50", "50 is neither a size nor an alias"),
        ("thumbnail image 'huge'", "'huge' is neither a size nor an alias"),
        ("thumbnail image 50x50 bw", "has no option bw. Remove it, and do it with CSS"),
        ("thumbnail image 50x50 crop='middle'", "crop='middle' is not a flag"),
        ("thumbnail image 50x50 target='60'", "target='60' is not a pair"),
        ("thumbnail image 50x50 target=3", "target=3 is not a pair"),
        ("thumbnail image 50x50 quality=200", "quality=200 is unknown"),
        ("thumbnail image 50x50 uspcale", "Did you mean upscale?"),
    ],
)
def test_mistakes_are_told_when_the_template_compiles(tag: str, problem: str) -> None:
    with pytest.raises(TemplateSyntaxError) as told:
        render(f"{{% {tag} %}}")
    assert problem in str(told.value)


@pytest.mark.parametrize("size", [float("inf"), (float("inf"), 1), (-5, -5), ("50", None), b"50"])
def test_data_that_is_no_size_breaks_no_page(settings: Settings, size: object) -> None:
    save("another.jpg")
    settings.DEBUG = False
    assert render("{% thumbnail image size %}<p>", image="absent.jpg", size=size) == "<p>"


@pytest.mark.parametrize("value", [7, ["a.jpg"], Photo(title="x"), "<p>A cat</p>"], ids=str)
def test_value_that_is_no_original_breaks_no_page(settings: Settings, value: object) -> None:
    settings.DEBUG = False
    tags = "{% thumbnail it 50x50 crop %}{% thumbnail it it crop %}"
    filters = (
        "{{ it|thumbnail_url:'avatar' }}{{ it|thumbnail_url:it }}{{ it|thumbnailer|yesno:'-,-' }}"
    )
    assert render(tags + filters, it=value) == "-"
    settings.DEBUG = True
    with pytest.raises((TypeError, ValueError), match=r"is no original|is HTML"):
        render(tags, it=value)


def test_known_thumbnail_costs_one_call_of_the_cache(photo: Photo) -> None:
    text = "{% thumbnail image 100x100 crop as thumb %}{{ thumb.url }}{{ image|thumbnail_url:'avatar' }}"
    render(text, image=photo.image)
    with counted() as costs:
        render(text, image=photo.image)
    assert (costs.cache, costs.storage, costs.queries) == (["read", "read"], [], [])
