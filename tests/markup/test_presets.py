from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from django.core.checks import run_checks
from django.template import Context, Template, TemplateSyntaxError
from django.utils.translation import gettext_lazy

import resizer
from resizer.conf import read_settings
from resizer.markup import picture
from tests.conftest import save
from tests.pictures import photograph

if TYPE_CHECKING:
    from pytest_django import Settings

pytestmark = pytest.mark.django_db

PRESETS = {
    "card": {"width": 400, "ratio": "3/2", "class": "card-img", "data-card": True},
    "large": {"extends": "card", "width": 800, "quality": "high", "data-card": None},
    "huge": {"extends": "large", "priority": True},
    "plain": {"formats": "", "default": "default.jpg"},
}


@pytest.fixture(autouse=True)
def presets(settings: Settings) -> None:
    settings.RESIZER = {"PRESETS": PRESETS}
    for name in ("a.jpg", "default.jpg"):
        save(name, photograph((1600, 1200)))


def render(text: str, **context: Any) -> str:
    return Template("{% load resizer %}" + text).render(Context(context))


@pytest.mark.parametrize(
    ("preset", "options"),
    [
        ('preset="card"', 'width=400 ratio="3/2" class="card-img" data-card=True'),
        ("preset=name", 'width=400 ratio="3/2" class="card-img" data-card=True'),
        ('preset="large"', 'width=800 ratio="3/2" class="card-img" quality="high"'),
        ('preset="huge"', 'width=800 ratio="3/2" class="card-img" quality="high" priority=True'),
        ('preset="plain"', 'formats=""'),
        ('preset="plain" formats="avif"', 'formats="avif"'),
        ("preset=nothing", ""),
    ],
)
def test_preset_is_short_for_its_options(preset: str, options: str) -> None:
    html = render('{% resized_img "a.jpg" alt="" ' + preset + " %}", name="card", nothing=None)
    assert html == render('{% resized_img "a.jpg" alt="" ' + options + " %}")


@pytest.mark.parametrize(
    ("given", "options"),
    [
        ("width=600", 'width=600 ratio="3/2" class="card-img" data-card=True'),
        ("width=blank", 'width=400 ratio="3/2" class="card-img" data-card=True'),
        ("width=zero", 'width=400 ratio="3/2" class="card-img" data-card=True'),
        ('class="b" data-card=False', 'width=400 ratio="3/2" class="b"'),
        ("width=600 height=300", 'width=600 height=300 class="card-img" data-card=True'),
        ("height=300", 'height=300 ratio="3/2" class="card-img" data-card=True'),
        ('height=300 ratio="1/1"', 'height=300 ratio="1/1" class="card-img" data-card=True'),
    ],
)
def test_options_of_the_tag_win(given: str, options: str) -> None:
    html = render('{% resized_img "a.jpg" alt="" preset="card" ' + given + " %}", blank="", zero=0)
    plain = render('{% resized_img "a.jpg" alt="" ' + options + " %}")
    assert sorted(html.split()) == sorted(plain.split())


def test_flag_of_a_preset_can_be_taken_back() -> None:
    assert "fetchpriority" not in render(
        '{% resized_img "a.jpg" alt="" preset="huge" priority=False %}'
    )


def test_preset_gives_a_default_picture() -> None:
    assert "/img/default.jpg/" in render('{% resized_img nothing alt="" preset="plain" %}')
    assert "/img/default.jpg/" in render('{% resized_url nothing preset="plain" %}')


def test_defaults_are_for_all_pictures(settings: Settings) -> None:
    settings.RESIZER = {
        "PRESETS": PRESETS,
        "DEFAULTS": {
            "quality": "low",
            "height": 200,
            "class": "picture",
            "title": gettext_lazy("T"),
        },
    }
    html = render('{% resized_img "a.jpg" alt="" %}')
    assert html.count("/q-low/") > 4
    assert 'class="picture" title="T"' in html
    assert 'height="200"' in html
    card = render('{% resized_img "a.jpg" alt="" preset="card" %}')
    assert "q-low/" in card
    assert 'class="card-img"' in card
    assert 'width="400" height="267"' in card
    assert "/q-low/" in render('{% resized_url "a.jpg" %}')
    assert "/q-low/" in resizer.picture("a.jpg").html


def test_url_has_the_recipe_of_its_preset() -> None:
    assert render('{% resized_url "a.jpg" preset="large" format="avif" %}').endswith(
        "/3x2,q-high/800.avif"
    )


def test_preset_works_in_python() -> None:
    made = resizer.picture("a.jpg", preset="card", width=600, attributes={"class": "b"})
    assert (made.width, made.height) == (600, 400)
    assert dict(made.attributes)["class"] == "b"


@pytest.mark.parametrize(
    ("tag", "message"),
    [
        ('resized_img "a.jpg" alt="" preset="crad"', "preset='crad' is unknown. Did you mean 'card'?"),
        ('resized_url "a.jpg" preset="xyz"', "Use one of card, huge, large, plain."),
        ('resized_img "a.jpg" alt="" preset="card" width="wide"', "width='wide' is not a size"),
        ('resized_img "a.jpg" alt="" loading="lazzy"', "loading='lazzy' is unknown. Use one of lazy, eager."),
        ('resized_img "a.jpg" alt="" loading=None decoding="later"', "decoding='later' is unknown. Use one of async, sync, auto."),
    ],
)  # fmt: skip
def test_mistake_is_an_error_when_the_template_is_compiled(tag: str, message: str) -> None:
    with pytest.raises(TemplateSyntaxError, match=re.escape(message)):
        Template("{% load resizer %}{% " + tag + " %}")


def test_unknown_preset_from_data_breaks_no_page(settings: Settings) -> None:
    tag = '{% resized_img "a.jpg" alt="" preset=name width=300 %}'
    assert render(tag, name="crad") == render('{% resized_img "a.jpg" alt="" width=300 %}')
    settings.RESIZER = {}
    with pytest.raises(ValueError, match=r"RESIZER\['PRESETS'\] has none\. Add it there"):
        picture.build("a.jpg", preset="card")


def test_size_in_the_place_of_a_preset_is_told_where_it_belongs(settings: Settings) -> None:
    settings.DEBUG = True
    with pytest.raises(ValueError, match=r"tag resized_img\. Write width=600 height=400 to crop"):
        render('{{ "a.jpg"|resized:"600x400" }}')
    with pytest.raises(ValueError, match=r"tag resized_img\. Write width=600\."):
        render('{{ "a.jpg"|resized:600 }}')


@pytest.mark.parametrize(
    ("presets", "message"),
    [
        (["card"], "a dict such as"),
        ({"the card": {}}, "1 to 64 letters"),
        ({7: {}}, "1 to 64 letters"),
        ({"card": "width=400"}, "a dict such as"),
        ({"card": {7: 1}}, "a dict of options and attributes, such as"),
        ({"card": {"alt": ""}}, "without alt, which belongs into the tag"),
        ({"card": {"srcset": ""}}, "without srcset"),
        ({"a": {"extends": "b"}}, "'a' extends 'b', which is unknown"),
        ({"a": {"extends": "b"}, "b": {"extends": "a"}}, "a extends b extends a: that has no end"),
    ],
)
def test_wrong_shape_is_a_wrong_value(presets: object, message: str) -> None:
    _, (problem,) = read_settings({"PRESETS": presets})
    assert problem.id == "resizer.E002"
    assert message in problem.hint


def test_wrong_defaults_are_a_wrong_value() -> None:
    for defaults in (["a"], {1: 2}, {"preset": "card"}):
        _, (problem,) = read_settings({"DEFAULTS": defaults})
        assert problem.id == "resizer.E002"


@pytest.mark.parametrize(
    ("raw", "place", "message"),
    [
        ({"PRESETS": {"card": {"width": "wide"}}}, "PRESETS']['card']", "is not a size"),
        ({"PRESETS": {"card": {"widht": 5}}}, "PRESETS']['card']", "Did you mean width?"),
        ({"PRESETS": {"card": {"crop": "x"}}}, "PRESETS']['card']", 'write ratio="3/2"'),
        ({"DEFAULTS": {"quality": "superb"}}, "DEFAULTS']", "quality='superb' is unknown"),
    ],
)
def test_system_check_finds_mistakes(
    settings: Settings, raw: dict[str, Any], place: str, message: str
) -> None:
    settings.RESIZER = raw
    (error,) = [one for one in run_checks(tags=["resizer"]) if one.id == "resizer.E009"]
    assert error.msg.startswith(f"RESIZER['{place} has a mistake: ")
    assert message in error.msg


def test_right_presets_pass_the_system_check() -> None:
    assert not [one for one in run_checks(tags=["resizer"]) if one.id == "resizer.E009"]


def test_presets_of_any_kind_do_not_keep_the_engine_from_starting(
    settings: Settings,
) -> None:
    """Its process gets the settings, and a lazy text of a project cannot go there."""
    settings.RESIZER = {"DEFAULTS": {"title": gettext_lazy("T"), "data-x": lambda: 1}}
    save("b.jpg")
    assert "/img/b.jpg/" in resizer.url("b.jpg")
