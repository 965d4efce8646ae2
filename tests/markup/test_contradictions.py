"""Options of one tag, two by two: both have an effect, or the template does not compile."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any

import pytest
from django.core.checks import run_checks
from django.template import Context, Template, TemplateSyntaxError
from jinja2 import Environment
from jinja2 import TemplateSyntaxError as JinjaSyntaxError

import resizer
from tests.conftest import save
from tests.markup.test_picture import animate, candidates
from tests.pictures import photograph

if TYPE_CHECKING:
    from pytest_django import Settings

pytestmark = pytest.mark.django_db

#: Each option with a value that is likely to be at odds with others.
OPTIONS = {
    "width": "width=400",
    "height": "height=450",
    "ratio": 'ratio="1/1"',
    "fit": 'fit="contain"',
    "focal": 'focal="10,10"',
    "quality": 'quality="lossless"',
    "linear": "linear=True",
    "sizes": 'sizes="50vw"',
    "columns": "columns=6",
    "container": "container=900",
    "layout": 'layout="fixed"',
    "exact": "exact=True",
    "formats": 'formats="avif"',
    "priority": "priority=True",
}
#: An option without an effect alone, and what it needs.
NEEDS = {"fit": {"ratio", "width"}, "focal": {"ratio"}, "layout": {"width"}, "exact": {"width"}}
CONTRADICT = {
    ("sizes", "columns"),
    ("sizes", "container"),
    ("sizes", "layout"),
    ("columns", "layout"),
    ("container", "layout"),
    ("sizes", "exact"),
    ("columns", "exact"),
    ("container", "exact"),
    ("fit", "exact"),
    ("fit", "focal"),
    ("quality", "formats"),
}
#: Say the same: an exact picture is fixed anyway.
ALIKE = {("layout", "exact"): {"layout", "exact"}}
PAIRS = list(itertools.combinations(OPTIONS, 2))


@pytest.fixture(autouse=True)
def original(settings: Settings) -> None:
    settings.RESIZER = {"EXACT_WIDTHS": [400], "FORMATS": ["avif", "webp"]}
    save("a.jpg", photograph((1600, 1200)))
    resizer.url("a.jpg")


def render(options: str, **context: Any) -> str:
    tag = f'{{% load resizer %}}{{% resized_img "a.jpg" alt="" {options} %}}'
    return Template(tag).render(Context(context))


def write(names: set[str]) -> str:
    return " ".join(OPTIONS[name] for name in sorted(names))


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_both_options_have_an_effect_or_are_a_mistake(one: str, other: str) -> None:
    needed = NEEDS.get(one, set()) | NEEDS.get(other, set())
    both = {one, other} | needed
    if both >= {"width", "height", "ratio"}:
        both -= {"width"} if "height" in {one, other} else {"height"}
    if (one, other) in CONTRADICT:
        with pytest.raises(TemplateSyntaxError, match=r"Remove one|needs another format"):
            render(write(both))
        return
    html = render(write(both))
    for name in {one, other} - needed - ALIKE.get((one, other), set()):
        assert html != render(write(both - {name}))


ADVICE = [
    ('sizes="50vw" columns=3', "sizes and columns are given. Remove one: sizes is the whole attribute."),
    ('sizes="50vw" container=9', "sizes and container are given. Remove one: sizes is the whole attribute."),
    ('columns=3 layout="fixed" width=400', 'layout="fixed" and columns are given. Remove one: a fixed picture prints no sizes.'),
    ("exact=True width=400 columns=3", "exact=True and columns are given. Remove one: an exact picture prints no sizes."),
    ('exact=True width=400 layout="fluid"', 'exact=True and layout="fluid" are given. Remove one: an exact picture is fixed.'),
    ('exact=True width=400 height=300 fit="contain"', 'exact=True and fit="contain" are given. Remove one: the width depends on the original.'),
    ('fit="fill" ratio="1/1" focal="auto"', "fit and focal are given. Remove one: this fit crops nothing."),
    ('quality="lossless" formats="avif"', 'quality="lossless" needs another format. Use webp, or another quality.'),
    ('width=400 height=400 ratio="1/1"', "width, height and ratio are given. Remove one: two give the third."),
    ('priority=True loading="lazy"', 'priority=True and loading="lazy" are given. Remove one.'),
    ('priority=True fetchpriority="low"', 'priority=True and fetchpriority="low" are given. Remove one.'),
    ("exact=True height=300", "exact=True needs width."),
    ("width=200 columns=3", 'width=200 and columns are given. Remove one, or write layout="fluid": a small picture prints no sizes.'),
    ('width=200 sizes="50vw"', 'width=200 and sizes are given. Remove one, or write layout="fluid"'),
]  # fmt: skip


@pytest.mark.parametrize(("options", "problem"), ADVICE)
def test_contradiction_is_an_error_when_the_template_compiles(options: str, problem: str) -> None:
    jinja = Environment(extensions=["resizer.jinja2.ResizerExtension"])
    for mistake, compile in ((TemplateSyntaxError, render), (JinjaSyntaxError, jinja.from_string)):
        text = options if compile is render else f'{{% resized_img "a.jpg" alt="" {options} %}}'
        with pytest.raises(mistake, match=re.escape(problem)):
            compile(text)


@pytest.mark.parametrize("tag", ["resized_url", "resized_srcset"])
def test_format_that_cannot_be_lossless_is_an_error_when_the_template_compiles(tag: str) -> None:
    with pytest.raises(TemplateSyntaxError, match=r"needs another format\. Use webp"):
        Template(f'{{% load resizer %}}{{% {tag} "a.jpg" quality="lossless" format="avif" %}}')


def test_picture_may_have_a_low_priority() -> None:
    html = render('fetchpriority="low"')
    assert 'loading="lazy" decoding="async" fetchpriority="low"' in html


def test_width_limits_columns() -> None:
    """`columns` says how many stand side by side, `width` how wide one is at most: both hold."""
    sizes = "(min-width: 1024px) min(33.4vw, 400px), (min-width: 768px) min(50vw, 400px), min(100vw, 400px)"
    assert f'sizes="auto, {sizes}"' in render("columns=3 width=400")
    assert resizer.picture("a.jpg", columns=3, width=200, layout="fluid").sizes.endswith(
        "min(100vw, 200px)"
    )


@pytest.mark.parametrize(
    ("options", "values", "same_as"),
    [
        ("sizes=a columns=3", {"a": "50vw"}, "columns=3"),
        ('layout="fixed" width=a columns=b', {"a": 400, "b": 3}, 'layout="fixed"'),
        ("quality=a formats='avif'", {"a": "lossless"}, 'formats="avif"'),
        ('quality="lossless" formats=a', {"a": "avif"}, 'quality="lossless"'),
        ("exact=True width=a", {"a": 33}, ""),
    ],
)
def test_contradiction_from_data_breaks_no_page(
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
    options: str,
    values: dict[str, Any],
    same_as: str,
) -> None:
    assert render(options, **values) == render(same_as)
    assert "from a variable" in caplog.text
    settings.DEBUG = True
    with pytest.raises(ValueError, match=r"Remove one|needs another format|EXACT_WIDTHS"):
        render(options, **values)


@pytest.mark.parametrize(
    ("options", "same_as"),
    [
        ("exact=True width=a", "exact=True width=400"),
        ("exact=True width=blank", ""),
        ('sizes="50vw" columns=blank', 'sizes="50vw"'),
        ('fit="contain" width=a height=a focal=blank', 'fit="contain" width=400 height=400'),
        ("loading=lazy priority=True", 'loading="lazy"'),
    ],
)
def test_empty_value_from_data_contradicts_nothing(
    settings: Settings, options: str, same_as: str
) -> None:
    settings.DEBUG = True
    assert render(options, a=400, blank="", lazy="lazy") == render(same_as)


@pytest.mark.parametrize(
    ("preset", "options", "same_as"),
    [
        ({"columns": 3, "container": 900}, 'sizes="50vw"', 'sizes="50vw"'),
        ({"sizes": "50vw"}, "columns=3", "columns=3"),
        ({"layout": "fixed", "width": 400}, "columns=3", "width=400 columns=3"),
        ({"columns": 3}, 'layout="fixed" width=400', 'layout="fixed" width=400'),
        ({"columns": 3}, "exact=True width=400", "exact=True width=400"),
        ({"columns": 3}, "width=200", "width=200"),
        ({"exact": True, "width": 400}, 'layout="fluid"', 'width=400 layout="fluid"'),
        ({"exact": True, "width": 400}, "columns=3", "width=400 columns=3"),
        # Neither says that the picture is to be cropped.
        ({"fit": "contain", "width": 400}, 'height=200 focal="10,10"', 'fit="contain" width=400 height=200'),
        ({"focal": "10,10"}, 'fit="fill" ratio="1/1"', 'fit="fill" ratio="1/1"'),
        ({"fit": "contain", "height": 200}, "exact=True width=400", 'fit="contain" width=400 height=200'),
        ({"formats": "avif"}, 'quality="lossless"', 'quality="lossless"'),
        ({"quality": "lossless"}, 'formats="avif"', 'formats="avif"'),
        ({"quality": "lossless"}, 'formats=""', 'quality="lossless" formats=""'),
        ({"loading": "lazy"}, "priority=True", "priority=True"),
        ({"priority": True}, 'loading="lazy"', 'loading="lazy"'),
    ],
)  # fmt: skip
def test_tag_wins_over_its_preset(
    settings: Settings, preset: dict[str, Any], options: str, same_as: str
) -> None:
    expected = sorted(render(same_as).split())
    plain = settings.RESIZER
    settings.DEBUG = True
    for below in ({"PRESETS": {"p": preset}}, {"DEFAULTS": preset, "PRESETS": {"p": {}}}):
        settings.RESIZER = {**plain, **below}
        assert not [one for one in run_checks(tags=["resizer"]) if one.id == "resizer.E009"]
        assert sorted(render(f'preset="p" {options}').split()) == expected


def test_preset_that_contradicts_itself_is_found_by_the_system_check(settings: Settings) -> None:
    settings.RESIZER = {"PRESETS": {"p": {"sizes": "50vw", "columns": 3}}}
    (error,) = [one for one in run_checks(tags=["resizer"]) if one.id == "resizer.E009"]
    assert "sizes and columns are given" in error.msg


def test_wrong_format_of_a_preset_is_told_as_such(settings: Settings) -> None:
    settings.RESIZER = {"PRESETS": {"p": {"formats": "gif"}}}
    with pytest.raises(TemplateSyntaxError, match="format 'gif' is not offered"):
        render('preset="p" quality="lossless"')


def test_exact_picture_has_exactly_its_widths() -> None:
    """Above the first of `WIDTHS`, too, where other pictures are fluid."""
    made = resizer.picture("a.jpg", width=400, exact=True)
    assert candidates(made.srcset) == ["400.jpg 1x", "800.jpg 2x"]
    assert made.sizes == ""


def test_lossless_picture_has_the_formats_of_the_tag() -> None:
    assert resizer.picture("a.jpg", quality="lossless", formats="").candidates == ()
    (webp,) = resizer.picture("a.jpg", quality="lossless", formats="avif webp").candidates
    assert webp.content_type == "image/webp"


def test_formats_are_for_originals_that_stand_still() -> None:
    """Whether an original moves, the template cannot know."""
    animate()
    still, moving = resizer.picture("a.gif", animated=True, formats="avif").candidates
    assert (still.media[:8], moving.content_type) == ("(prefers", "image/webp")


@pytest.mark.parametrize(
    ("preset", "ratio"),
    [
        ({"height": 400, "ratio": "3/2"}, 3 / 2),
        ({"exact": True, "width": 400}, 4 / 3),
        ({"layout": "fixed", "width": 400}, 4 / 3),
    ],
)
def test_width_of_an_editor_contradicts_no_preset(
    settings: Settings, preset: dict[str, Any], ratio: float
) -> None:
    settings.DEBUG = True
    settings.RESIZER = {"PRESETS": {"p": preset}, "EXACT_WIDTHS": [400]}
    html = resizer.resized_html('<img src="/originals/a.jpg" alt="" width="330">', preset="p")
    assert f'width="330" height="{round(330 / ratio)}"' in html


def test_height_limits_a_background() -> None:
    css = Template('{% load resizer %}{% resized_background "a.jpg" height=300 %}').render(
        Context()
    )
    assert "/480.avif) 1x" in css
    assert "/800.avif) 2x" in css
