from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.base import ContentFile
from django.template import Context, Template
from django.template.backends.jinja2 import Jinja2
from django.test import RequestFactory
from jinja2 import DictLoader, Environment, StrictUndefined, TemplateSyntaxError, UndefinedError

import resizer
from config.gallery.models import Photo
from tests.conftest import save
from tests.costs import counted
from tests.pictures import photograph

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django import Settings

pytestmark = pytest.mark.django_db

EXTENSION = "resizer.jinja2.ResizerExtension"


def render(text: str, environment: dict[str, Any] | None = None, **context: Any) -> str:
    made = Environment(extensions=[EXTENSION], **{"autoescape": True, **(environment or {})})
    return made.from_string(text).render(context)


def in_django(text: str, **context: Any) -> str:
    return Template("{% load resizer %}" + text).render(Context(context))


TAG = (
    'resized_img photo.image alt=photo.title width=600 ratio="3/2" class="card" data-id=photo.pk'
    ' priority=True x-on:click.once="a < b" hidden=True title=absent'
)


@pytest.mark.parametrize("autoescape", [True, False])
@pytest.mark.parametrize(
    "delimiters",
    [{}, {"block_start_string": "<%", "block_end_string": "%>"}],
    ids=["{% %}", "<% %>"],
)
def test_tag_prints_what_djangos_prints(
    photo: Photo, delimiters: dict[str, str], *, autoescape: bool
) -> None:
    photo.title = 'Cat & "dog"'
    before, after = delimiters.values() or ("{%", "%}")
    html = render(f"{before} {TAG} {after}", {**delimiters, "autoescape": autoescape}, photo=photo)
    assert html == in_django(f"{{% {TAG} %}}", photo=photo)
    assert 'alt="Cat &amp; &quot;dog&quot;"' in html
    assert 'x-on:click.once="a &lt; b"' in html


def test_function_prints_what_the_tag_prints(photo: Photo) -> None:
    function = (
        '{{ resized_img(photo.image, alt=photo.title, width=600, ratio="3/2", class="card",'
        ' priority=True, attributes={"data-id": photo.pk, "x-on:click.once": "a < b"}, hidden=True,'
        " title=absent) }}"
    )
    tag = render(f"{{% {TAG} %}}", photo=photo)
    html = render(function, photo=photo)
    assert sorted(re.split("[ >]", html)) == sorted(re.split("[ >]", tag))


def test_picture_in_a_variable(photo: Photo) -> None:
    text = '{% resized_img photo.image alt="" as cat %}{{ cat.width }} {{ cat.url }}'
    assert render(text, photo=photo) == f"1600 {resizer.picture(photo.image).url}"
    text = "{% set cat = resized_img(photo.image) %}{{ cat.width }} {{ cat.alt }}"
    assert render(text, photo=photo) == "1600 A test picture"


def test_attribute_may_be_called_as(photo: Photo) -> None:
    html = render('{% resized_img photo.image alt="" as="x" as cat %}{{ cat }}', photo=photo)
    assert 'as="x"' in html


def test_url_of_one_variant(photo: Photo) -> None:
    expected = resizer.url(photo.image, width=600, format="jpeg")
    for text in (
        '{% resized_url photo.image width=600 format="jpeg" %}',
        '{{ resized_url(photo.image, width=600, format="jpeg") }}',
        '{% resized_url photo.image width=600 format="jpeg" as url %}{{ url }}',
    ):
        assert render(text, photo=photo) == expected


def test_values_are_expressions(photo: Photo) -> None:
    text = '{% resized_img photo.image alt=("a" ~ "b")|upper width=200 + 100 if big else 100 %}'
    html = render(text, photo=photo, big=True)
    assert 'width="300"' in html
    assert 'alt="AB"' in html


def test_style_sheet_is_printed() -> None:
    link = in_django("{% resized_css %}")
    assert render("{% resized_css %}") == render("{{ resized_css() }}") == link
    assert "<style>" in render("{% resized_css inline=True %}")


def test_page_without_the_style_sheet_is_told_so_in_development(
    photo: Photo, settings: Settings
) -> None:
    settings.DEBUG = True
    tag = "{% resized_img photo.image alt='' %}"

    def page(text: str) -> str:
        request = RequestFactory().get("/", headers={"Sec-Fetch-Dest": "document"})
        return render(text, photo=photo, request=request)

    assert page(tag * 2).count("<script>") == 1
    assert page(BLOCK).count("<script>") == 1
    assert "<script>" not in page("{% resized_css %}" + tag)


def test_devtools_are_printed(settings: Settings) -> None:
    settings.DEBUG = True
    script = in_django("{% resized_devtools %}")
    assert render("{% resized_devtools %}") == render("{{ resized_devtools() }}") == script
    assert script.startswith('<script src="/static/resizer/devtools.js"')


def test_filter_makes_pictures_in_html(photo: Photo) -> None:
    body = f'<p><img src="{photo.image.url}" alt=""></p>'
    html = render("{{ body|resized_html(width=600) }}", body=body)
    assert html == resizer.resized_html(body, width=600)


def test_macros_are_imported(photo: Photo) -> None:
    macro = '{% macro card(p) %}<li>{% resized_img p.image alt="" width=300 %}</li>{% endmacro %}'
    templates = {"macros.html": macro, "again.html": '{% include "macros.html" %}'}
    loader = {"loader": DictLoader(templates)}
    expected = f"<li>{resizer.picture(photo.image, alt='', width=300)}</li>"
    for text in (
        '{% import "macros.html" as m %}{{ m.card(photo) }}',
        '{% from "macros.html" import card with context %}{{ card(photo) }}',
    ):
        assert render(text, loader, photo=photo) == expected


def test_absolute_urls_have_the_host_of_the_request(photo: Photo) -> None:
    request = RequestFactory().get("/")
    for text in (
        "{% resized_url photo.image absolute=True %}",
        "{{ resized_url(photo.image, absolute=True) }}",
    ):
        html = render(text, photo=photo, request=request)
        assert html.startswith("http://testserver/img/")


@pytest.mark.parametrize(
    ("tag", "message"),
    [
        ("resized_img", "resized_img has no original"),
        ('resized_img alt=""', "resized_img has no original"),
        ('resized_img "a.jpg"', "resized_img needs alt"),
        ('resized_img photo.image alt="" widht=3', "Did you mean"),
        ('resized_img photo.image alt="" ratio="wide"', "ratio='wide'"),
        ('resized_img photo.image alt="" alt="x"', "alt twice"),
        ('resized_img photo.image alt="" src="x"', "sets src itself"),
        ("resized_img photo.image alt", "cannot read 'alt'"),
        ('resized_img "https://example.com/a.jpg" alt=""', "https://example.com/a.jpg"),
        ("resized_url photo.image colour=3", "has no option colour"),
        ("resized_url photo.image width=600 as 3", "cannot read 'as'"),
    ],
)
def test_mistake_is_an_error_when_the_template_is_compiled(tag: str, message: str) -> None:
    with pytest.raises(TemplateSyntaxError, match=message) as raised:
        render(f"\n{{% {tag} %}}")
    assert raised.value.lineno == 2


def test_wrong_data_is_left_out_in_production_and_an_error_in_development(
    photo: Photo, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    texts = (
        '{% resized_img photo.image alt="" ratio=ratio %}',
        '{{ resized_img(photo.image, alt="", ratio=ratio) }}',
    )
    for text in texts:
        assert render(text, photo=photo, ratio="wide") == render(text, photo=photo, ratio="")
    assert "ignores ratio from a variable" in caplog.text
    settings.DEBUG = True
    for text in texts:
        with pytest.raises(ValueError, match="ratio"):
            render(text, photo=photo, ratio="wide")


def test_wrong_name_in_a_function_is_told_in_production_and_an_error_in_development(
    photo: Photo, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    text = '{{ resized_img(photo.image, alt="", crop="wide", src="x") }}'
    assert 'src="x"' not in render(text, photo=photo)
    assert "resized_img has no option crop." in caplog.text
    settings.DEBUG = True
    with pytest.raises(ValueError, match="crop"):
        render(text, photo=photo)


@pytest.mark.parametrize(
    "text", ["{% resized_img absent alt=absent width=absent %}", "{{ resized_img(absent) }}"]
)
def test_undefined_variables_are_not_given(photo: Photo, text: str) -> None:
    assert render(text) == ""
    with pytest.raises(UndefinedError):
        render(text, {"undefined": StrictUndefined})


def test_undefined_option_is_not_given_unless_undefined_is_strict(photo: Photo) -> None:
    text = "{% resized_img photo.image alt='' width=absent %}"
    assert render(text, photo=photo) == resizer.picture(photo.image, alt="").html
    with pytest.raises(UndefinedError):
        render(text, {"undefined": StrictUndefined}, photo=photo)


def test_warm_page_makes_one_cache_call_and_no_query() -> None:
    for number in range(24):
        Photo(title=str(number)).image.save(f"{number}.jpg", ContentFile(photograph()))
    photos = list(Photo.objects.all())
    text = "{% for photo in photos %}{% resized_img photo.image alt='' width=300 %}{% endfor %}"
    template = Environment(extensions=[EXTENSION]).from_string(text)
    cold = template.render(photos=photos)
    with counted() as costs:
        resizer.prefetch(photos, "image")
        assert template.render(photos=photos) == cold
    assert costs == (["read_many"], [], [])


def test_backend_of_django_takes_the_extension(photo: Photo, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text('{% resized_img photo.image alt="" %}')
    backend = Jinja2(
        {
            "NAME": "jinja2",
            "DIRS": [tmp_path],
            "APP_DIRS": False,
            "OPTIONS": {"extensions": [EXTENSION]},
        }
    )
    html = backend.get_template("page.html").render({"photo": photo})
    assert html == resizer.picture(photo.image, alt="").html


def test_name_of_an_original(photo: Photo) -> None:
    save("a.jpg")
    assert "/img/a.jpg/" in render('{% resized_img "a.jpg" alt="" %}')


BLOCK = """{% resized_picture %}
  {% resized_source photo.image media="(max-width: 600px)" ratio="4/5" %}
  {% resized_img photo.image alt="A cat" ratio="21/9" class="hero" %}
{% endresized_picture %}"""


def test_art_direction_prints_what_djangos_prints(photo: Photo) -> None:
    html = render(BLOCK, photo=photo)
    assert html == in_django(BLOCK, photo=photo)
    assert html.count("<source ") == 3
    function = (
        '{{ resized_picture(resized_img(photo.image, alt="A cat", ratio="21/9", class="hero"),'
        ' resized_source(photo.image, media="(max-width: 600px)", ratio="4/5")) }}'
    )
    assert render(function, photo=photo) == html
    loop = "{% for p in photos %}" + BLOCK.replace("photo.", "p.") + "{% endfor %}"
    assert render(loop, photos=[photo, photo]) == html * 2
    choice = BLOCK.replace("{% resized_source", "{% if on %}{% resized_source").replace(
        '"4/5" %}', '"4/5" %}{% endif %}'
    )
    assert render(choice, photo=photo, on=True).strip() == html
    assert render(choice, photo=photo).count("<source ") == 1


@pytest.mark.parametrize("wrong", ["photo.image", "absent", "'a.jpg'"])
def test_only_pictures_make_art_direction(
    photo: Photo, settings: Settings, wrong: str, caplog: pytest.LogCaptureFixture
) -> None:
    source = 'resized_source(photo.image, media="print")'
    assert render(f"{{{{ resized_picture({wrong}, {source}) }}}}", photo=photo) == ""
    image = 'resized_img(photo.image, alt="A cat", width=48)'
    html = render(f"{{{{ resized_picture({image}, {wrong}) }}}}", photo=photo)
    assert html == render(f"{{{{ {image} }}}}", photo=photo)
    (message,) = caplog.messages
    assert "resized_picture takes resized_img(…) and resized_source(…), not " in message
    settings.DEBUG = True
    with pytest.raises(TypeError, match="resized_picture takes"):
        render(f"{{{{ resized_picture({wrong}) }}}}", photo=photo)


def test_absolute_urls_of_art_direction_are_those_of_its_sources_too(photo: Photo) -> None:
    values: dict[str, Any] = {"photo": photo, "request": RequestFactory().get("/")}
    block = BLOCK.replace('class="hero"', "absolute=True")
    function = (
        '{{ resized_picture(resized_img(photo.image, alt="A cat", ratio="21/9", absolute=True),'
        ' resized_source(photo.image, media="(max-width: 600px)", ratio="4/5")) }}'
    )
    html = render(block, **values)
    assert html == in_django(block, **values) == render(function, **values)
    assert html.count("http://testserver/img/") == html.count("/img/") > 20


def test_art_direction_in_a_variable(photo: Photo) -> None:
    text = BLOCK.replace("resized_picture %}", "resized_picture as hero %}", 1) + "{{ hero.width }}"
    assert render(text, photo=photo) == "1600"
    assert render(BLOCK, photo=Photo()) == ""


def test_pictures_before_and_after_art_direction_are_printed(photo: Photo) -> None:
    tag = '{% resized_img photo.image alt="" width=48 %}'
    alone = render(tag, photo=photo)
    assert render(tag + BLOCK + tag, photo=photo) == alone + render(BLOCK, photo=photo) + alone


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("{% resized_picture %}{% endresized_picture %}", "needs a resized_img"),
        ("{% resized_picture width=3 %}{% endresized_picture %}", "has no options"),
        (BLOCK.replace("ratio=", "raito="), "Did you mean"),
        (BLOCK.replace(' media="(max-width: 600px)"', ""), "needs media"),
        (BLOCK.replace("{% resized_img", "text{% resized_img"), "has text in it"),
        (BLOCK.replace("{% resized_img", "{{ photo }}{% resized_img"), "has text in it"),
        (BLOCK.replace("{% resized_img", BLOCK + "{% resized_img"), "stands in another one"),
        ('{% resized_source photo.image media="print" %}', "stands outside of resized_picture"),
    ],
)
def test_mistake_in_art_direction_is_an_error_when_the_template_is_compiled(
    photo: Photo, block: str, message: str
) -> None:
    with pytest.raises(TemplateSyntaxError, match=message):
        render(block, photo=photo)


def test_undefined_original_is_told_in_development(
    photo: Photo, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    text = '{% resized_img phto alt="" %}{% resized_img photo.imgae alt="" %}{% resized_img none.image alt="" %}'
    assert render(text, photo=photo, none=None) == ""
    assert not caplog.records
    settings.DEBUG = True
    assert render(text, photo=photo, none=None) == ""
    assert [message.partition(": ")[2] for message in caplog.messages] == [
        "phto is undefined. Correct its name, or pass it to the template.",
        "imgae is undefined. Correct its name, or pass it to the template.",
    ]
