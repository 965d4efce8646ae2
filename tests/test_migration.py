"""The pages for projects that come from another package: each row of their tables, and their settings."""

from __future__ import annotations

import re
from subprocess import run
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from django.db.models import ImageField
from django.template import Context, Engine

from resizer.conf import read_settings
from resizer.maintenance.rewriting.rewrite import Models, rewrite
from tests.conftest import save
from tests.documents import DOCS, examples, read
from tests.pictures import decode, photograph

if TYPE_CHECKING:
    from pathlib import Path

    from django.test import Client
    from pytest_django import Settings

pytestmark = pytest.mark.django_db

#: What the templates of each page load.
LIBRARIES = {
    "django-pictures": "pictures",
    "easy-thumbnails": "thumbnail",
    "imagekit": "imagekit",
    "plain-images": "",
    "sorl-thumbnail": "thumbnail",
    "versatileimagefield": "",
    "wagtail": "wagtailimages_tags",
}
OBJECTS = ("hero", "page", "photo", "post", "user")
ALIASES = {"": {"avatar": {"size": (50, 50), "crop": True}}}
PRESETS = {name: {"width": 400, "ratio": "3/2"} for name in ("card", "image_card")}
MODELS = Models(frozenset({"hero", "image"}), {"image_card": "image"})
OURS = "{% load resizer %}"


class Row(NamedTuple):
    page: str
    before: str
    after: str
    is_by_hand: bool


def rows(page: str) -> list[Row]:
    """The rows of the tables of a page that have templates, as `before | after`."""
    found, is_by_hand = [], False
    for line in read(f"migration/{page}").splitlines():
        is_by_hand = is_by_hand or line.startswith("By hand")
        cells = [cell.replace("\\|", "|").strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        codes = [re.match("`([^`]+)`", cell) for cell in cells]
        if len(codes) == 2 and codes[0] and codes[1] and "{%" in codes[1][1]:
            found.append(Row(page, codes[0][1], codes[1][1], is_by_hand))
    return found


ROWS = [row for page in LIBRARIES for row in rows(page)]


@pytest.fixture(autouse=True)
def _presets(settings: Settings) -> None:
    static = {"BACKEND": "resizer.sources.StaticSource"}
    settings.RESIZER = {"PRESETS": PRESETS, "SOURCES": {"static": static}, "HOST": "https://x.org"}
    settings.THUMBNAIL_ALIASES = ALIASES


def test_each_page_has_rows() -> None:
    pages = {path.stem for path in (DOCS / "migration").glob("*.md")}
    assert pages == {*LIBRARIES, "index", "pic-urls"}
    for page in LIBRARIES:
        assert len([row for row in ROWS if row.page == page and not row.is_by_hand]) > 3


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.page}: {row.before[:60]}")
def test_after_is_a_picture(row: Row) -> None:
    save("cat.jpg", photograph((1600, 1200)))
    names = {"image": "cat.jpg", "hero": "cat.jpg", "title": "A cat"}
    context = dict.fromkeys(OBJECTS, names) | {"hero": {"image": "cat.jpg"}}
    engine = Engine(libraries={"resizer": "resizer.templatetags.resizer"})
    html = engine.from_string(OURS + row.after).render(Context(context))
    assert "/img/cat.jpg/" in html


@pytest.mark.parametrize(
    "row",
    [row for row in ROWS if not row.is_by_hand],
    ids=lambda row: f"{row.page}: {row.before[:60]}",
)
def test_command_turns_before_into_after(row: Row) -> None:
    library = LIBRARIES[row.page]
    load = f"{{% load {library} %}}" if library else ""
    made = rewrite(f"{load}\n{row.before}", MODELS)
    assert made.left == []
    assert made.text.removeprefix(OURS).strip() == row.after


@pytest.mark.parametrize(
    ("page", "text"),
    [
        (
            "sorl-thumbnail",
            '{% thumbnail name "100x100" crop="center" as im %}{{ im.width }}{% endthumbnail %}',
        ),
        ("easy-thumbnails", "{% thumbnail name 100x100 crop as thumb %}{{ thumb.width }}"),
    ],
)
def test_settings_for_templates_that_stay_are_right(
    page: str, text: str, settings: Settings
) -> None:
    (snippet,) = [
        one.text for one in examples(read(f"migration/{page}")) if "TEMPLATES" in one.text
    ]
    namespace: dict[str, Any] = {}
    exec(snippet, namespace)
    settings.TEMPLATES = namespace["TEMPLATES"]
    save("cat.jpg")
    template = Engine.get_default().from_string("{% load thumbnail %}" + text)
    assert template.render(Context({"name": "cat.jpg"})) == "100"


def test_settings_of_the_pages_are_right() -> None:
    found = [
        one.text
        for path in (DOCS / "migration").glob("*.md")
        for one in examples(path.read_text(encoding="utf-8").replace("\n   ", "\n"))
        if "RESIZER = " in one.text
    ]
    assert len(found) == 4
    for text in found:
        namespace: dict[str, Any] = {}
        exec(text, namespace)
        assert read_settings(namespace["RESIZER"])[1] == []


def test_old_migrations_lose_the_field_of_easy_thumbnails(tmp_path: Path) -> None:
    (script,) = re.findall(r"```sh\n(   sed .*?)   ```", read("migration/index"), re.S)
    path = tmp_path / "blog" / "migrations" / "0001_initial.py"
    path.parent.mkdir(parents=True)
    # As `makemigrations` writes it.
    path.write_text(
        "import easy_thumbnails.fields\nfrom django.db import migrations, models\n"
        "field = easy_thumbnails.fields.ThumbnailerImageField(blank=True, upload_to='photos')\n"
    )
    run(["sh", "-ec", script], cwd=tmp_path, check=True)
    namespace: dict[str, Any] = {}
    exec(path.read_text(), namespace)
    assert type(namespace["field"]) is ImageField
    assert list(path.parent.iterdir()) == [path]


def test_points_of_versatileimagefield_are_copied() -> None:
    page = read("migration/versatileimagefield").replace("\n   ", "\n")
    (snippet,) = [one.text for one in examples(page) if "copy_points" in one.text]
    photo = SimpleNamespace(image_ppoi="0.5x0.255", saved=None)
    photo.save = lambda update_fields: setattr(photo, "saved", update_fields)
    model = SimpleNamespace(objects=SimpleNamespace(exclude=lambda **_: [photo]))
    namespace: dict[str, Any] = {}
    exec(snippet, namespace)
    namespace["copy_points"](SimpleNamespace(get_model=lambda *_: model), None)
    assert (photo.image_focal, photo.saved) == ("50,26", ["image_focal"])


def test_urls_of_a_function_for_pictures_are_answered(client: Client, settings: Settings) -> None:
    settings.RESIZER = {"SOURCES": {"default": {"OPEN": True}}}
    save("cats/a.jpg", photograph((1600, 1200)))
    # The tests mount the app at img/.
    assert decode(client.get("/img/cats/a.jpg").content).size == (1600, 1200)
    assert decode(client.get("/img/640/cats/a.jpg").content).size == (640, 480)
    response = client.get("/img/600/cats/a.jpg")
    assert (response.status_code, response["Location"]) == (302, "/img/640/cats/a.jpg")
