from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from django.template import Context, Template, TemplateSyntaxError
from jinja2 import Environment

import resizer
from resizer.markup.background import check_background
from tests.conftest import save
from tests.costs import counted
from tests.pictures import draw, encode, photograph

if TYPE_CHECKING:
    from pytest_django import Settings

pytestmark = pytest.mark.django_db

NAMES = ("resized_srcset", "resized_preload", "resized_background")


@pytest.fixture(autouse=True)
def a() -> None:
    save("a.jpg")


def render(tag: str, **context: Any) -> str:
    """The same in both template languages."""
    html = Template(f"{{% load resizer %}}{{% {tag} %}}").render(Context(context))
    jinja = Environment(extensions=["resizer.jinja2.ResizerExtension"], autoescape=True)
    assert jinja.from_string(f"{{% {tag} %}}").render(context) == html
    return html


def short(text: str) -> str:
    """Without the paths of keys."""
    return re.sub(r"/img/[^ )\"]*/(\d+\.\w+)", r"\1", text)


def moving() -> bytes:
    frames = [draw((64, 48)), draw((64, 48)).rotate(180)]
    return encode(frames[0], "GIF", save_all=True, append_images=frames[1:])


# --- resized_srcset


def test_srcset_of_the_fallback() -> None:
    picture = resizer.picture("a.jpg", width=600)
    assert render('resized_srcset "a.jpg" width=600') == picture.srcset


def test_srcset_of_a_modern_format() -> None:
    (avif,) = resizer.picture("a.jpg", width=600, ratio="3/2").candidates
    text = 'resized_srcset "a.jpg" width=600 ratio="3/2" format="avif"'
    assert render(text) == avif.srcset


def test_srcset_of_an_original_as_it_is_is_its_url() -> None:
    save("a.svg", b"<svg/>")
    assert render('resized_srcset "a.svg"') == "/originals/a.svg"
    assert render('resized_srcset "a.svg" format="avif"') == ""


# --- resized_preload


def test_preload_has_what_the_browser_chooses_by() -> None:
    picture = resizer.picture("a.jpg", width=600, priority=True)
    assert render('resized_preload "a.jpg" width=600') == (
        f'<link rel="preload" as="image" type="image/avif" imagesrcset="{picture.candidates[0].srcset}"'
        f' imagesizes="{picture.sizes}" fetchpriority="high">'
    )


def test_preload_of_an_icon_has_no_sizes() -> None:
    assert short(render('resized_preload "a.jpg" width=48')) == (
        '<link rel="preload" as="image" type="image/avif" imagesrcset="48.avif 1x, 96.avif 2x" fetchpriority="high">'
    )


def test_preload_without_modern_formats_is_of_the_fallback(settings: Settings) -> None:
    settings.RESIZER = {"FORMATS": []}
    html = render('resized_preload "a.jpg" width=48')
    assert 'type="image/jpeg" imagesrcset="' in html


def test_preload_of_a_moving_picture_is_not_for_visitors_who_want_less_motion() -> None:
    save("a.gif", moving())
    html = render('resized_preload "a.gif" animated=True')
    assert 'type="image/webp"' in html
    assert 'media="(prefers-reduced-motion: no-preference)"' in html


def test_preload_of_an_original_as_it_is_has_its_url() -> None:
    save("a.svg", b"<svg/>")
    assert render('resized_preload "a.svg"') == (
        '<link rel="preload" as="image" href="/originals/a.svg" fetchpriority="high">'
    )


# --- resized_background


def test_background_of_a_style_attribute() -> None:
    assert short(render('resized_background "a.jpg" width=600')) == (
        "background-image: url(640.jpg); background-image: image-set("
        "url(640.avif) 1x type(&#x27;image/avif&#x27;), url(1200.avif) 2x type(&#x27;image/avif&#x27;), "
        "url(640.jpg) 1x type(&#x27;image/jpeg&#x27;), url(1200.jpg) 2x type(&#x27;image/jpeg&#x27;))"
    )


def test_background_of_an_icon() -> None:
    html = short(render('resized_background "a.jpg" width=24'))
    assert "url(24.avif) 1x" in html
    assert "url(48.avif) 2x" in html


def test_background_of_a_style_attribute_without_a_width_is_of_a_usual_one() -> None:
    html = short(render('resized_background "a.jpg"'))
    assert "url(1200.avif) 1x" in html
    assert "url(1600.avif) 2x" in html
    assert "@media" not in html


def test_background_of_a_selector_changes_with_the_window() -> None:
    save("wide.jpg", photograph((4000, 500)))
    html = short(render('resized_background "wide.jpg" selector=".hero > a"'))
    assert html.startswith("<style>.hero > a{background-image: url(480.jpg); background-image: ")
    assert html.endswith("))}}</style>")
    rules = [rule.partition("px")[0] for rule in html.split("@media (min-width: ")]
    assert rules[1:] == ["481", "801", "1201", "1601"]
    widths = [re.findall(r"url\((\d+)\.avif\)", rule) for rule in html.split("@media")]
    assert widths == [
        ["480", "1080"],
        ["800", "1600"],
        ["1200", "2560"],
        ["1600", "2560"],
        ["2560"],
    ]


def test_background_of_a_selector_has_the_nonce_of_the_page() -> None:
    html = render('resized_background "a.jpg" selector=".hero" width=600', csp_nonce="abc")
    assert html.startswith('<style nonce="abc">.hero{')
    assert "@media" not in html


def test_background_of_an_original_as_it_is_is_its_url() -> None:
    save("a.svg", b"<svg/>")
    assert render('resized_background "a.svg" selector="p"') == (
        "<style>p{background-image: url(/originals/a.svg)}</style>"
    )
    name = save("it's (1).svg", b"<svg/>")
    html = render("resized_background name selector='p'", name=name)
    assert not re.search(r"[()'\s]", html.partition("url(")[2].partition(")}")[0])


def test_background_has_each_rule_once() -> None:
    save("small.jpg", photograph((400, 300)))
    html = render('resized_background "small.jpg" selector="p"')
    assert html.count("p{") == 1


@pytest.mark.parametrize(
    "selector",
    [
        "p{",
        "</style>",
        "a}b",
        '@import "//evil.example/x.css";.hero',
        "@import url(//evil.example/x.css);.hero",
        ".hero;",
        "/* .hero",
        ".hero */",
        '.hero"',
        '[a="b]',
        '[a="b"',
        '[a="</style>"]',
        ".hero\\",
        "p\0",
    ],
)
def test_selector_cannot_end_the_style_or_begin_another_rule(selector: str) -> None:
    with pytest.raises(ValueError, match="selector"):
        check_background(selector=selector)
    assert render("resized_background 'a.jpg' width=48 selector=s", s=selector) == render(
        "resized_background 'a.jpg' width=48"
    )


def test_wrong_selector_in_a_template_is_told_when_it_is_compiled() -> None:
    with pytest.raises(TemplateSyntaxError, match="selector"):
        Template("{% load resizer %}{% resized_background 'a.jpg' selector='p{' %}")


@pytest.mark.parametrize(
    "selector",
    [
        "#top .größe > a, h1 + p ~ *",
        "a:not(.b)::before",
        "li:nth-child(2n+1)",
        r".md\:w-1\/2",
        '[data-kind="a; b/*"]',
        "a[href^='https://example.org/' i]",
        "[hidden][lang|=de]",
    ],
)
def test_selector_of_any_kind_is_printed(selector: str) -> None:
    html = render("resized_background 'a.jpg' width=48 selector=s", s=selector)
    assert html.startswith(f"<style>{selector}{{")


# --- all


@pytest.mark.parametrize("name", NAMES)
def test_empty_field_prints_nothing(name: str) -> None:
    assert render(f"{name} absent") == ""
    assert render(f"{name} absent selector='p'" if "ground" in name else f"{name} absent") == ""


@pytest.mark.parametrize("name", NAMES)
def test_default_takes_the_place_of_an_empty_field(name: str) -> None:
    assert render(f"{name} absent width=48 default='a.jpg'") == render(f"{name} 'a.jpg' width=48")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("option", ["alt='x'", "class='x'", "ratio='wide'"])
def test_mistake_is_an_error_when_the_template_is_compiled(name: str, option: str) -> None:
    with pytest.raises(TemplateSyntaxError, match=name):
        Template(f"{{% load resizer %}}{{% {name} 'a.jpg' {option} %}}")


@pytest.mark.parametrize("format", ["jpeg", "bmp"])
def test_srcset_has_modern_formats_only(format: str) -> None:
    with pytest.raises(TemplateSyntaxError, match=format):
        Template(f"{{% load resizer %}}{{% resized_srcset 'a.jpg' format='{format}' %}}")


@pytest.mark.parametrize("name", NAMES)
def test_piece_of_a_known_original_makes_one_cache_call(name: str) -> None:
    template = Template(f"{{% load resizer %}}{{% {name} 'a.jpg' width=600 %}}")
    cold = template.render(Context())
    with counted() as costs:
        assert template.render(Context()) == cold
    assert costs == (["read"], [], [])
