"""Every example of a template in the documentation, word for word: its output is valid HTML."""

from __future__ import annotations

import json
import re
import subprocess
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import markdown
import ninja
import pytest
from django.core.files.base import ContentFile
from django.db import models
from django.template import Context, Template
from django.test import RequestFactory
from jinja2 import Environment
from rest_framework import serializers

from config.gallery.models import Photo
from resizer import originals
from resizer.conf import read_settings
from resizer.contrib.ninja import Candidate, ResizedImage, Source
from tests.conftest import HTML_VALIDATE, save
from tests.documents import PAGES, Example, all_examples, examples, name_of, read
from tests.pictures import draw, encode, photograph

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django import Settings

pytestmark = pytest.mark.django_db

DJANGO = ("django", "htmldjango")
#: What a tag has beside it in a list of tags.
REMARK = re.compile(r"(?<=[%}]\}) {2,}.*$", re.MULTILINE)
HEAD = re.compile(r"<style.*?</style>|<(?:link|meta)\b[^>]*>", re.DOTALL)
#: The pages whose examples in Python are run.
RUN = (
    "pictures/absolute-urls",
    "pictures/front-ends",
    "pictures/python",
    "pictures/rich-text",
    "production/host",
)

LOGO = b'<svg xmlns="http://www.w3.org/2000/svg" width="120" height="40"/>'
#: Pictures that no example shows.
AWKWARD = """{% resized_img "drawing.svg" alt="" %}
{% resized_img "drawing.svg" alt="" width=48 height=48 class="x" %}
{% resized_img "absent.jpg" alt="" ratio="3/2" %}
{% resized_img "broken.jpg" alt="" %}
{% resized_img "dot.jpg" alt="" %}
{% resized_img "moving.gif" alt="" animated=True %}
{% resized_img photo.image alt='"A" & b' quality="lossless" title='"A" & b' hidden=True %}
{% resized_img photo.image alt="" width=16 loading="eager" crossorigin="anonymous" %}
{{ html|resized_html }}"""


class Thing:
    """Has whatever an example wants: pictures, texts and numbers."""

    def __init__(self, photo: Photo, logo: Photo, animation: Photo) -> None:
        self.photo_row = photo
        self.logo = logo.image
        self.animation = animation.image
        self.title = self.name = self.alt = "A cat"
        self.pk = 7
        image = f'<img src="{photo.image.url}" alt="A cat" class="left" width="600" height="400">'
        self.body = f'<figure class="image">{image}</figure>'

    def __getattr__(self, name: str) -> Any:
        return self.photo_row.image

    def __call__(self) -> Thing:
        return self


@pytest.fixture(autouse=True)
def _documented_presets(settings: Settings) -> None:
    """The settings that the examples share."""
    (shared,) = [
        one for one in examples(read("pictures/presets")) if one.text.startswith("RESIZER = ")
    ]
    namespace: dict[str, Any] = {}
    exec(shared.text, namespace)
    static = {"BACKEND": "resizer.sources.StaticSource"}
    settings.RESIZER = {"SOURCES": {"static": static}, **namespace["RESIZER"]}
    settings.ALLOWED_HOSTS = ["www.example.com"]


@pytest.fixture
def context(photo: Photo) -> dict[str, Any]:
    names = ["article", "hero", "page", "photo", "post", "product", "user"]
    request = RequestFactory(SERVER_NAME="www.example.com").get("/", secure=True)
    thing = Thing(photo, upload("logo.svg", LOGO), upload("moving.gif", moving()))
    return {"request": request, **dict.fromkeys(names, thing)}


def upload(name: str, content: bytes) -> Photo:
    photo = Photo(title=name)
    photo.image.save(name, ContentFile(content))
    return photo


def moving() -> bytes:
    """A GIF of two frames."""
    frames = [draw((640, 480)), draw((640, 480)).rotate(180)]
    return encode(frames[0], "GIF", save_all=True, append_images=frames[1:])


def document(output: str) -> str:
    """A whole page with the output of an example."""
    head, body = "".join(HEAD.findall(output)), HEAD.sub("", output)
    if body.strip().startswith("<source"):
        body = f'<picture>{body}<img src="/a.jpg" alt=""></picture>'
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>x</title>{head}</head>'
        f"<body><main>{body}</main></body></html>\n"
    )


@pytest.mark.service("html-validate")
def test_output_of_every_template_is_valid_html(
    settings: Settings, tmp_path: Path, context: dict[str, Any]
) -> None:
    settings.DEBUG = True
    save("drawing.svg", b'<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>')
    save("broken.jpg")
    originals.note_broken(originals.look_up("broken.jpg"))
    save("dot.jpg", photograph((1, 1)))
    save("moving.gif", moving())
    url = context["photo"].image.url
    context["html"] = f'<p><img src="{url}" alt width="20"><img src={url} alt=x height=20 /></p>'
    jinja = Environment(extensions=["resizer.jinja2.ResizerExtension"], autoescape=True)
    count = 0
    for one in [*all_examples(), Example("awkward", "django", AWKWARD)]:
        text = REMARK.sub("", one.text)
        if one.language in DJANGO:
            output: str = Template("{% load resizer %}" + text).render(Context(dict(context)))
        elif one.language == "jinja":
            output = jinja.from_string(text).render(dict(context))
        else:
            continue
        assert "/photographs/" in output, one
        count += 1
        (tmp_path / f"{count}-{one.page.replace('/', '-')}.html").write_text(
            document(output), encoding="utf-8"
        )
    assert count > 10
    configuration = tmp_path / ".htmlvalidate.json"
    rules = {"extends": ["html-validate:standard"], "rules": {"no-inline-style": "off"}}
    configuration.write_text(json.dumps({"root": True, **rules}), encoding="utf-8")
    command = [HTML_VALIDATE, "--formatter", "json", *map(str, tmp_path.glob("*.html"))]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    problems = [
        (report["filePath"], message["ruleId"], message["message"])
        for report in json.loads(done.stdout)
        for message in report["messages"]
    ]
    assert problems == []
    assert done.returncode == 0, done.stderr


def test_output_in_the_documentation_is_that_of_its_template(context: dict[str, Any]) -> None:
    count = 0
    for page in PAGES:
        found = examples(page.read_text(encoding="utf-8"), name_of(page))
        for template, output in pairwise(found):
            if template.language not in DJANGO or output.language != "html":
                continue
            made = Template("{% load resizer %}" + template.text).render(Context(dict(context)))
            parts = [re.escape(" ".join(part.split())) for part in output.text.strip().split("…")]
            pattern = ".*?".join(part.replace("\\ ", " ?") for part in parts)
            assert re.fullmatch(pattern, " ".join(made.split())), (pattern, made)
            count += 1
    assert count > 5


def test_settings_of_every_example_are_right() -> None:
    found = [one for one in all_examples() if one.text.startswith("RESIZER = ")]
    assert len(found) > 3
    for one in found:
        namespace: dict[str, Any] = {}
        exec(one.text, namespace)
        assert read_settings(namespace["RESIZER"])[1] == [], one


def test_python_of_the_examples_runs(context: dict[str, Any], photo: Photo) -> None:
    Photo(title="Second").image.save("b.jpg", ContentFile(photograph()))
    names = {
        **context,
        "Schema": ninja.Schema,
        "markdown": markdown,
        "models": models,
        "photo": photo,
        "serializers": serializers,
        "text": f"![A cat]({photo.image.url})",
    }
    for page in RUN:
        for one in examples(read(page)):
            if one.language == "python":
                exec(one.text, dict(names))


def test_type_of_a_picture_in_json_is_that_of_the_schema() -> None:
    (block,) = [one.text for one in examples(read("pictures/front-ends")) if one.language == "ts"]
    candidates = re.findall(r"(\w+): ", block.partition("candidates: {")[2].partition("}")[0])
    assert candidates == list(Candidate.model_fields)
    outer, inner = (
        re.findall(rf"^{indent}(\w+): ", block, re.MULTILINE) for indent in ("  ", "    ")
    )
    assert outer == list(ResizedImage.model_fields)
    assert inner == list(Source.model_fields)
