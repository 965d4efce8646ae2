from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import django
import jinja2
import pytest
from django.core.files.storage import storages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.forms import modelform_factory
from django.template import Context, RequestContext, Template, TemplateSyntaxError
from django.template.loader import render_to_string
from django.test import RequestFactory
from django.utils.html import strip_tags
from django.utils.safestring import mark_safe

import resizer
from config.gallery.models import Photo
from resizer import originals, store
from resizer.errors import OriginalNotFound
from resizer.markup import picture
from resizer.markup.vocabulary import RESIZED_IMG, RESIZED_URL
from tests.conftest import save
from tests.pictures import photograph
from tests.test_originals import raising  # noqa: F401  # a fixture

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest
    from pytest_django import DjangoAssertNumQueries, Settings

pytestmark = pytest.mark.django_db


def render(text: str, **context: Any) -> str:
    return Template("{% load resizer %}" + text).render(Context(context))


def test_picture_of_a_model_field(photo: Photo) -> None:
    html = render('{% resized_img photo.image alt="A test" %}', photo=photo)
    assert html.startswith(
        '<picture><source type="image/avif;codecs=av01" srcset="/img/photographs/test.jpg/'
    )
    assert 'alt="A test"' in html
    assert 'width="1600"' in html
    assert 'height="1200"' in html


def page(text: str, request: HttpRequest, **context: Any) -> str:
    """Rendered for a request, with the nonce that Django's context processor gives."""
    return Template("{% load resizer %}" + text).render(RequestContext(request, context))


def document() -> HttpRequest:
    return RequestFactory().get("/", headers={"Sec-Fetch-Dest": "document"})


def test_style_sheet_is_linked() -> None:
    assert (
        render("{% resized_css %}") == '<link rel="stylesheet" href="/static/resizer/resizer.css">'
    )


def test_style_sheet_in_a_page_has_its_nonce() -> None:
    html = render("{% resized_css inline=True %}", csp_nonce="x")
    assert html.startswith('<style nonce="x">@layer resizer{:where(:root){--resizer-css:1;}')
    assert html.endswith("{object-fit:fill;}}</style>")
    assert "/*" not in html
    assert render("{% resized_css inline=True %}").startswith("<style>@layer")
    request = document()
    request._csp_nonce = "y"  # type: ignore[attr-defined]
    assert page("{% resized_css inline=True %}", request).startswith('<style nonce="y">')


def test_style_sheet_is_in_the_page_if_nothing_serves_static_files(settings: Settings) -> None:
    settings.INSTALLED_APPS = ["resizer"]
    assert render("{% resized_css %}").startswith("<style>@layer")


@pytest.mark.parametrize("bits", ["inline", "inline=yes", "nonce=x", "inline=True as it"])
def test_style_sheet_has_one_option(bits: str) -> None:
    with pytest.raises(TemplateSyntaxError, match="inline=True for a style element"):
        Template("{% load resizer %}{% resized_css " + bits + " %}")


PICTURE = '{% resized_img photo.image alt="" %}'


def test_page_without_the_style_sheet_is_told_of_once(
    photo: Photo, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.DEBUG = True
    directed = (
        "{% resized_picture %}{% resized_source photo.image media='print' %}"
        "{% resized_img photo.image alt='' %}{% endresized_picture %}"
    )
    for text in (PICTURE * 3, directed):
        html = page(text, document(), photo=photo)
        assert html.count("<script>") == 1
        assert "</picture><script>" in html
        assert "{% load resizer %}{% resized_css %}" in html
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "Write {% load resizer %}{% resized_css %} in its head" in record.message


@pytest.mark.parametrize(
    ("text", "request_of", "debug"),
    [
        ("{% resized_css %}" + PICTURE, document, True),
        ("{% resized_css inline=True %}" + PICTURE, document, True),
        (PICTURE, document, False),
        (PICTURE, RequestFactory(headers={"Sec-Fetch-Dest": "empty"}).get, True),
        ('{% resized_img "" alt="" %}', document, True),
    ],
    ids=["linked", "inline", "production", "fragment", "no picture"],
)
def test_other_pages_are_not_told_of(
    photo: Photo,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
    text: str,
    request_of: Callable[..., HttpRequest],
    debug: bool,
) -> None:
    settings.DEBUG = debug
    request = request_of() if request_of is document else request_of("/")
    assert "<script" not in page(text, request, photo=photo)
    assert "<script" not in render(text, photo=photo)
    assert not caplog.records


def test_policy_decides_whether_the_console_is_told(
    photo: Photo, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.DEBUG = True
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "csp.middleware.CSPMiddleware"]
    settings.CONTENT_SECURITY_POLICY = {"DIRECTIVES": {"script-src": ["<CSP_NONCE_SENTINEL>"]}}
    assert "<script" not in page(PICTURE, document(), photo=photo)
    assert '<script nonce="n">' in page(PICTURE, document(), photo=photo, CSP_NONCE="n")
    assert len(caplog.records) == 1


@pytest.mark.skipif(django.VERSION < (6, 0), reason="Django 5.2 has no policy of its own")
@pytest.mark.parametrize(
    ("policy", "with_nonce", "without_nonce"),
    [
        ({"script-src": ["<CSP_NONCE_SENTINEL>"]}, True, False),
        ({"default-src": ["<CSP_NONCE_SENTINEL>"]}, True, False),
        ({"default-src": ["'self'"]}, False, False),
        # It says nothing of scripts.
        ({"img-src": ["'self'"]}, True, True),
    ],
)
def test_policy_of_django_decides_whether_the_console_is_told(
    photo: Photo,
    settings: Settings,
    policy: dict[str, list[str]],
    with_nonce: bool,
    without_nonce: bool,
) -> None:
    settings.DEBUG = True
    settings.MIDDLEWARE = [
        *settings.MIDDLEWARE,
        "django.middleware.csp.ContentSecurityPolicyMiddleware",
    ]
    settings.SECURE_CSP = policy
    html = page(PICTURE, document(), photo=photo, csp_nonce="n")
    assert ('<script nonce="n">' in html) is with_nonce
    assert ("<script>" in page(PICTURE, document(), photo=photo)) is without_nonce


def test_picture_by_name() -> None:
    save("photos/a.jpg")
    assert "/img/photos/a.jpg/" in render('{% resized_img "photos/a.jpg" alt="" %}')


def test_name_may_be_translated() -> None:
    save("a.jpg")
    assert "/img/a.jpg/" in render("""{% resized_img _("a.jpg") alt=_("A cat") %}""")


def test_options_come_from_the_context(photo: Photo) -> None:
    html = render(
        "{% resized_img photo.image alt=photo.alt width=width|add:100 ratio=ratio priority=first %}",
        photo=photo,
        width=500,
        ratio="2/1",
        first=True,
    )
    assert 'alt="A test picture"' in html
    assert 'width="600"' in html
    assert 'height="300"' in html
    assert 'fetchpriority="high"' in html


def test_other_names_are_attributes(photo: Photo) -> None:
    html = render(
        '{% resized_img photo.image alt="" class="card wide" data-id=photo.pk '
        'hx-get="/x?a=b" aria-hidden="true" @click="go" itemprop=True title="T" onfit="go" %}',
        photo=photo,
    )
    assert 'class="card wide"' in html
    assert f'data-id="{photo.pk}"' in html
    assert 'hx-get="/x?a=b"' in html
    assert 'aria-hidden="true"' in html
    assert '@click="go"' in html
    assert ' itemprop title="T" onfit="go">' in html


def test_values_are_escaped(photo: Photo) -> None:
    html = render(
        "{% resized_img photo.image alt=bad title=bad sizes=bad %}",
        photo=photo,
        bad='"><script>alert(1)</script>',
    )
    assert "<script>" not in html
    assert html.count("&lt;script&gt;") >= 3


@pytest.mark.parametrize(
    "value",
    [
        """'The "Bean"'""",
        """_('The "Bean"')""",
        "safe|striptags",
        "safe",
        """'The "Bean"'|default:''""",
    ],
)
def test_quotes_do_not_end_an_attribute(photo: Photo, value: str) -> None:
    html = render(
        f"{{% resized_img photo.image alt={value} title={value} data-x={value} class={value} %}}",
        photo=photo,
        safe=mark_safe('The "Bean"'),
    )
    for name in ("alt", "title", "data-x", "class"):
        assert f'{name}="The &quot;Bean&quot;"' in html


def test_alternative_text_of_a_variable_stands_in_an_attribute(photo: Photo) -> None:
    html = render(
        """{% resized_img photo.image alt='The "Bean" &amp; I' as it %}<b title="{{ it.alt }}">""",
        photo=photo,
    )
    assert html == '<b title="The &quot;Bean&quot; &amp; I">'


def test_single_quote_of_a_safe_text_ends_no_attribute(photo: Photo) -> None:
    html = render(
        "{% resized_img photo.image alt=body|striptags as it %}<a title='{{ it.alt }}'>",
        photo=photo,
        body=mark_safe("<p>x' onclick='alert(1)</p>"),
    )
    assert html == "<a title='x&#x27; onclick=&#x27;alert(1)'>"


def test_url_of_a_storage_is_escaped(settings: Settings) -> None:
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "django.core.files.storage.InMemoryStorage",
            "OPTIONS": {"base_url": mark_safe('/m/"onload=x&a=1/')},
        },
    }
    assert render('{% resized_url "a.jpg" %}') == "/m/&quot;onload=x&amp;a=1/a.jpg"
    assert 'src="/m/&quot;onload=x&amp;a=1/a.jpg"' in render('{% resized_img "a.jpg" alt="" %}')


def test_result_in_a_variable(photo: Photo) -> None:
    html = render(
        '{% resized_img photo.image alt="A" width=600 as cat %}'
        "{{ cat.url }} {{ cat.width }}x{{ cat.height }} {{ cat.sizes }} {{ cat.candidates.0.content_type }}",
        photo=photo,
    )
    assert html.startswith("/img/photographs/test.jpg/")
    assert "640.jpg 600x450 auto, (min-width: 600px) 600px, 100vw image/avif" in html
    assert render('{% resized_img photo.image alt="" as cat %}{{ cat }}', photo=photo) == render(
        '{% resized_img photo.image alt="" %}', photo=photo
    )


@pytest.mark.parametrize("tag", ['resized_img photo.image alt=""', "resized_url photo.image"])
def test_empty_field_prints_nothing(photo: Photo, tag: str) -> None:
    photo.image.delete(save=False)
    assert render("{% " + tag + " %}", photo=photo) == ""
    assert (
        render("{% " + tag + " as it %}{% if it %}yes{% else %}no{% endif %}", photo=photo) == "no"
    )
    assert render("{% " + tag + " %}") == ""


PhotoForm = modelform_factory(Photo, fields=["title", "image", "alt"])


@pytest.fixture
def refused() -> Any:
    """A form that was not saved, with an upload that has another picture's name."""
    save("test.jpg")
    originals.look_up("test.jpg")
    upload: Any = {"image": SimpleUploadedFile("test.jpg", photograph())}
    form = PhotoForm({"title": ""}, upload)
    assert not form.is_valid()
    assert str(form.instance.image) == "test.jpg"
    return form


@pytest.mark.parametrize(
    "upload", ["form.instance.image", "form.cleaned_data.image", "form.image.value"]
)
def test_upload_that_is_not_saved_prints_nothing(refused: Any, upload: str) -> None:
    html = render(f'{{% resized_img {upload} alt="" %}}{{% resized_url {upload} %}}', form=refused)
    assert html == ""


def test_upload_that_is_not_saved_is_no_original(refused: Any) -> None:
    image = refused.instance.image
    made = picture.build(image, alt="A cat")
    assert (str(made), bool(made), made.url, made.width) == ("", False, "", None)
    assert picture.url(image, width=320) == ""
    resizer.prefetch([refused.instance], "image")
    for ask in (originals.look_up, lambda file: originals.look_up(file, originals.Freshness.NOW)):
        with pytest.raises(OriginalNotFound):
            ask(image)
    with pytest.raises(ValueError, match="'' is not a path"):
        store.forget(originals.locate(image))
    # What has that name is still known.
    assert originals.look_up("test.jpg").size == (1600, 1200)


def test_upload_prints_its_picture_once_it_is_saved(refused: Any) -> None:
    photo = refused.instance
    photo.save()
    assert "/img/photographs/test.jpg/" in render('{% resized_img p.image alt="" %}', p=photo)


@pytest.mark.parametrize(
    "original", ['""', "nothing", "zero", '"other:"', '"other:"|add:blank', "undefined.image"]
)
def test_nothing_is_printed_of_no_name(settings: Settings, original: str) -> None:
    settings.RESIZER = {"SOURCES": {"other": {"OPTIONS": {"storage": "resizer"}}}}
    html = render(
        f'{{% resized_img {original} alt="x" %}}{{% resized_url {original} %}}',
        nothing=None,
        zero=0,
        blank="",
    )
    assert html == ""


@pytest.mark.parametrize(
    "tag",
    [
        'resized_img phto.image alt=""',
        'resized_img photo.imgae|default:"" alt="" as it',
        "resized_url photo.owner.imgae",
    ],
)
def test_undefined_original_is_told_once_in_development(
    photo: Photo, settings: Settings, caplog: pytest.LogCaptureFixture, tag: str
) -> None:
    context = {"photo": {"image": photo.image, "owner": photo}}
    text = f"\n{{% {tag} %}}"
    assert render(text, **context) == "\n"
    assert not caplog.records
    settings.DEBUG = True
    for _ in range(2):
        assert render(text, **context) == "\n"
    (record,) = caplog.records
    name, variable = tag.split()[:2]
    assert record.levelname == "WARNING"
    assert record.message == (
        f"{name} in <unknown source>, line 2, has no original: {variable.partition('|')[0]} is undefined."
        " Correct its name, or pass it to the template."
    )


@pytest.mark.parametrize("original", ["photo.image", "photo", "photo.owner.image", '""|lower', "x"])
def test_empty_original_is_no_mistake(
    settings: Settings, caplog: pytest.LogCaptureFixture, original: str
) -> None:
    settings.DEBUG = True
    for photo in (None, {"image": None, "owner": None}, {"image": "", "owner": {"image": ""}}):
        context = {"photo": photo or "", "x": photo and photo["image"]}
        if original != "photo" or not photo:
            assert render(f'{{% resized_img {original} alt="" %}}', **context) == ""
    assert not caplog.records


@pytest.mark.parametrize(
    ("option", "advice"),
    [
        ("ratio=16/9", 'Write a number alone, or text in quotes: ratio="16/9".'),
        ("width=300px", 'Write a number alone, or text in quotes: width="300px".'),
        ("sizes=50vw", 'Write a number alone, or text in quotes: sizes="50vw".'),
        ("class=photo|absent", "Invalid filter: 'absent'"),
        ('class="a', "Could not parse"),
        ('alt = ""', "Write name=value, without spaces."),
    ],
)
def test_value_that_needs_quotes_is_an_error(option: str, advice: str) -> None:
    with pytest.raises(TemplateSyntaxError) as error:
        render(f"{{% resized_img photo.image {option} %}}")
    assert advice in str(error.value)


@pytest.mark.parametrize("language", ["Django", "Jinja2"])
def test_word_without_quotes_is_told_once_in_development(
    photo: Photo, settings: Settings, caplog: pytest.LogCaptureFixture, language: str
) -> None:
    text = """{% resized_img photo.image alt=alt quality=high ratio=ratio|lower fit=photo.fit width=wide priority=given %}"""
    values = {"photo": photo, "given": None}
    template: Any = Template("{% load resizer %}" + text)
    if language == "Jinja2":
        environment = jinja2.Environment(extensions=["resizer.jinja2.ResizerExtension"])
        template = environment.from_string(text)

    def show() -> str:
        return str(template.render(Context(values) if language == "Django" else values))

    plain = show()
    assert not caplog.records
    settings.DEBUG = True
    assert show() == show() == plain
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.message.endswith(
        'line 1, ignores quality=high: there is no such variable. Write quality="high", or pass it to the template.'
    )


def test_empty_field_in_a_storage_that_is_no_source_prints_nothing() -> None:
    photo = Photo()
    photo.image.storage = storages["resizer"]
    assert render('{% resized_img photo.image alt="x" %}', photo=photo) == ""


def test_undefined_variables_are_options_that_are_not_given(photo: Photo) -> None:
    names = sorted(RESIZED_IMG.options - {"alt"})
    undefined = " ".join(f"{name}=undefined.{name}" for name in names)
    blank = " ".join(f"{name}=blank" for name in names)
    plain = render('{% resized_img photo.image alt="" %}', photo=photo)
    assert "image/avif" in plain
    for options in (undefined, blank):
        html = render(f"{{% resized_img photo.image alt=no {options} %}}", photo=photo, blank="")
        assert html == plain
    options = " ".join(f"{name}=undefined" for name in sorted(RESIZED_URL.options))
    assert render(f"{{% resized_url photo.image {options} %}}", photo=photo) == render(
        "{% resized_url photo.image %}", photo=photo
    )


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("width", "wide"),
        ("ratio", "100000/7"),
        ("focal", "110,5"),
        ("quality", "superb"),
        ("fit", "stretch"),
        ("formats", "tiff"),
        ("priority", "soon"),
    ],
)
def test_wrong_data_breaks_no_page(
    photo: Photo,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
    option: str,
    value: str,
) -> None:
    tag = f'{{% resized_img photo.image alt=alt class="card" height=300 {option}=value|lower %}}'
    context = {"photo": photo, "alt": "A cat", "value": value}
    html = render(tag, **context)
    plain = '{% resized_img photo.image alt="A cat" class="card" height=300 %}'
    assert html == render(plain, photo=photo)
    assert f"ignores {option} from a variable: " in caplog.text
    settings.DEBUG = True
    with pytest.raises(ValueError, match=value):
        render(tag, **context)


@pytest.mark.parametrize("option", sorted(RESIZED_IMG.options - {"alt"}))
@pytest.mark.parametrize(
    "value",
    [5, True, 1.5, object(), b"x", [["avif"]], [5], {"a": 1}, (1, 2, 3), float("nan"), 10**30],
    ids=lambda value: type(value).__name__,
)
def test_data_of_any_kind_breaks_no_page(photo: Photo, option: str, value: object) -> None:
    tag = f"{{% resized_img photo.image alt='' {option}=value %}}"
    assert "/img/photographs/test.jpg/" in render(tag, photo=photo, value=value)


@pytest.mark.parametrize("option", sorted(RESIZED_IMG.options - {"alt"}))
@pytest.mark.parametrize("value", ["0" * 60_000 + "x", "0." * 30_000, "9" * 60_000], ids=len)
def test_long_text_is_read_in_no_time(photo: Photo, option: str, value: str) -> None:
    """Its own time, which others on the machine do not lengthen: a pattern took 18 seconds."""
    tag = f"{{% resized_img photo.image alt='' {option}=value %}}"
    began = time.thread_time()
    assert "/img/photographs/test.jpg/" in render(tag, photo=photo, value=value)
    assert time.thread_time() - began < 5


def test_wrong_data_breaks_no_url(photo: Photo) -> None:
    html = render("{% resized_url photo.image width=640 format=f %}", photo=photo, f="tiff")
    assert html == render("{% resized_url photo.image width=640 %}", photo=photo)


def test_only_the_wrong_value_of_several_is_left_out(photo: Photo) -> None:
    html = render(
        '{% resized_img photo.image alt="" width=width ratio=ratio %}',
        photo=photo,
        width="wide",
        ratio="2/1",
    )
    assert html == render('{% resized_img photo.image alt="" ratio="2/1" %}', photo=photo)


def test_values_that_are_wrong_together_are_left_out(photo: Photo) -> None:
    html = render(
        '{% resized_img photo.image alt="" width=100 height=height ratio=ratio %}',
        photo=photo,
        height=50,
        ratio="3/2",
    )
    assert html == render('{% resized_img photo.image alt="" width=100 %}', photo=photo)


def test_wrong_data_is_logged_once_with_the_place_in_the_template(
    photo: Photo, caplog: pytest.LogCaptureFixture, settings: Settings
) -> None:
    text = '{% load resizer %}\n{% resized_img photo.image alt="" width=width %}'
    settings.TEMPLATES = [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {
                "loaders": [("django.template.loaders.locmem.Loader", {"page.html": text})]
            },
        }
    ]
    for _ in range(3):
        assert "<picture>" in render_to_string("page.html", {"photo": photo, "width": "wide"})
    (message,) = caplog.messages
    assert message.startswith(
        "resized_img in page.html, line 2, ignores width from a variable: width='wide' is not a size."
    )


@pytest.mark.parametrize(
    ("tag", "message"),
    [
        ('resized_img photo.image alt="" width=wide quality="superb"', "quality='superb' is"),
        ('resized_img photo.image alt="" quality=500', "resized_img: quality=500 is"),
        ('resized_img photo.image alt="" fit=7', "fit=7 is unknown"),
        ('resized_img photo.image alt="" width=True', "width=True is not a size"),
        ('resized_img photo.image alt="" formats="tiff"', "'tiff' is not offered"),
        ('resized_img photo.image alt="" width=1 height=2 ratio="1/2"', "two give the third"),
        ('resized_url photo.image format="tiff"', "'tiff' is not offered"),
    ],
)
def test_wrong_literal_is_an_error_when_the_template_is_compiled(tag: str, message: str) -> None:
    with pytest.raises(TemplateSyntaxError, match=message):
        Template("{% load resizer %}{% " + tag + " %}")


def test_setting_that_changes_after_the_template_is_compiled_is_told(
    photo: Photo, settings: Settings
) -> None:
    settings.RESIZER = {"QUALITIES": {"superb": {"avif": 90}}}
    template = Template('{% load resizer %}{% resized_img photo.image alt="" quality="superb" %}')
    assert "q-superb" in template.render(Context({"photo": photo}))
    settings.RESIZER = {}
    with pytest.raises(ValueError, match="quality='superb' is unknown"):
        template.render(Context({"photo": photo}))


def test_literal_that_is_empty_offers_no_modern_format(photo: Photo) -> None:
    html = render('{% resized_img photo.image alt="" formats="" title="" %}', photo=photo)
    assert html.startswith("<img ")
    assert ' title=""' in html


def test_jinja_prints_pictures_and_nothing_of_empty_fields(photo: Photo) -> None:
    jinja = jinja2.Environment(autoescape=True)
    jinja.globals.update(resized_img=picture.build, resized_url=picture.url)

    def render_jinja(text: str, **context: Any) -> str:
        return jinja.from_string(text).render(context)

    call = """{{ resized_img(photo.image, alt='The "Bean"', width=no, formats=photo.no) }}"""
    html = render_jinja(call, photo=photo)
    assert html.startswith(
        '<picture><source type="image/avif;codecs=av01" srcset="/img/photographs/test.jpg/'
    )
    assert 'alt="The &quot;Bean&quot;"' in html
    call_with_attributes = (
        "{{ resized_img(photo.image, alt='', "
        """attributes={'class': 'a"b', 'data-id': photo.pk, 'itemprop': True, 'hidden': False}) }}"""
    )
    html = render_jinja(call_with_attributes, photo=photo)
    assert f'class="a&quot;b" data-id="{photo.pk}" itemprop>' in html
    empties: tuple[Any, ...] = (Photo(), None, {})
    for empty in empties:
        nothing = render_jinja(f"{call}{{{{ resized_url(photo.image) }}}}", photo=empty)
        assert nothing == ""


@pytest.mark.parametrize(
    ("original", "url"),
    [
        ("photo.image.url", "/originals/photographs/test.jpg"),
        ("photo.image.path", ""),
        ("web", "https://example.org/a.jpg"),
        ("data", "data:image/gif;base64,R0lGOD"),
        ("alias", ""),
    ],
)
def test_url_instead_of_a_field_says_what_to_write(
    photo: Photo, settings: Settings, caplog: pytest.LogCaptureFixture, original: str, url: str
) -> None:
    context = {
        "photo": photo,
        "web": "https://example.org/a.jpg",
        "data": "data:image/gif;base64,R0lGOD",
        "alias": "static:a.png",
    }
    tag = f"{{% resized_img {original} alt='' width=300 %}}"
    for _ in range(3):
        html = render(tag + f"{{% resized_url {original} %}}", **context)
    assert f'<img src="{url}' in html
    assert 'width="300"' in html
    (message,) = caplog.messages
    advice = ("RESIZER['SOURCES']", "Write the field, such as photo.image", "Write an img element")
    assert any(one in message for one in advice)
    settings.DEBUG = True
    with pytest.raises(ValueError, match=re.escape(message[:40])):
        render(tag, **context)


@pytest.mark.parametrize("value", [7, ["a.jpg"], Photo(title="x"), 1.5], ids=str)
def test_value_that_is_no_original_prints_nothing(
    settings: Settings, caplog: pytest.LogCaptureFixture, value: object
) -> None:
    tag = '{% resized_img it alt="" default=it %}{% resized_url it %}'
    assert render(tag, it=value) == ""
    (message,) = caplog.messages
    assert "is no original" in message
    settings.DEBUG = True
    with pytest.raises(TypeError, match="is no original"):
        render(tag, it=value)


def test_name_with_a_colon_is_a_name() -> None:
    save("12:30.jpg")
    assert "/img/12=3A30.jpg/" in render('{% resized_img "12:30.jpg" alt="" %}')


def test_empty_field_shows_the_default(photo: Photo) -> None:
    save("default.png")
    tags = (
        '{% resized_img p.image alt="" default="default.png" width=300 %}',
        '{% resized_url p.image default="default.png" %}',
    )
    for tag in tags:
        assert "/img/photographs/test.jpg/" in render(tag, p=photo)
        for empty in (Photo(), None):
            assert "/img/default.png/" in render(tag, p=empty)
    assert render('{% resized_img p.image alt="" default=p.image %}', p=Photo()) == ""


def test_default_may_be_a_static_file(settings: Settings) -> None:
    settings.DEBUG = True
    settings.RESIZER = {"SOURCES": {"static": {"BACKEND": "resizer.sources.StaticSource"}}}
    html = render(
        '{% resized_img p.image alt="" default="static:admin/img/search.svg" %}', p=Photo()
    )
    assert 'src="/static/admin/img/search.svg"' in html


def test_missing_alternative_text_in_the_data_is_empty(photo: Photo) -> None:
    assert 'alt=""' in render(
        "{% resized_img photo.image alt=nothing %}", photo=photo, nothing=None
    )


def test_broken_original_never_breaks_the_page() -> None:
    save("a.jpg", b"nonsense")
    html = render('before {% resized_img "a.jpg" alt="Broken" %} after')
    assert strip_tags(html) == "before  after"
    assert 'alt="Broken"' in html


def test_url_of_one_variant(photo: Photo) -> None:
    url = render(
        '{% resized_url photo.image width=1200 ratio="1200/630" format="jpeg" %}', photo=photo
    )
    assert url.startswith("/img/photographs/test.jpg/")
    assert url.endswith("/40x21/1200.jpg")
    assert render("{% resized_url photo.image as it %}-{{ it }}-", photo=photo).startswith("-/img/")


@pytest.mark.parametrize(
    ("tag", "message"),
    [
        ('resized_img "hero.jpg"', 'resized_img needs alt="…"'),
        ("resized_img", "has no original"),
        ('resized_img alt=""', "has no original"),
        ('resized_img photo.image photo alt=""', "cannot read 'photo'"),
        ('resized_img photo.image alt="" alt="x"', "has alt twice"),
        ('resized_img photo.image alt="" src="x"', "sets src itself"),
        ('resized_img photo.image alt="" srcset="x"', "sets srcset itself"),
        ('resized_img photo.image alt="" SRC="x"', "sets SRC itself"),
        (
            "resized_url photo.image withd=3",
            "has no option withd. Did you mean width?",
        ),
        (
            "resized_url photo.image colour=3",
            "has no option colour. Use one of absolute, animated, default",
        ),
        ("resized_preload photo.image priority=True", "has no option priority. Leave it out."),
        ('resized_preload photo.image alt="x"', "has no option alt. Leave it out."),
        ("resized_url photo.image columns=3", "has no option columns. Leave it out."),
        (
            "resized_srcset photo.image formats='webp'",
            "has no option formats. Did you mean format?",
        ),
        ("resized_preload photo.image class='x'", "has no option class. Use one of absolute, "),
        ('resized_img photo.image alt="" widht=300', "no option widht. Did you mean width?"),
        ('resized_img photo.image alt="" WIDTH=300', "no option WIDTH. Did you mean width?"),
        ('resized_img photo.image alt="" qualtiy=30', "Did you mean quality?"),
        ('resized_img photo.image alt="" format="webp"', 'Write formats="avif webp"'),
        ('resized_img photo.image alt="" crop="center"', 'To crop, write ratio="3/2"'),
        ('resized_img photo.image alt="" upscale=True', "No original is ever enlarged"),
        ('resized_img photo.image alt="" geometry="300x200"', "Write width=600, and height=400"),
        (
            'resized_img "data:image/gif;base64,R0" alt=""',
            "is a data URI, which has no other sizes",
        ),
        ('resized_img photo.image alt="" media="print"', "Write it to resized_source"),
        ('resized_img photo.image alt="" fetchpriority="hi"', "Use one of high, low, auto"),
        ('resized_img "<p>A cat</p>" alt=""', "is HTML. For its pictures, write the filter"),
        (
            'resized_img "https://example.org/a.jpg" alt=""',
            "is an absolute URL. Declare its site",
        ),
        ('resized_img "//example.org/a.jpg" alt=""', "is an absolute URL. Declare its site"),
        ('resized_url "/media/a.jpg"', "is a path or a URL. Write the field, such as photo.image"),
        ('resized_img "static:a.png" alt=""', "Add 'static': {'BACKEND': 'resizer.sources.Stat"),
        ('resized_img "defualt:a.png" alt=""', "unknown source 'defualt'. Did you mean 'default'?"),
        ('resized_img photo.image alt="" default="web:a.png"', "default: 'web:a.png' names the"),
        ('resized_url photo.image default="/static/a.png"', "default: '/static/a.png' is a path"),
        ('resized_img photo.image "300x200" alt=""', "Write width=300 height=200 to crop"),
        ('resized_img photo.image fill-300x200-c100 alt=""', "Write width=300 height=200 to crop"),
        ('resized_img photo.image width-300 alt=""', "Write width=300."),
        ('resized_img photo.image height-300 alt=""', "Write height=300."),
        ('resized_img photo.image alt="" HIGH_RESOLUTION=True', "chosen from WIDTHS. Remove it"),
        ('resized_img photo.image alt="" blurDataURL="x"', 'Write placeholder="blur"'),
        ('resized_img photo.image alt="" q=80', 'Write quality="high"'),
    ],
)
def test_mistake_is_an_error_when_the_template_is_compiled(tag: str, message: str) -> None:
    with pytest.raises(TemplateSyntaxError, match=message):
        Template("{% load resizer %}{% " + tag + " %}")


def test_known_picture_asks_neither_storage_nor_database(
    raising: Any,  # noqa: F811  # the fixture
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    save("a.jpg")
    originals.look_up("a.jpg")
    raising()
    with django_assert_num_queries(0):
        html = render('{% resized_img "a.jpg" alt="" %}{% resized_url "a.jpg" width=640 %}')
    assert html.count("/img/a.jpg/") > 15
