"""Every example of a template in the documentation, word for word: its output is valid HTML."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
import types
from html.parser import HTMLParser
from itertools import groupby, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import markdown
import ninja
import pytest
import yaml
from django.contrib import admin
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage
from django.core.management import load_command_class
from django.core.paginator import Paginator
from django.db import models
from django.template import Context, Template
from django.test import RequestFactory
from django.test.utils import isolate_apps
from django.urls import include, path
from jinja2 import Environment
from rest_framework import serializers

import resizer
from config.gallery.models import Photo
from resizer import originals
from resizer.conf import read_settings
from resizer.contrib.ninja import Candidate, ResizedImage, Source
from resizer.signals import variant_rendered
from tests.conftest import FRONT_ENDS, HTML_VALIDATE, save
from tests.documents import PAGES, Example, all_examples, examples, name_of, read
from tests.pictures import draw, encode, photograph
from tests.servers import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_django import Settings

pytestmark = pytest.mark.django_db

DJANGO = ("django", "htmldjango")
#: What a tag has beside it in a list of tags.
REMARK = re.compile(r"(?<=[%}]\}) {2,}.*$", re.MULTILINE)
HEAD = re.compile(r"<style.*?</style>|<(?:link|meta)\b[^>]*>", re.DOTALL)
READERS: dict[str, Callable[[str], Any]] = {
    "json": json.loads,
    "toml": tomllib.loads,
    "yaml": yaml.safe_load,
}
SHELL = [one for one in all_examples() if one.language in ("console", "sh")]

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
    return {"request": request, "photos": Photo.objects.all(), **dict.fromkeys(names, thing)}


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


def test_python_of_the_examples_runs(names: dict[str, Any]) -> None:
    found = [one for one in all_examples() if one.language == "python"]
    assert len(found) > 30
    for page, group in groupby(found, lambda one: one.page):
        # An example may use names of the one before it.
        here = dict(names)
        for one in group:
            with isolate_apps("config.gallery"):
                exec(compile(one.text, page, "exec"), here)


@pytest.fixture
def names(
    context: dict[str, Any], photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, Any]]:
    """What stands around an example in a project."""
    # Without rows: an example names fields of its own.
    empty = types.SimpleNamespace(objects=Photo.objects.none())
    modules: dict[str, dict[str, Any]] = {
        "easy_thumbnails": {},
        "easy_thumbnails.models": {"Thumbnail": empty},
        "easy_thumbnails.storage": {"thumbnail_default_storage": None},
        "gallery": {},
        "gallery.models": {"Photo": empty},
        "unfold": {},
        "unfold.admin": {"ModelAdmin": admin.ModelAdmin},
    }
    for name, contents in modules.items():
        module = types.ModuleType(name)
        vars(module).update(contents)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(admin.sites, "site", admin.AdminSite())
    monkeypatch.setenv("RESIZER_SIGNING_KEY", "k" * 32)
    receivers = variant_rendered.receivers[:]
    Photo(title="Second").image.save("b.jpg", ContentFile(photograph()))
    yield {
        **context,
        "__name__": "config.gallery.models",
        "Article": empty,
        "BASE_DIR": Path("/srv/shop"),
        "INSTALLED_APPS": [],
        "MIDDLEWARE": [],
        "Paginator": Paginator,
        "Photo": Photo,
        "PrivateMedia": FileSystemStorage,
        "STORAGES": {},
        "Schema": ninja.Schema,
        "include": include,
        "markdown": markdown,
        "models": models,
        "number": 1,
        "os": os,
        "path": path,
        "photo": photo,
        "photos": Photo.objects.none(),
        "serializers": serializers,
        "storages": {"members": FileSystemStorage()},
        "text": f"![A cat]({photo.image.url})",
        "urlpatterns": [],
    }
    variant_rendered.receivers = receivers
    variant_rendered.sender_receivers_cache.clear()


def test_data_of_the_examples_can_be_read() -> None:
    for one in all_examples():
        if one.language in READERS:
            READERS[one.language](one.text)


def test_shell_reads_the_commands_of_the_examples() -> None:
    for one in SHELL:
        is_session = one.language == "console"
        lines = re.findall(r"^\$ (.*)$", one.text, re.MULTILINE) if is_session else [one.text]
        command = ["sh", "-n", "-c", "\n".join(lines)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.stderr, done.returncode) == ("", 0), one


def test_commands_have_the_options_that_pages_name() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for name, arguments in re.findall(r"\b(resizer_[a-z]+)((?: [^\s`\"…]+)+)", text):
            # An option of `zappa manage` may follow.
            named = set(re.findall(r"--[a-z-]+", arguments)) - {"--qualifier"}
            if named:
                parser = load_command_class("resizer", name).create_parser("manage.py", name)
                assert named <= set(parser._option_string_actions), (page, name, arguments)


def test_commands_in_examples_take_their_arguments() -> None:
    pattern = re.compile(r"\bmanage\.py (resizer_.*)$", re.MULTILINE)
    lines = [line for one in SHELL for line in pattern.findall(one.text)]
    assert len(lines) > 5
    for line in lines:
        name, *arguments = shlex.split(line, comments=True)
        load_command_class("resizer", name).create_parser("manage.py", name).parse_args(arguments)


@pytest.mark.service("node")
@pytest.mark.service("front-ends")
@pytest.mark.parametrize("language", ["tsx", "vue"])
def test_front_end_prints_the_picture_that_the_tag_prints(
    language: str, context: dict[str, Any], tmp_path: Path
) -> None:
    (example,) = [one for one in examples(read("pictures/front-ends")) if one.language == language]
    source, data = tmp_path / f"picture.{language}", tmp_path / "image.json"
    source.write_text(example.text, encoding="utf-8")
    for file in (context["photo"].image, context["photo"].logo):
        picture = resizer.picture(file, alt='"A" & b', width=600, ratio="3/2")
        data.write_text(json.dumps(picture.as_dict()), encoding="utf-8")
        command = [
            "node",
            str(ROOT / "tests/front_ends.mjs"),
            *map(str, (FRONT_ENDS, source, data)),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert elements(done.stdout) == elements(picture.html)


class Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def elements(html: str) -> list[tuple[str, dict[str, str | None]]]:
    """The sources and the image, without attributes that only one of both has."""
    parser = Elements()
    parser.feed(html)
    for tag, attributes in parser.found:
        # For our style sheet; for WebKit's preload scanner, which does not see elements of scripts; and the image's own.
        needless = {"data-resizer"} if tag == "img" else {"type", "width", "height"}
        for name in needless & attributes.keys():
            del attributes[name]
    return [one for one in parser.found if one[0] != "picture"]


def test_languages_of_all_examples_are_known() -> None:
    """A test runs each of them, or compares it with output. `text` is neither code nor HTML."""
    here = {*DJANGO, *READERS, "console", "html", "jinja", "python", "sh", "ts", "tsx", "vue"}
    in_other_files = {"ini", "js", "nginx"}
    assert {one.language for one in all_examples()} <= {*here, *in_other_files, "text"}


def test_type_of_a_picture_in_json_is_that_of_the_schema() -> None:
    (block,) = [one.text for one in examples(read("pictures/front-ends")) if one.language == "ts"]
    candidates = re.findall(r"(\w+): ", block.partition("candidates: {")[2].partition("}")[0])
    assert candidates == list(Candidate.model_fields)
    outer, inner = (
        re.findall(rf"^{indent}(\w+): ", block, re.MULTILINE) for indent in ("  ", "    ")
    )
    assert outer == list(ResizedImage.model_fields)
    assert inner == list(Source.model_fields)
