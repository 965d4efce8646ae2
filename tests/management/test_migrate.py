"""`resizer_migrate`: shows how templates would change, and changes them."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest
from django.core.management import CommandError, call_command

from config.gallery.models import Photo
from resizer.models import CachedVariant, Original

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django import Settings

BEFORE = """{% extends "base.html" %}
{% load thumbnail %}
{% block content %}
{% thumbnail photo.image "100x100" crop="center" as im %}
  <img src="{{ im.url }}" alt="Zürich">
{% endthumbnail %}
{% endblock %}
"""
AFTER = """{% extends "base.html" %}
{% load resizer %}
{% block content %}
{% resized_img photo.image width=100 height=100 alt="Zürich" %}
{% endblock %}
"""
ODD = '<p>\n<img src="{{ photo.thumb.url }}">\n'


@pytest.fixture
def templates(tmp_path: Path) -> Path:
    """A directory with a template, others that stay, and files that are none."""
    directory = tmp_path / "templates"
    (directory / "blog").mkdir(parents=True)
    write(directory / "blog" / "post.html", BEFORE)
    for name in ("jinja2", ".git", "node_modules"):
        (directory / name).mkdir()
        write(directory / name / "post.html", BEFORE)
    write(directory / "plain.htm", "<p>Hello</p>")
    write(directory / "notes.txt", BEFORE)
    return directory


def write(path: Path, text: str) -> None:
    path.write_bytes(text.encode())


def migrate(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What the command prints, and then why it fails."""
    capsys.readouterr()
    try:
        call_command("resizer_migrate", *map(str, arguments))
    except CommandError as error:
        return f"{capsys.readouterr().out}{error.returncode}: {error}"
    return capsys.readouterr().out


def test_diff_is_shown_first_and_can_be_applied(
    capsys: pytest.CaptureFixture[str], templates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(templates.parent)
    told = migrate(capsys, "templates")
    assert told.startswith("--- a/templates/blog/post.html\n+++ b/templates/blog/post.html\n@@ ")
    assert '\n+{% resized_img photo.image width=100 height=100 alt="Zürich" %}\n' in told
    assert told.endswith(
        "\nWould rewrite 1 picture. 0 places are left. To change the files, add --write.\n"
    )
    path = templates / "blog" / "post.html"
    assert path.read_text(encoding="utf-8") == BEFORE
    diff = told.rpartition("Would rewrite")[0]
    subprocess.run(["patch", "-p1", "-s"], input=diff, text=True, check=True)
    assert path.read_text(encoding="utf-8") == AFTER


def test_files_are_changed_with_write(capsys: pytest.CaptureFixture[str], templates: Path) -> None:
    assert migrate(capsys, templates, "--write") == "Rewrote 1 picture. 0 places are left.\n"
    assert (templates / "blog" / "post.html").read_text(encoding="utf-8") == AFTER
    for name in ("jinja2/post.html", ".git/post.html", "node_modules/post.html", "notes.txt"):
        assert (templates / name).read_text(encoding="utf-8") == BEFORE
    assert migrate(capsys, templates, "--write") == "Rewrote 0 pictures. 0 places are left.\n"
    assert migrate(capsys, templates) == "Would rewrite 0 pictures. 0 places are left.\n"


def test_each_file_is_named_on_demand(capsys: pytest.CaptureFixture[str], templates: Path) -> None:
    path = templates / "notes.txt"
    assert migrate(capsys, path, "--write", "-v", "2").startswith(f"{path}: 1 picture\n")
    assert path.read_text(encoding="utf-8") == AFTER


def test_bytes_around_a_picture_stay(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    content = "\ufeff<p>é</p>\r\n{}\r\n\t<b>\r</b>\n{{{{ x }}}}"
    write(path, content.format('<img src="{{ photo.image.url }}" alt="">'))
    path.chmod(0o640)
    link = tmp_path / "link.html"
    link.symlink_to(path)
    migrate(capsys, link, "--write")
    expected = content.format('{% resized_img photo.image alt="" %}')
    assert path.read_bytes() == expected.replace("<p>", "{% load resizer %}\r\n<p>", 1).encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert link.is_symlink()
    assert sorted(os.listdir(tmp_path)) == ["a.html", "link.html", "originals"]


def test_diff_of_a_file_without_a_last_line_end(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "a.html"
    write(path, '<img src="{{ photo.image.url }}" alt="">')
    assert migrate(capsys, path).splitlines()[3:6] == [
        '-<img src="{{ photo.image.url }}" alt="">',
        "\\ No newline at end of file",
        "+{% load resizer %}",
    ]


def test_what_is_left_is_named_with_its_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "a.html"
    write(path, ODD)
    assert migrate(capsys, path, "-v", "0") == (
        f"{path}:2: left: {{{{ photo.thumb.url }}}} (no model has a field for files named thumb)\n"
        "1: 1 place left. See the lines with the reasons above."
    )


class ImageSpecFileDescriptor:
    """As django-imagekit puts it into a model."""

    def __init__(self, source: str) -> None:
        self.source_field_name = source

    def __get__(self, instance: object, owner: object) -> None: ...


def test_spec_of_imagekit_becomes_a_preset_of_its_name(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.RESIZER = {"PRESETS": {"card": {"width": 400}}}
    for model, source in ((Photo, "image"), (Original, "image"), (CachedVariant, "other")):
        name = "card" if source == "image" else "both"
        monkeypatch.setattr(model, name, ImageSpecFileDescriptor(source), raising=False)
    monkeypatch.setattr(Photo, "both", ImageSpecFileDescriptor("image"), raising=False)
    path = tmp_path / "a.html"
    write(path, '<img src="{{ photo.card.url }}" alt=""> <img src="{{ photo.both.url }}" alt="">')
    told = migrate(capsys, path)
    assert '\n+{% resized_img photo.image preset="card" alt="" %} <img' in told
    assert "both has other originals from model to model" in told


def test_file_that_cannot_be_read_is_left(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "a.html"
    path.write_bytes(b"\xff" + BEFORE.encode())
    assert f"{path}:1: left:  (it is not UTF-8: " in migrate(capsys, path, "--write")
    assert path.read_bytes() == b"\xff" + BEFORE.encode()


def test_file_that_cannot_be_written_is_left(
    capsys: pytest.CaptureFixture[str], templates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr(os, "replace", refuse)
    assert "(no space)" in migrate(capsys, templates, "--write")
    assert os.listdir(templates / "blog") == ["post.html"]
    assert (templates / "blog" / "post.html").read_text(encoding="utf-8") == BEFORE


def test_missing_path_is_a_wrong_argument(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    absent = tmp_path / "absent"
    assert migrate(capsys, absent) == f"2: There is no file and no directory {str(absent)!r}."


def test_json_has_all_facts(capsys: pytest.CaptureFixture[str], templates: Path) -> None:
    odd = templates / "odd.html"
    write(odd, ODD + '<img src="{{ photo.image.url }}">\n')
    told, _, problem = migrate(capsys, templates, "--format", "json").rpartition("}\n")
    facts = json.loads(told + "}")
    assert problem == "1: 1 place left. See the lines with the reasons above."
    assert (facts["rewritten"], facts["left"], facts["is_written"]) == (2, 1, False)
    second, first = facts["files"]
    assert first["path"] == str(templates / "blog" / "post.html")
    assert first["diff"].startswith("--- a/")
    assert second["left"] == [
        {
            "line": 2,
            "text": "{{ photo.thumb.url }}",
            "reason": "no model has a field for files named thumb",
        }
    ]
    assert second["remarks"] == [
        {
            "line": 3,
            "text": "{{ photo.image.url }}",
            "reason": 'it has no alt, so alt="" says that it is decoration',
        }
    ]
