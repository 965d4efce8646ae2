from __future__ import annotations

import re
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, ClassVar

import markdown
import pytest
from django.core.cache import caches
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage, storages
from django.template import Context, Template
from django.test import override_settings

from resizer import originals
from resizer.conf import read_settings
from resizer.contrib.markdown import ResizerExtension
from resizer.markup import images, rich_text
from resizer.markup.rich_text import resize_html
from tests.conftest import save
from tests.costs import counted
from tests.hostile_server import hostile_server
from tests.pictures import photograph

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django import Settings

pytestmark = pytest.mark.django_db

#: All widths of the default settings, px.
LISTED = read_settings({})[0].listed_widths
PICTURE = re.compile(r"<picture>.*?</picture>", re.DOTALL)


def pictures(html: str) -> list[str]:
    return PICTURE.findall(html)


def image_of(picture: str) -> str:
    """The `<img>` of a picture without what changes with the original."""
    image = picture[picture.index("<img") : -len("</picture>")]
    return re.sub(r' (?:src|srcset|sizes|loading|decoding)="[^"]*"', "", image)


@pytest.fixture
def a() -> str:
    """The URL of an original of 1600 x 1200 px."""
    return storages["default"].url(save("a.jpg"))


def test_filter_makes_a_picture_of_an_image_in_html(a: str) -> None:
    template = Template("{% load resizer %}<main>{{ body|resized_html }}</main>")
    body = f'<p>One &amp; two</p>\n<p><img src="{a}" alt="Cat &amp; dog"></p>'
    html = template.render(Context({"body": body}))
    assert html.startswith("<main><p>One &amp; two</p>\n<p><picture><source type=")
    assert html.endswith('decoding="async"></picture></p></main>')
    assert image_of(html[: -len("</p></main>")]) == (
        '<img width="1600" height="1200" alt="Cat &amp; dog">'
    )


@pytest.mark.parametrize("nothing", [None, ""])
def test_empty_text_is_empty(nothing: str | None) -> None:
    assert resize_html(nothing) == ""


# As the editors write it; only the URLs are replaced.
CKEDITOR = """<p>Text</p><figure class="image image_resized image-style-side" style="width:50%;">
<a href="https://example.com"><img style="aspect-ratio:1600/1200;" src="URL" alt="A cat" width="1600" height="1200"></a>
<figcaption>Caption&nbsp;1</figcaption></figure><p><img class="image_resized" style="width:300px;" src="URL" width="1600" height="1200"></p>"""
TINYMCE = """<p style="text-align: center;"><img style="float: right;" title="Hello" src="URL" alt="A cat" width="400" height="300" data-mce-x="1"></p>"""
PROSE = """<figure><img src="URL" alt="A cat"><figcaption>Caption</figcaption></figure>"""
WAGTAIL = """<p data-block-key="ab1cd"><b>Text</b></p><img alt="A cat" class="richtext-image left" height="375" src="URL" width="500"><p></p>"""


@pytest.mark.parametrize(
    ("html", "images"),
    [
        (
            CKEDITOR,
            [
                '<img width="1600" height="1200" alt="A cat" style="aspect-ratio:1600/1200;">',
                '<img width="1600" height="1200" alt="" class="image_resized" style="width:300px;">',
            ],
        ),
        (
            TINYMCE,
            [
                '<img width="400" height="300" alt="A cat" style="float: right;" title="Hello" data-mce-x="1">'
            ],
        ),
        (PROSE, ['<img width="1600" height="1200" alt="A cat">']),
        (WAGTAIL, ['<img width="500" height="375" alt="A cat" class="richtext-image left">']),
    ],
    ids=["CKEditor 5", "TinyMCE", "django-prose-editor", "Wagtail"],
)
def test_output_of_editors_keeps_all_but_its_images(a: str, html: str, images: list[str]) -> None:
    html = html.replace("URL", a)
    made = resize_html(html)
    assert PICTURE.split(made) == re.split("<img[^>]*>", html)
    assert [image_of(one) for one in pictures(made)] == images


@pytest.mark.parametrize(
    ("html", "options", "widest"),
    [
        ('<figure style="width:50%;"><img src="URL" width="1600"></figure>', {"width": 720}, 720),
        ('<figure style="width:50%;"><img src="URL" width="1600"></figure>', {}, 1600),
        ('<figure><img src="URL" style="width:25%"></figure>', {"width": 1600}, 800),
        ('<img src="URL" style="color:red; WIDTH: 200.5px">', {"width": 720}, 400),
        ('<img src="URL" style="width:900px">', {"width": 320}, 640),
        ('<img src="URL" style="width:150%">', {"width": 320}, 640),
        ('<img src="URL" style="width:0%">', {"width": 320}, 640),
        ('<img src="URL" style="max-width:10%">', {"width": 320}, 640),
        ('<figure style="width:10%"></figure><img src="URL">', {"width": 320}, 640),
        ("<figure style><img src=URL></figure>", {"width": 320}, 640),
    ],
)
def test_width_of_a_style_limits_the_candidates(
    a: str, html: str, options: dict[str, int], widest: int
) -> None:
    made = resize_html(html.replace("URL", a), **options)
    listed = [int(width) for width in re.findall(r"/(\d+)\.avif", made)]
    assert max(listed) == next(width for width in LISTED if width >= widest)
    assert PICTURE.split(made) == re.split("<img[^>]*>", html)


def test_width_in_pixels_of_a_style_limits_the_candidates(a: str) -> None:
    html = resize_html(f'<img style="width: 300px" width="1600" height="1200" src="{a}">')
    assert "/640.avif 640w" in html
    assert "/720.avif" not in html
    assert 'width="1600" height="1200"' in html


def test_narrow_picture_that_a_class_makes_smaller_has_candidates_for_that(a: str) -> None:
    html = resize_html(f'<img class="image-style-side" width="240" src="{a}" alt="">')
    assert re.findall(r"\.avif (\d+w)", html) == ["128w", "192w", "256w", "320w", "480w"]
    assert 'sizes="auto, (min-width: 240px) 240px, 100vw"' in html
    # A preset can take it back.
    assert " 2x" in resize_html(f'<img width="240" src="{a}" alt="">', layout="fixed")


def test_picture_is_never_changed_twice(a: str) -> None:
    html = resize_html(f'<img src="{a}" alt=""><img src="{a}" width="16" alt="">')
    assert len(pictures(html)) == 2
    assert resize_html(html) == html


def test_variant_alone_stays(a: str, settings: Settings) -> None:
    settings.RESIZER = {"FORMATS": []}
    html = resize_html(f'<img src="{a}" width="2048" alt="">')
    plain = re.sub(' srcset="[^"]*"', "", html)
    assert resize_html(plain) == plain


@pytest.mark.parametrize(
    "html",
    [
        "<p>No picture <b>at all",
        "<img>",
        "<img src>",
        '<img src="">',
        '<img src="https://elsewhere.example/originals/a.jpg">',
        '<img src="//elsewhere.example/originals/a.jpg">',
        '<img src="a.jpg"><img src="data:image/png;base64,AAAA"><img src="http://[/a.jpg">',
        '<img src="ftp://testserver/originals/a.jpg">',
        '<img src="/originals/"><img src="/originals/absent.jpg"><img src="/other/a.jpg">',
        '<img src="/originals/../../etc/passwd">',
        '<img src="/originals/drawing.svg"><img src="/originals/broken.jpg">',
        '<picture><source srcset="b.webp"><img src="/originals/a.jpg"></picture>',
        '<img srcset="b.jpg 2x" src="/originals/a.jpg">',
        '<!-- <img src="/originals/a.jpg"> -->',
        """<script>x = '<img src="/originals/a.jpg">'</script>""",
        '<textarea><img src="/originals/a.jpg"></textarea>',
        '<noscript><img src="/originals/a.jpg"></noscript>',
        '<template><p><img src="/originals/a.jpg"></p></template>',
        '<svg><title>t</title><img src="/originals/a.jpg"/></svg>',
        '<img src="/originals/a.jpg" alt="Missing quote class="x">',
        '<p title="<img src=/originals/a.jpg>">',
        '<img src="/originals/a.jpg"',
        '&lt;img src="/originals/a.jpg"&gt;',
        '<img alt="" src="/img/a.jpg/01dc123d-SWDYh7SvWayfGJ/320.jpg">',
    ],
)
def test_unknown_html_stays_byte_for_byte(a: str, html: str) -> None:
    save("drawing.svg", b'<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>')
    save("broken.jpg", photograph())
    broken = originals.look_up("broken.jpg")
    originals.note_broken(broken)
    for _ in range(2):
        assert resize_html(html) == html


def test_unknown_html_beside_a_picture_stays_byte_for_byte(a: str) -> None:
    rest = "<P CLASS=a b='c'>é\r\n<br/></P >&nbsp;<o:p></o:p><![if x]>\n", "</div></span>\t<p"
    html = resize_html(f"{rest[0]}<IMG ALT=x SRC={a} />{rest[1]}")
    assert PICTURE.split(html) == list(rest)


def test_html_that_the_parser_refuses_stays(a: str) -> None:
    html = f'<img src="{a}"><![unknown[ x ]>'
    assert resize_html(html) in {html, resize_html(f'<img src="{a}">') + "<![unknown[ x ]>"}


def test_static_picture_is_known_by_its_url(settings: Settings, tmp_path: Path) -> None:
    settings.DEBUG = True
    settings.STATICFILES_DIRS = [tmp_path / "static"]
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "a b.jpg").write_bytes(photograph())
    html = '<img src="/static/a%20b.jpg" alt="">'
    assert resize_html(html) == html
    settings.RESIZER = {"SOURCES": {"static": {"BACKEND": "resizer.sources.StaticSource"}}}
    assert "/img/_static/a=20b.jpg" in resize_html(html)


@override_settings(ALLOWED_HOSTS=["www.example.com", ".example.org", "*"])
@pytest.mark.parametrize(
    ("before", "is_ours"),
    [
        ("https://www.example.com", True),
        ("http://www.example.com:8000", True),
        ("//cdn.example.org", True),
        (" ", True),
        ("https://elsewhere.example", False),
    ],
)
def test_absolute_urls_of_this_site_are_ours(a: str, before: str, *, is_ours: bool) -> None:
    assert ("<picture>" in resize_html(f'<img src="{before}{a}?v=2#x" alt="">')) == is_ours


def test_pictures_of_a_configured_web_server_are_ours(
    a: str, settings: Settings, tmp_path: Path
) -> None:
    with hostile_server() as server:
        server.serve_directory(tmp_path / "originals")
        options = {"base_url": f"{server.url}originals/", "networks": ["127.0.0.1"]}
        web = {"BACKEND": "resizer.sources.HttpSource", "OPTIONS": options}
        settings.RESIZER = {"SOURCES": {"web": web}}
        html = f'<img src="{server.url}originals/a.jpg" alt="">'
        made = resize_html(html + html.replace("a.jpg", "a.jpg?w=100"))
    assert made.count("<picture>") == 1
    assert "/img/_web/a.jpg/" in made


def test_hosts_of_development_are_ours(a: str, settings: Settings) -> None:
    html = f'<img src="http://localhost:8000{a}" alt=""><img src="http://a.example{a}" alt="">'
    settings.ALLOWED_HOSTS = []
    settings.DEBUG = True
    assert len(pictures(resize_html(html))) == 1
    settings.DEBUG = False
    assert resize_html(html) == html


def test_pictures_on_the_host_of_the_settings_are_ours(a: str, settings: Settings) -> None:
    settings.RESIZER = {"HOST": "https://img.example.com:8443"}
    html = resize_html(f'<img src="https://img.example.com:8443{a}" alt="">')
    assert html.count("https://img.example.com:8443/img/a.jpg/") > 10
    assert resize_html(html) == html
    plain = re.sub(' srcset="[^"]*"', "", html[html.index("<img") : -len("</picture>")])
    assert resize_html(plain) == plain


@pytest.mark.parametrize(
    "url", ["https://cdn.example/media/a%20b.jpg", "//cdn.example/media/a b.jpg"]
)
def test_media_on_another_host_are_ours(url: str, settings: Settings) -> None:
    options = settings.STORAGES["default"]["OPTIONS"] | {"base_url": "https://cdn.example/media/"}
    default = settings.STORAGES["default"] | {"OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "default": default}
    storages["default"].save("a b.jpg", ContentFile(photograph()))
    assert "<picture>" in resize_html(f'<img src="{url}" alt="">')
    assert "<picture>" not in resize_html('<img src="/media/a%20b.jpg" alt="">')


def test_warm_page_of_many_pictures_makes_one_cache_call() -> None:
    urls = [storages["default"].url(save(f"{number}.jpg")) for number in range(24)]
    html = "".join(f'<p><img src="{url}" alt=""></p>' for url in [*urls, "/originals/absent.jpg"])
    cold = resize_html(html)
    assert len(pictures(cold)) == 24
    with counted() as costs:
        assert resize_html(html) == cold
    assert costs == (["read_many"], [], [])


class TooSlow(InMemoryStorage):
    def size(self, name: str) -> int:
        raise TimeoutError("too slow")


def test_page_waits_for_a_slow_source_only_once(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    default = {"BACKEND": "tests.markup.test_rich_text.TooSlow"}
    settings.STORAGES = {**settings.STORAGES, "default": default}
    settings.MEDIA_URL = "/media/"
    html = '<img src="/media/a.jpg"><img src="/media/b.jpg">'
    assert resize_html(html) == html
    (record,) = [one for one in caplog.records if "in HTML" in one.getMessage()]
    assert "'a.jpg'" in record.getMessage()


def test_text_without_our_pictures_costs_nothing() -> None:
    with counted() as costs:
        resize_html('<p><img src="https://elsewhere.example/a.jpg" alt=""></p>' * 24)
    assert costs == ([], [], [])


@pytest.mark.parametrize(
    "unfinished", ["<img ", "<img", "<!--", "<a b=", '<a b="', "<![CDATA[", "&#x", "</", "<?"]
)
def test_unfinished_html_takes_linear_time(a: str, unfinished: str) -> None:
    rest = unfinished * (100_000 // len(unfinished))
    began = time.process_time()
    html = resize_html(f'<img src="{a}" alt="">{rest}')
    # Quadratic time is 10 s and more.
    assert time.process_time() - began < 5
    assert PICTURE.split(html) == ["", rest]


@pytest.mark.parametrize(
    "rest",
    [
        # Browsers drop a tag or a comment without an end.
        '<!-- <p><img src="/originals/a.jpg">',
        '<p <img src="/originals/a.jpg"',
        # They see an attribute up to the next quote.
        '<a title="x><img src=/originals/a.jpg >',
        '<a title ="><img src=/originals/a.jpg>',
        "<a x'=1><img src=/originals/a.jpg>",
        '<a href="x""><img src=/originals/a.jpg>',
    ],
)
def test_images_behind_a_missing_end_or_quote_stay(a: str, rest: str) -> None:
    html = resize_html(f'<img src="{a}" alt="">{rest}')
    assert PICTURE.split(html) == ["", rest]


def test_images_behind_an_unfinished_character_are_found(a: str) -> None:
    assert len(pictures(resize_html(f'&#x; &; &#q <img src="{a}" alt="A &amp; B"> &'))) == 1


def test_texts_are_remembered_up_to_a_size(a: str, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = images._Memory()
    monkeypatch.setattr(images, "_memory", memory)
    for number in range(500):
        text = f'<img src="{a}" alt="{number}">' + f'<img src="{a}" alt="{number:4000}">' * 6
        assert text.count("<img") == 7
        images.find_images(text)
    sizes = [one.end - one.start for found in memory._images.values() for one in found]
    # All would be 12 MB.
    assert 0 < sum(sizes) < 1_000_000


def test_very_long_image_stays(a: str) -> None:
    html = f'<img src="{a}" alt="" title="{"x" * 9000}">'
    assert resize_html(html) == html


def test_text_of_very_many_images_is_not_remembered(
    a: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = images._Memory()
    monkeypatch.setattr(images, "_memory", memory)
    html = f'<img src="{a}" alt="">' * 600
    assert len(pictures(resize_html(html))) == 600
    assert not memory._images


class Slow(InMemoryStorage):
    """Takes half a second for each original, on a clock of its own."""

    now = 0.0
    asked: ClassVar[list[str]] = []

    def size(self, name: str) -> int:
        Slow.now += 0.5
        self.asked.append(name)
        return super().size(name)


@pytest.fixture
def slow(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the originals that the storage was asked for."""
    default = {"BACKEND": "tests.markup.test_rich_text.Slow"}
    settings.STORAGES = {**settings.STORAGES, "default": default}
    settings.MEDIA_URL = "/media/"
    monkeypatch.setattr(Slow, "asked", [])
    monkeypatch.setattr(rich_text, "time", SimpleNamespace(monotonic=lambda: Slow.now))
    return Slow.asked


def text_of_unknown(number: int) -> str:
    names = [f"{one}.jpg" for one in range(number)]
    for name in names:
        storages["default"].save(name, ContentFile(photograph()))
    return "".join(f'<img src="/media/{name}" alt="">' for name in names)


def test_page_asks_for_few_unknown_originals_at_once(
    slow: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rich_text, "_MAX_SECONDS", 1000)
    html = text_of_unknown(60)
    first = resize_html(html)
    assert first.count("<picture>") == len(slow) == 50
    assert resize_html(html).count("<picture>") == 60


def test_page_waits_two_seconds_for_unknown_originals(slow: list[str]) -> None:
    html = text_of_unknown(12)
    # The last one begins after exactly two seconds.
    assert [resize_html(html).count("<picture>") for _ in range(3)] == [5, 10, 12]
    assert len(slow) == 12


def test_originals_of_a_kind_that_stay_as_they_are_are_a_warning_once(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "resizer")
    for number in range(3):
        save(f"{number}.jpg", b"nonsense")
    save("a.svg", b"<svg/>")
    html = "".join(
        f'<img src="/originals/{one}" alt="">' for one in ("0.jpg", "1.jpg", "2.jpg", "a.svg")
    )
    assert resize_html(html) == html
    told = [one for one in caplog.records if "in HTML is shown as it is" in one.getMessage()]
    assert [one.levelname for one in told] == ["WARNING", "INFO", "INFO", "INFO"]
    caches["default"].clear()
    caplog.clear()
    settings.DEBUG = True
    resize_html(html)
    told = [one for one in caplog.records if "in HTML is shown as it is" in one.getMessage()]
    assert [one.levelname for one in told] == ["WARNING", "WARNING", "WARNING", "INFO"]


def test_url_that_is_no_name_is_left_alone_silently(
    a: str, caplog: pytest.LogCaptureFixture
) -> None:
    html = '<img src="/originals/../1.jpg"><img src="/originals/%00.jpg">'
    assert resize_html(html) == html
    assert not caplog.records


def test_text_crops_to_few_ratios(a: str) -> None:
    html = "".join(
        f'<img src="{a}" width="{300 + number}" height="500" alt="">' for number in range(80)
    )
    made = pictures(resize_html(html))
    assert len({re.search("/a.jpg/([^/]+/[^/]+)/", one)[1] for one in made}) == 51  # type: ignore[index]
    assert 'width="300" height="500"' in made[0]
    # As high as the whole original.
    assert 'width="379" height="284"' in made[79]
    again = resize_html(html + f'<img src="{a}" width="600" height="1000" alt="">')
    assert 'width="600" height="1000"' in pictures(again)[80]


@pytest.mark.parametrize(
    ("written", "printed"),
    [
        ('width="500" height="50"', 'width="500" height="50"'),
        ('width="510" height="50"', 'width="510" height="383"'),
        ('width="50" height="510"', 'width="50" height="38"'),
    ],
)
def test_extreme_ratio_is_not_cropped_to(a: str, written: str, printed: str) -> None:
    made = resize_html(f'<img src="{a}" {written} alt="">')
    assert image_of(made) == f'<img {printed} alt="">'


def test_private_files_are_not_ours_by_their_url(settings: Settings) -> None:
    """Anybody who writes a text can write the URL of any file in a bucket."""
    options = {"endpoint_url": "http://s3.example", "region_name": "x", "bucket_name": "names"}
    bucket = {"BACKEND": "tests.storages.quick.QuickStorage", "OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "default": bucket}
    url = storages["default"].url("a.jpg")
    assert "?" in url
    html = f'<img src="{url}" alt=""><img src="{url.partition("?")[0]}" alt="">'
    with counted() as costs:
        assert resize_html(html) == html
    assert costs == ([], [], [])


@pytest.mark.parametrize(
    ("written", "options", "printed", "widest"),
    [
        # Sizes in pixels stay, also in the words of old editors.
        ("width=400", {}, 'width="400" height="300"', 800),
        ('width="400px"', {}, 'width="400" height="300"', 800),
        ("height=300", {}, 'width="400" height="300"', 800),
        ("width=400 height=301", {}, 'width="400" height="301"', 800),
        ("width=0 height=0", {}, 'width="0" height="0"', 1600),
        ("width=wide", {}, 'width="wide"', 1600),
        # A size above the original's own is one of the layout.
        ("width=3200", {}, 'width="3200" height="2400"', 1600),
        # A percentage is one of the layout.
        ('width="50%"', {}, 'width="50%"', 1600),
        ('width="50%" height=300', {}, 'width="50%" height="300"', 1600),
        # Another ratio is cut out, not squeezed.
        ("width=400 height=400", {}, 'width="400" height="400"', 800),
        # The site has less room than the editor.
        ("width=1600 height=1200", {"width": 720}, 'width="720" height="540"', 1600),
        ("width=400", {"width": 720}, 'width="400" height="300"', 800),
        ("height=300", {"width": 720}, 'width="400" height="300"', 800),
        ("height=1200", {"width": 720}, 'width="720" height="540"', 1600),
        ("", {"width": "720"}, 'width="720" height="540"', 1600),
        # The site cuts all pictures to one ratio.
        ("width=400 height=300", {"ratio": "2/1"}, 'width="400" height="200"', 800),
        ("height=300", {"ratio": "2/1", "width": 600}, 'width="600" height="300"', 1200),
    ],
)
def test_size_of_a_picture(
    a: str, written: str, options: dict[str, object], printed: str, widest: int
) -> None:
    made = resize_html(f'<img {written} src="{a}" alt="">', **options)
    assert image_of(made) == " ".join(["<img", *printed.split(), 'alt="">'])
    assert re.findall(r"/(\d+)\.avif", made)[-1] == str(widest)


def test_another_ratio_is_cut_from_the_picture(a: str) -> None:
    assert "/1x1/" in resize_html(f'<img width=400 height=400 src="{a}" alt="">')


def test_attributes_of_the_editor_win(a: str) -> None:
    html = resize_html(f'<img loading=eager hidden id=x ID=y src="{a}" alt="">')
    assert html.endswith(' alt="" loading="eager" decoding="async" hidden id="x"></picture>')


def test_wrong_option_is_an_error(a: str) -> None:
    with pytest.raises(ValueError, match="ratio"):
        resize_html(f'<img src="{a}">', ratio="wide")


MARKDOWN = """
Text & more, `<img src="/originals/a.jpg">`.

![A cat](/originals/a.jpg "Title")

[![A dog](/originals/a.jpg)](/dogs/)

<figure><img src="/originals/a.jpg" width="400" alt=""></figure>

    <img src="/originals/a.jpg">
"""


@pytest.mark.parametrize(
    "extension", ["resizer.contrib.markdown", ResizerExtension()], ids=["by name", "by class"]
)
def test_markdown_prints_pictures(a: str, extension: str | ResizerExtension) -> None:
    html = markdown.markdown(MARKDOWN, extensions=[extension])
    plain = markdown.markdown(MARKDOWN)
    assert PICTURE.split(html) == re.split("<img[^>]*>", plain)
    assert [image_of(one) for one in pictures(html)] == [
        '<img width="1600" height="1200" alt="A cat" title="Title">',
        '<img width="1600" height="1200" alt="A dog">',
        '<img width="400" height="300" alt="">',
    ]
    assert type(html) is str


def test_markdown_takes_options(a: str) -> None:
    options = {"resizer.contrib.markdown": {"width": 720, "ratio": "16/9"}}
    html = markdown.markdown(
        "![Cat](/originals/a.jpg)", extensions=list(options), extension_configs=options
    )
    assert 'width="720" height="405"' in html
