"""Templates of other packages, as projects have them, and what becomes of them."""

from __future__ import annotations

import sys
from contextlib import suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from django.template import Context, Engine
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from resizer.maintenance.rewriting.pieces import Unclear
from resizer.maintenance.rewriting.rewrite import Models, rewrite
from tests.conftest import save

if TYPE_CHECKING:
    from pytest_django import Settings

MODELS = Models(
    frozenset({"avatar", "hero", "image", "photo"}), {"small": "photo", "card": "image", "two": ""}
)
ALIASES = {
    "": {
        "avatar": {"size": (50, 50), "crop": True},
        "odd": {"size": 50},
        "two": {"size": (10, 10)},
    },
    "gallery": {
        "card": {"size": (300, 200), "crop": ",0", "quality": 90},
        "two": {"size": (20, 20)},
    },
}


def become(before: str, library: str = "", ours: str = "{% load resizer %}") -> str:
    """What a template becomes, without its first line; all of it is understood."""
    text = f"{{% load {library} %}}\n{before}" if library else before
    made = rewrite(text, MODELS)
    assert made.left == []
    first, _, rest = made.text.partition("\n")
    assert first == ours
    return rest


def reason(before: str, library: str = "") -> str:
    """Why a template stays as it is."""
    text = f"{{% load {library} %}}\n{before}" if library else before
    made = rewrite(text, MODELS)
    assert (made.text, made.pictures) == (text, 0)
    (left,) = made.left
    assert left.text in text.splitlines()[left.line - 1]
    return left.reason


PLAIN = {
    '<img src="{{ photo.image.url }}" alt="A cat">': '{% resized_img photo.image alt="A cat" %}',
    "<img class='card' src={{ photo.image.url }} alt=\"{{ photo.title }}\" />": '{% resized_img photo.image alt=photo.title class="card" %}',
    '<IMG SRC="{{ a.b.photo.url }}" ALT="" WIDTH="300" HEIGHT=200>': '{% resized_img a.b.photo width=300 height=200 alt="" %}',
    '<img src="{{ p.image.url }}" alt="x" height="90px" loading="lazy" decoding="async">': '{% resized_img p.image height=90 alt="x" %}',
    '<img src="{{ p.image.url }}" alt="x" loading="eager" sizes="50vw" hidden>': '{% resized_img p.image alt="x" sizes="50vw" loading="eager" hidden=True %}',
    '<img src="{{ p.image.url }}" alt="{% trans "A cat" %}" title="{% translate \'A\' %}">': "{% resized_img p.image alt=_(\"A cat\") title=_('A') %}",
    '<img src="{{ p.image.url }}" alt=\'Say "hi"\' data-id="{{ p.pk }}" @click="go()">': '{% resized_img p.image alt=\'Say "hi"\' data-id=p.pk @click="go()" %}',
    '<img src="{{ p.image.url }}" alt="A &amp; B" class="a\n   b" data-path="a\\b">': '{% resized_img p.image alt="A &amp; B" class="a b" data-path="a\\\\b" %}',
    '<img src="{{ p.image.url }}" alt="Photo of {{ p.name }}, {{ p.year|default:\'?\' }}">': (
        '{% with resized_alt_0=p.name|stringformat:"s" resized_alt_1=p.year|default:\'?\'|stringformat:"s" %}'
        '{% resized_img p.image alt="Photo of "|add:resized_alt_0|add:", "|add:resized_alt_1 %}{% endwith %}'
    ),
    '<img src="{{ MEDIA_URL }}{{ p.image }}" alt="">': '{% resized_img p.image alt="" %}',
    '<img src="{% get_media_prefix %}{{ p.image }}" alt="">': '{% resized_img p.image alt="" %}',
}


@pytest.mark.parametrize("before", PLAIN)
def test_plain_image_becomes_a_picture(before: str) -> None:
    assert become(before) == PLAIN[before]


SORL = {
    '{% thumbnail item.image "100x100" crop="center" as im %}\n  <img src="{{ im.url }}" width="{{ im.width }}" height="{{ im.height }}" alt="">\n{% endthumbnail %}': '{% resized_img item.image width=100 height=100 alt="" %}',
    '{% thumbnail item.image "200" as im %}<img src="{{ im.src }}" alt="x" width="{{ im.x }}">{% empty %}{% endthumbnail %}': '{% resized_img item.image width=200 alt="x" %}',
    '{% thumbnail item.image "x300" quality=99 upscale=False format="PNG" as im %}<img src="{{ im.url }}" alt="x">{% endthumbnail %}': '{% resized_img item.image height=300 alt="x" %}',
    '{% thumbnail item.image "200x100" as im %}<img src="{{ im.url }}" alt="x">{% endthumbnail %}': '{% resized_img item.image width=200 height=100 fit="contain" alt="x" %}',
    '{% thumbnail item.image "200x100" crop="top" as im %}<img src="{{ im.url }}" alt="x" width="100">{% endthumbnail %}': '{% resized_img item.image width=100 height=50 focal="50,0" alt="x" %}',
    '{% thumbnail item.image "200x100" crop="right 0%" as im %}<img src="{{ im.url }}" alt="x" height="50">{% endthumbnail %}': '{% resized_img item.image width=100 height=50 focal="100,0" alt="x" %}',
    '{% thumbnail item.image "200x100" crop="smart" as im %}<img src="{{ im.url }}" alt="x" width="10" height="20">{% endthumbnail %}': '{% resized_img item.image width=10 height=20 focal="auto" alt="x" %}',
    '{% thumbnail item.image "200x100" crop="100%" as im %}<img src="{{ im.url }}" alt="x">{% endthumbnail %}': '{% resized_img item.image width=200 height=100 focal="100,100" alt="x" %}',
    '{% thumbnail item.image "200x100" crop=False as im %}<img src="{{ im.url }}" alt="x">{% endthumbnail %}': '{% resized_img item.image width=200 height=100 fit="contain" alt="x" %}',
    '{% thumbnail item.image "200x100" crop="noop" as im %}<img src="{{ im.url }}" alt="x">{% endthumbnail %}': '{% resized_img item.image width=200 height=100 fit="contain" alt="x" %}',
    '{% thumbnail item.image "200" as im %}<img src="{{ im.url }}" alt="x" height="90">{% endthumbnail %}': '{% resized_img item.image width=200 alt="x" %}',
    '{% thumbnail profile.photo "100x100" crop="center" as im %}<b><img src="{{ im.url }}" alt="x"></b>{% empty %}<img src="ghost.jpg" alt="">{% endthumbnail %}': (
        '{% if profile.photo %}<b>{% resized_img profile.photo width=100 height=100 alt="x" %}</b>{% else %}<img src="ghost.jpg" alt="">{% endif %}'
    ),
    '{% for item in items %}{% thumbnail item.image "50" as im %}{% for x in y %}{{ im.url }}{% empty %}-{% endfor %}{% endthumbnail %}{% empty %}none{% endfor %}': (
        "{% for item in items %}{% if item.image %}{% for x in y %}{% resized_url item.image width=50 %}{% empty %}-{% endfor %}{% endif %}{% empty %}none{% endfor %}"
    ),
    '{% thumbnail item.image "1000" as big %}{% thumbnail item.image "50x50" crop="center" as small %}<a href="{{ big.url}}"><img src="{{ small.url }}" alt="x"></a>{% endthumbnail %}{% endthumbnail %}': (
        '{% if item.image %}{% if item.image %}<a href="{% resized_url item.image width=1000 %}">{% resized_img item.image width=50 height=50 alt="x" %}</a>{% endif %}{% endif %}'
    ),
    '<img src="{% thumbnail item.image "100x100" crop="center" %}" alt="x">{% comment %}{% thumbnail old "1" as im %}{% endcomment %}': (
        '{% resized_img item.image width=100 height=100 alt="x" %}{% comment %}{% thumbnail old "1" as im %}{% endcomment %}'
    ),
    '<div style="background: url({% thumbnail item.image "100x100" crop="center" %})">': '<div style="background: url({% resized_url item.image width=100 height=100 %})">',
}


@pytest.mark.parametrize("before", SORL)
def test_sorl_thumbnail_becomes_a_picture(before: str) -> None:
    assert become(before, "thumbnail") == SORL[before]
    assert become(before, "sorl_thumbnail") == SORL[before]


EASY = {
    '<img src="{% thumbnail profile.photo 50x50 crop %}" alt="" />': '{% resized_img profile.photo width=50 height=50 alt="" %}',
    '<img src="{% thumbnail p.photo 50x0 sharpen quality=90 %}" alt="">': '{% resized_img p.photo width=50 alt="" %}',
    '<img src="{% thumbnail p.photo "0x50" %}" alt="">': '{% resized_img p.photo height=50 alt="" %}',
    '<img src="{% thumbnail p.photo 50x40 crop="smart" %}" alt="">': '{% resized_img p.photo width=50 height=40 focal="auto" alt="" %}',
    '<img src="{% thumbnail p.photo 50x40 crop="0,-0" %}" alt="">': '{% resized_img p.photo width=50 height=40 focal="0,100" alt="" %}',
    '<img src="{% thumbnail p.photo 50x40 crop="," %}" alt="">': '{% resized_img p.photo width=50 height=40 alt="" %}',
    '<img src="{% thumbnail p.photo 50x40 crop target="20,30" %}" alt="">': '{% resized_img p.photo width=50 height=40 focal="20,30" alt="" %}',
    '<img src="{% thumbnail p.photo 50x40 crop=False %}" alt="">': '{% resized_img p.photo width=50 height=40 fit="contain" alt="" %}',
    '<img src="{% thumbnail p.photo \'avatar\' %}" alt="">': '{% resized_img p.photo width=50 height=50 alt="" %}',
    '<img src="{{ p.photo|thumbnail_url:\'card\' }}" alt="">': '{% resized_img p.photo width=300 height=200 focal="50,0" alt="" %}',
    '<img src="{{ p.photo.card.url }}" alt="x">': '{% resized_img p.photo width=300 height=200 focal="50,0" alt="x" %}',
    '<img src="{{ p.photo.card.url }}" height="{{ p.photo.card.height }}" alt="x">': '{% resized_img p.photo width=300 height=200 focal="50,0" alt="x" %}',
    "{{ p.photo.avatar.tag }}": '{% resized_img p.photo width=50 height=50 alt="" %}',
    '<a href="{{ a.p.photo.avatar.url }}">': '<a href="{% resized_url a.p.photo width=50 height=50 %}">',
    "<a href=\"{{ p.photo|thumbnail_url:'card' }}\">": '<a href="{% resized_url p.photo width=300 height=200 focal="50,0" %}">',
    '<p>\n  {% thumbnail obj.photo 200x200 upscale as thumb %}\n  <img src="{{ thumb.url }}" width="{{ thumb.width }}" height="{{ thumb.height }}" alt="x" />\n</p>': (
        '<p>\n  {% resized_img obj.photo width=200 height=200 fit="contain" alt="x" %}\n</p>'
    ),
    "{% if a %}{% thumbnail a.photo 9x9 as t %}{% if t %}<img src='{{ t.url }}' alt>{% endif %}{{ t.tag }}{% else %}{% thumbnail b.photo 8x8 as t %}{{ t.url }}{% endif %}": (
        '{% if a %}{% if a.photo %}{% resized_img a.photo width=9 height=9 fit="contain" alt=True %}{% endif %}{% resized_img a.photo width=9 height=9 fit="contain" alt="" %}{% else %}{% resized_url b.photo width=8 height=8 fit="contain" %}{% endif %}'
    ),
    "{% thumbnail a.photo 9x9 as t %}{{ t.url }} {% thumbnail b.photo 8x8 as t %}{{ t.url }}": (
        '{% resized_url a.photo width=9 height=9 fit="contain" %} {% resized_url b.photo width=8 height=8 fit="contain" %}'
    ),
}


@pytest.mark.parametrize("before", EASY)
def test_easy_thumbnail_becomes_a_picture(before: str, settings: Settings) -> None:
    settings.THUMBNAIL_ALIASES = ALIASES
    assert become(before, "thumbnail") == EASY[before]
    assert become(before, "easy_thumbnails_tags") == EASY[before]


IMAGEKIT = {
    "{% generateimage 'app:thing:card' source=photo.image %}": '{% resized_img photo.image preset="card" alt="" %}',
    "{% generateimage 'card' source=p.photo -- alt='x' %}": "{% resized_img p.photo preset=\"card\" alt='x' %}",
    "{% generateimage 'card' source=p.photo as th %}<img src='{{ th.url }}' width='{{ th.width }}' height='9' alt='x'>": '{% resized_img p.photo preset="card" alt="x" %}',
    '<img src="{{ p.card.url }}" alt="x">': '{% resized_img p.image preset="card" alt="x" %}',
    '<a href="{{ a.p.card.url }}">': '<a href="{% resized_url a.p.image preset="card" %}">',
    "{% thumbnail '100x50' photo.image %}": '{% resized_img photo.image width=100 height=50 focal="auto" alt="" %}',
    "{% thumbnail '100x' photo.image -- alt=\"A cat\" style='x' %}": "{% resized_img photo.image width=100 alt=\"A cat\" style='x' %}",
    "{% thumbnail 'x50' photo.image srcset='2 3' %}": '{% resized_img photo.image height=50 alt="" %}',
    "{% thumbnail '100x50' photo.image crop=0 upscale=0 %}": '{% resized_img photo.image width=100 height=50 fit="contain" alt="" %}',
    "{% thumbnail '100x50' photo.image crop=1 %}": '{% resized_img photo.image width=100 height=50 alt="" %}',
    "{% thumbnail '100x50' photo.image anchor='auto' %}": '{% resized_img photo.image width=100 height=50 focal="auto" alt="" %}',
    "{% thumbnail '100x50' photo.image anchor='tr' %}": '{% resized_img photo.image width=100 height=50 focal="100,0" alt="" %}',
    '<img width="{{ p.card.width }}" height="{{ p.card.height }}" src="{{ p.card.url }}" alt="x">': '{% resized_img p.image preset="card" alt="x" %}',
    '{% thumbnail \'100x50\' photo.image as th %}<img src="{{ th.url }}" width="{{ th.width }}" alt="">': '{% resized_img photo.image width=100 height=50 focal="auto" alt="" %}',
}


@pytest.mark.parametrize("before", IMAGEKIT)
def test_imagekit_becomes_a_picture(before: str, settings: Settings) -> None:
    settings.RESIZER = {"PRESETS": {"card": {"width": 400}}}
    assert become(before, "imagekit") == IMAGEKIT[before]


PICTURES = {
    '{% picture profile.photo img_alt="Spiderman" img_loading="lazy" m=6 l=4 %}': '{% resized_img profile.photo columns=3 alt="Spiderman" %}',
    '{% picture p.photo ratio="16/9" container=900 img_class=css %}': '{% resized_img p.photo ratio="16/9" container=900 alt="" class=css %}',
    "{% picture p.photo l=12 %}": '{% resized_img p.photo alt="" %}',
    "<a href=\"{% img_url p.photo 'WEBP' 800 ratio='3/2' %}\">": '<a href="{% resized_url p.photo width=800 format="webp" ratio=\'3/2\' %}">',
    "<a href=\"{% img_url p.photo 'JPEG' 800 %}\">": '<a href="{% resized_url p.photo width=800 format="jpeg" %}">',
}


@pytest.mark.parametrize("before", PICTURES)
def test_django_pictures_becomes_a_picture(before: str, settings: Settings) -> None:
    settings.RESIZER = {"FORMATS": ["avif", "webp"]}
    assert become(before, "pictures") == PICTURES[before]


VERSATILE = {
    '<img src="{{ p.image.thumbnail.200x100.url }}" alt="x">': '{% resized_img p.image width=200 height=100 fit="contain" alt="x" %}',
    '<img src="{{ p.image.crop.400x400 }}" alt="x">': '{% resized_img p.image width=400 height=400 alt="x" %}',
    '<a href="{{ p.image.crop.400x400.url }}">': '<a href="{% resized_url p.image width=400 height=400 %}">',
}


@pytest.mark.parametrize("before", VERSATILE)
def test_versatileimagefield_becomes_a_picture(before: str) -> None:
    assert become(before) == VERSATILE[before]


WAGTAIL = {
    "{% image page.hero width-400 %}": "{% resized_img page.hero width=400 %}",
    '{% image page.hero fill-320x200-c0 format-webp jpegquality-40 class="x" alt=page.title %}': '{% resized_img page.hero width=320 height=200 class="x" alt=page.title %}',
    "{% image page.hero max-1000x500 %}": '{% resized_img page.hero width=1000 height=500 fit="contain" %}',
    "{% image page.hero height-480 preserve-svg %}": "{% resized_img page.hero height=480 %}",
    "{% image page.hero original %}": "{% resized_img page.hero %}",
    '{% srcset_image page.hero width-{400,800} sizes="(max-width: 600px) 400px, 80vw" %}': '{% resized_img page.hero width=800 sizes="(max-width: 600px) 400px, 80vw" %}',
    "{% picture page.hero format-{avif,webp,jpeg} width-{400,800} %}": "{% resized_img page.hero width=800 %}",
    '<meta content="{% image_url page.hero "fill-1200x630|jpegquality-60" %}">': '<meta content="{% resized_url page.hero width=1200 height=630 %}">',
    '{% image page.hero width-400 as img %}\n<img src="{{ img.url }}" width="{{ img.width }}" height="{{ img.height }}" alt="{{ img.alt }}" />': "{% resized_img page.hero width=400 %}",
    '{% image page.hero width-400 as img %}<img {{ img.attrs }} class="x">': '{% resized_img page.hero width=400 class="x" %}',
    "{% image page.hero width-400 as img %}{{ img.img_tag }}": "{% resized_img page.hero width=400 %}",
}


@pytest.mark.parametrize("before", WAGTAIL)
def test_wagtail_becomes_a_picture(before: str) -> None:
    assert become(before, "wagtailimages_tags") == WAGTAIL[before]


IMG = '<img src="{{ im.url }}" alt="">'
LEFT = [
    ("", '<img src="{{ p.thumb.url }}" alt="">', "no model has a field for files named thumb"),
    ("", '<img src="{{ thumb.url }}" alt="">', "it may be no file of a model"),
    ("", '<picture><img src="{{ p.image.url }}" alt=""></picture>', "it stands in a picture"),
    ("", '<img src="{{ p.image.url }}" srcset="x 2x" alt="">', "it has a srcset of its own"),
    ("", '<img src="{{ p.image.url }}" width="100%" alt="">', "its width is no number of pixels"),
    ("", '<img src="{{ p.image.url }}" width="{{ w }}" alt="">', "its width is no number of pixels"),
    ("", '<img src="{{ p.image.url }}" width="{{ q.image.width }}" alt="">', "its width is no number of pixels"),
    ("", '<img src="{{ p.card.url }}" width="{{ p.card.width }}" alt="">', "its size is in Python; make a preset 'card'"),
    ("", '<b style="width: {{ p.small.width }}px">', "p.small is of the old package"),
    ("", "{% with t=p.image.crop.9x9 %}{{ t }}{% endwith %}", "image.crop is of the old package"),
    ("", "{{ p.image.filters.invert.url }}", "image.filters is of the old package"),
    ("thumbnail", "{% with t=p.photo.avatar %}{{ t.url }}{% endwith %}", "photo.avatar is of the old package"),
    ("thumbnail", "{% include 'x.html' with picture=p.photo.avatar only %}", "photo.avatar is of the old package"),
    ("thumbnail", '<img src="{{ site }}{% thumbnail a.image 9x9 %}" alt="">', "its src has something beside it; for the host, write resized_url with absolute=True"),
    ("", '<img src="{{ p.image.url }}" {% if a %}b{% endif %} alt="">', "a template tag stands between its attributes"),
    ("", '<img src="{{ p.image.url }}" = alt="">', "its attributes cannot be read"),
    ("", '<img src="{{ p.image.url }}" class="{% if a %}b{% endif %}">', "{% if %} stands in its class"),
    ("", '<img src="{{ p.image.url }}" alt="A &amp; {{ b }}">', "its alt mixes variables and characters as &amp;"),
    ("", '<img src="{{ p.image.url }}" alt="100%}">', "an attribute has the end of a template tag in it"),
    ("", '<img src="{{ p.image.url }}" alt="" crop="1">', "resized_img has no option crop."),
    ("thumbnail", "{% thumbnail item.image %}", "it has no size"),
    ("thumbnail", "{% thumbnail %}", "it has no original"),
    ("thumbnail", '{% thumbnail a.image size as im %}{{ im.url }}{% endthumbnail %}', "its size cannot be read: size"),
    ("thumbnail", '{% thumbnail a.image "" as im %}{{ im.url }}{% endthumbnail %}', 'its size cannot be read: ""'),
    ("thumbnail", '{% thumbnail a.image "9x9" crop="80% top" as im %}{{ im.url }}{% endthumbnail %}', 'crop="80% top" is a place that depends on the original; choose a focal point'),
    ("thumbnail", '{% thumbnail a.image "9x9" crop=c as im %}{{ im.url }}{% endthumbnail %}', "crop=c is a place"),
    ("thumbnail", '{% thumbnail a.image "9x9" rounded=5 as im %}{{ im.url }}{% endthumbnail %}', "rounded has no counterpart"),
    ("thumbnail", '{% thumbnail a.image "9" big as im %}{{ im.url }}{% endthumbnail %}', "big is no option"),
    ("thumbnail", '{% thumbnail a.image "9" as im %}{{ im.width }}{% endthumbnail %}', "im is used in {{ im.width }}; write resized_img … as im"),
    ("thumbnail", '{% thumbnail a.image "9" as im %}{{ im.ratio }}{% endthumbnail %}', "im is used in {{ im.ratio }}"),
    ("thumbnail", '{% thumbnail a.image "9" as im %}<img src="{{ im.url }}" style="margin:{{ im|margin:"9x9" }}">{% endthumbnail %}', "im is used in its style"),
    ("thumbnail", '{% thumbnail a.image "9" as im %}{% include "x.html" %}{% endthumbnail %}', "an included template may use im"),
    ("thumbnail", '{% thumbnail a.image "9" as im %}x{% endthumbnail %}', "nothing here shows im"),
    ("thumbnail", '{% if a %}{% thumbnail a.image "9" as im %}{{ im.url }}{% endif %}{% endthumbnail %}', "its endthumbnail is missing"),
    ("thumbnail", "{% thumbnail a.image size %}", "its size cannot be read: size"),
    ("thumbnail", "{% thumbnail a.image 'huge' %}", "THUMBNAIL_ALIASES has no alias 'huge'"),
    ("thumbnail", "{% thumbnail a.image 0x0 %}", "it has no size"),
    ("thumbnail", "{% thumbnail a.image 'two' %}", "the alias 'two' differs from model to model"),
    ("thumbnail", "{% thumbnail a.image 'odd' %}", "its alias has no size of two numbers"),
    ("thumbnail", "{% thumbnail a.image 9x9 bw %}", "bw has no counterpart"),
    ("thumbnail", '<img src="{{ p.photo.two.url }}" alt="">', "the alias 'two' differs from model to model"),
    ("thumbnail", '<b style="margin:{{ p.photo|margin:"9x9" }}">', "its filter margin is of the old package"),
    ("sorl_thumbnail", "{% if p.photo|is_portrait %}x{% endif %}", "its filter is_portrait is of the old package"),
    ("imagekit", "{{ p|x:'|margin' }}{% thumbnail %}", "it has no original"),
    ("thumbnail", "{% thumbnail a.image 9x9 crop=c %}", "crop=c is a variable"),
    ("thumbnail", '{% thumbnail a.image 9x9 crop="scale" %}', 'crop="scale" has no counterpart; write the width or the height alone'),
    ("thumbnail", '{% thumbnail a.image 9x9 crop="10,0" %}', 'crop="10,0" is a place that depends on the original'),
    ("thumbnail", '{% thumbnail a.image 9x9 crop target="a,b" %}', "target=a,b is not a pair of numbers"),
    ("thumbnail", '{% if a %}{% thumbnail a.image 9x9 as t %}{{ t.url }}{% endif %}{{ t.url }}', "t is used outside of its block, too"),
    ("imagekit", "{% generateimage 'app:small' source=p.photo %}", "its size is in Python; make a preset 'small', and run this again"),
    ("imagekit", "{% generateimage name source=p.photo %}", "it has other options than a source"),
    ("imagekit", "{% generateimage 'app:card' source=p.photo width=9 %}", "it has other options than a source"),
    ("imagekit", "{% thumbnail 'app:small' '9x9' p.photo %}", "its size is in Python; make a preset of it, and write its name"),
    ("", '<img src="{{ p.small.url }}" alt="">', "its size is in Python; make a preset 'small', and run this again"),
    ("", '<img src="{{ p.two.url }}" alt="">', "two has other originals from model to model"),
    ("imagekit", "{% thumbnail size p.photo %}", "its size cannot be read: size"),
    ("imagekit", "{% thumbnail '9x9' p.photo anchor=a %}", "its anchor or crop is a variable"),
    ("thumbnail", "{% thumbnail a.image 9x9 as t %}{% if t %}x{% endif %}", "nothing here shows t"),
    ("thumbnail", "<img alt='{% thumbnail a.image 9x9 as t %}'>", "it stands in an img"),
    ("thumbnail", "{%%}{% thumbnail a.image 9x9 bw %}", "bw has no counterpart"),
    ("imagekit", "<img alt='{% thumbnail '9x9' p.photo %}'>", "it stands in an img"),
    ("pictures", '{% picture p.photo picture_class="x" %}', "picture_class has no counterpart"),
    ("pictures", "{% picture p.photo x=3 %}", "x has no counterpart"),
    ("pictures", "{% picture p.photo m=span %}", "a span of its grid is a variable"),
    ("pictures", "{% img_url p.photo 'webp' w %}", "its width or its format is a variable"),
    ("pictures", "{% img_url p.photo 'jpeg' 800 fit='x' %}", "fit has no counterpart"),
    ("wagtailimages_tags", "{% image page.hero min-300x200 %}", "min-300x200 has no counterpart"),
    ("wagtailimages_tags", "{% picture page.hero fill-{8x6,19x9} %}", "fill-{8x6,19x9} has several boxes; write resized_picture with a resized_source for each"),
    ("wagtailimages_tags", "{% image_url page.hero spec %}", "its size is a variable, or it has a view of its own"),
]  # fmt: skip


@pytest.mark.parametrize(("library", "before", "why"), LEFT)
def test_unclear_place_is_left_with_a_reason(
    library: str, before: str, why: str, settings: Settings
) -> None:
    settings.THUMBNAIL_ALIASES = ALIASES
    assert why in reason(before, library)


PARTS = [
    *["{% load thumbnail %}", "{% thumbnail a.image '9x9' as im %}", "{% thumbnail a.image 9x9 %}"],
    *["{% endthumbnail %}", "{% empty %}", "{% if im %}", "{% endif %}", "{% comment %}", "{%%}"],
    *["{% endcomment %}", "{% for x in y %}", "{% endfor %}", "{{ im.url }}", "{{ p.image.url }}"],
    *[
        '<img src="',
        '" alt="x">',
        "<img {{ im.attrs }}>",
        "<picture>",
        "<!--",
        "'",
        '"',
        ">",
        "\r\n",
    ],
]


@given(st.lists(st.sampled_from(PARTS), max_size=20))
@settings_of_hypothesis(max_examples=50)
def test_text_without_pictures_stays(parts: list[str]) -> None:
    text = "".join(parts)
    made = rewrite(text, MODELS)
    assert (made.text == text) is (made.pictures == 0)


def test_html_that_the_parser_refuses_stays() -> None:
    text = '<img src="{{ p.image.url }}" alt=""><![unknown[ x ]>'
    with suppress(Unclear):
        # Python from 3.13.5 on reads it.
        assert rewrite(text, MODELS).pictures == 1


def test_one_place_that_is_left_does_not_keep_others() -> None:
    text = (
        "{% load thumbnail %}\n"
        '<img src="{% thumbnail a.image 9x9 %}" alt="" data-big="{% thumbnail b.image 9x9 %}">'
        '<img src="{{ p.image.url }}" alt="">\n'
        '{% thumbnail a.image 9x9 as t %}<img src="{{ t.url }}" title="{{ t.width }}">'
    )
    made = rewrite(text, MODELS)
    assert made.pictures == 1
    assert [one.reason for one in made.left] == [
        "{% thumbnail %} stands in its data-big",
        "it stands in another attribute of an img than src",
        "t is used in its title",
    ]
    assert made.text == text.replace(
        "{% load thumbnail %}", "{% load thumbnail resizer %}"
    ).replace('<img src="{{ p.image.url }}" alt="">', '{% resized_img p.image alt="" %}')
    assert made.remarks == []


def test_image_without_alt_is_told() -> None:
    made = rewrite('<p>\n<img src="{{ p.image.url }}">', MODELS)
    assert made.text.endswith('<p>\n{% resized_img p.image alt="" %}')
    assert [(one.line, one.reason) for one in made.remarks] == [
        (2, 'it has no alt, so alt="" says that it is decoration')
    ]


class Processor:
    """A processor of pilkit."""

    def __init__(self, **options: object) -> None:
        vars(self).update(options)


class Resize(Processor): ...


class ResizeToFill(Processor): ...


class ResizeToFit(Processor): ...


class SmartResize(Processor): ...


class Watermark(Processor): ...


class Registry(dict[str, list[Processor]]):
    """That of django-imagekit."""

    def get_ids(self) -> list[str]:
        return list(self)

    def get(self, identifier: str, *, source: None) -> SimpleNamespace:  # type: ignore[override]
        if identifier == "app:broken":
            raise AttributeError("source")
        return SimpleNamespace(processors=self[identifier])


BOX = {"width": 30, "height": 20}
SUGGESTED = [
    ([ResizeToFill(**BOX, anchor=None)], '"a": {"width": 30, "height": 20}'),
    ([ResizeToFill(**BOX, anchor="t")], '"a": {"width": 30, "height": 20, "focal": "50,0"}'),
    ([ResizeToFill(**BOX, anchor="c")], '"a": {"width": 30, "height": 20}'),
    (
        [ResizeToFill(**BOX, anchor=(0.2, 0.305))],
        '"a": {"width": 30, "height": 20, "focal": "20,30"}',
    ),
    ([SmartResize(**BOX)], '"a": {"width": 30, "height": 20, "focal": "auto"}'),
    ([Resize(**BOX)], '"a": {"width": 30, "height": 20, "fit": "fill"}'),
    ([ResizeToFit(width=30, height=None, anchor="c")], '"a": {"width": 30}'),
    (
        [Watermark(), ResizeToFit(**BOX, anchor="t", mat_color="red"), Resize(width=9)],
        '"a": {"width": 30, "height": 20, "fit": "contain"} (Watermark, mat_color, Resize without a counterpart)',
    ),
    ([Watermark()], ""),
    ([], ""),
]


@pytest.mark.parametrize(("processors", "preset"), SUGGESTED)
def test_preset_of_a_generator_is_suggested(
    processors: list[Processor], preset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = Registry({"app:a": processors, "app:photo:a": processors})
    module = SimpleNamespace(generator_registry=registry)
    monkeypatch.setitem(sys.modules, "imagekit.registry", module)
    missing = f"add the preset {preset}" if preset else "make a preset 'a'"
    why = reason("{% generateimage 'app:a' source=p.photo %}", "imagekit")
    assert why == f"its size is in Python; {missing}, and run this again"


@pytest.mark.parametrize("name", ["broken", "two"])
def test_preset_of_an_unclear_generator_is_not_suggested(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    specs: dict[str, list[Processor]] = {
        "app:broken": [],
        "app:two": [Resize(width=9)],
        "shop:two": [Resize(width=8)],
    }
    module = SimpleNamespace(generator_registry=Registry(specs))
    monkeypatch.setitem(sys.modules, "imagekit.registry", module)
    why = reason(f"{{% generateimage 'app:{name}' source=p.photo %}}", "imagekit")
    assert why == f"its size is in Python; make a preset {name!r}, and run this again"


def test_tag_without_alt_is_told() -> None:
    made = rewrite("{% load imagekit %}\n{% thumbnail '9x' p.image %}", MODELS)
    assert made.text.endswith('\n{% resized_img p.image width=9 alt="" %}')
    assert [(one.line, one.reason) for one in made.remarks] == [
        (2, 'it has no alt, so alt="" says that it is decoration')
    ]


def test_crop_that_was_closer_is_told() -> None:
    load = "{% load wagtailimages_tags %}\n"
    made = rewrite(load + '{% picture page.hero fill-50x40-c75 loading="lazy" %}', MODELS)
    assert made.text.endswith("\n{% resized_img page.hero width=50 height=40 %}")
    assert [(one.line, one.reason) for one in made.remarks] == [
        (2, "c75 is gone: a crop keeps the focal point in view, but goes no closer")
    ]
    assert rewrite(load + "<img alt='{% image page.hero fill-50x40-c75 %}'>", MODELS).remarks == []


def test_other_images_stay() -> None:
    for text in (
        "{% include 'a/p.card.html' %}",
        "",
        '<img src="/logo.png"><img src="{% static "a.png" %}"><img><img src>',
        '<a href="{{ p.image.url }}">{{ p.image.url }}</a>',
        '<img src="{{ p.get_absolute_url }}"><img data-src="{{ p.image.url }}">',
        "{# <img src='{{ p.image.url }}'> #}{% comment %}<img src='{{ p.image.url }}'>{% endcomment %}",
        '<!-- <img src="{{ p.image.url }}"> --><script>"<img src={{ p.image.url }}>"</script>',
        "{% verbatim %}<img src='{{ p.image.url }}'>{% endverbatim %}",
        "{% load other %}{% thumbnail '1' p.image %}{% image x width-40 %}{% picture p.image %}",
        '<img src="{{ p.image.url }}/{{ x }}"><img src="{{ STATIC_URL }}{{ p.image }}">',
    ):
        assert rewrite(text, MODELS) == (text, 0, [], [])


LOADS = {
    "{% load resizer %}\n": "{% load resizer %}\n{}",
    "{% load i18n static %}\n": "{% load i18n static resizer %}\n{}",
    "{% load cycle from future %}\n": "{% load resizer %}\n{% load cycle from future %}\n{}",
    '{% extends "a.html" %}\r\n': '{% extends "a.html" %}\r\n{% load resizer %}\r\n{}',
    '{% extends "a.html" %}\n{% load thumbnail i18n %}\n': '{% extends "a.html" %}\n{% load i18n resizer %}\n{}',
    "{% load i18n %}\n{% load thumbnail %}\n": "{% load i18n %}\n{% load resizer %}\n{}",
    "{% load resizer %}\n  {% load thumbnail %}  \n": "{% load resizer %}\n{}",
    "{% load resizer %}{% load thumbnail %}": "{% load resizer %}{}",
    "{% load thumbnail %}{{ a|is_portrait }}": "{% load thumbnail resizer %}{{ a|is_portrait }}{}",
    "\ufeff<p>": "\ufeff{% load resizer %}\n<p>{}",
    "<p>\r\n": "{% load resizer %}\r\n<p>\r\n{}",
}  # fmt: skip


@pytest.mark.parametrize("before", LOADS)
def test_library_is_loaded_where_it_is_missing(before: str) -> None:
    made = rewrite(before + '<img src="{{ p.image.url }}" alt="">', MODELS)
    assert made.text == LOADS[before].replace("{}", '{% resized_img p.image alt="" %}')


def test_library_is_not_loaded_if_it_is_a_builtin(settings: Settings) -> None:
    (engine,) = settings.TEMPLATES
    options = {**engine["OPTIONS"], "builtins": ["resizer.templatetags.resizer"]}
    settings.TEMPLATES = [{**engine, "OPTIONS": options}]
    made = rewrite('<img src="{{ p.image.url }}" alt="">', MODELS)
    assert made.text == '{% resized_img p.image alt="" %}'


def test_project_without_templates_of_django_can_be_rewritten(settings: Settings) -> None:
    settings.TEMPLATES = []
    made = rewrite('<img src="{{ p.image.url }}" alt="">', MODELS)
    assert made.text == '{% load resizer %}\n{% resized_img p.image alt="" %}'


def test_text_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(Unclear, match="characters of a private use"):
        rewrite("\ue000", MODELS)


@pytest.mark.django_db
@pytest.mark.parametrize("pairs", [PLAIN, SORL, VERSATILE])
def test_rewritten_templates_print_pictures(pairs: dict[str, str]) -> None:
    save("a.jpg")
    engine = Engine(libraries={"resizer": "resizer.templatetags.resizer"})
    for after in pairs.values():
        if "profile" in after or "{% for" in after:
            continue
        names = {"image": "a.jpg", "photo": "a.jpg", "name": "A", "year": 7, "title": "T", "pk": 3}
        context = {"p": names, "photo": names, "item": names, "a": {"b": names}}
        html = engine.from_string("{% load resizer %}" + after).render(Context(context))
        assert "/img/a.jpg/" in html, after
        if "Photo of" in after:
            assert 'alt="Photo of A, 7"' in html
