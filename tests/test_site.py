"""The documentation site: it is built without a warning, needs no network, and has an entry for whatever a reader looks up."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand
from django.dispatch import Signal

import resizer
from resizer import errors, signals
from resizer.markup.contradictions import PAIRS
from resizer.markup.vocabulary import RESIZED_IMG, RESIZED_SOURCE, TAGS
from resizer.sources import HttpSource, StorageSource
from tests.documents import DOCS, read
from tests.servers import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TROUBLESHOOTING = read("troubleshooting")
COMMANDS = [name for name, app in get_commands().items() if app == "resizer"]
#: What stands for a name or a number in a line of the log.
PLACEHOLDER = re.compile(r"%[.\d]*[a-z]|\{[^}]*\}")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("docs")
    command = [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going"]
    done = subprocess.run(
        [*command, "-d", directory / "doctrees", DOCS, directory / "site"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stderr, done.returncode) == ("", 0)
    return directory / "site"


def test_site_is_built_without_a_warning(site: Path) -> None:
    for page in DOCS.rglob("*.md"):
        assert (site / page.relative_to(DOCS)).with_suffix(".html").is_file(), page
    assert f"resizer {resizer.__version__}" in (site / "index.html").read_text(encoding="utf-8")


def test_pages_of_the_site_load_nothing_from_elsewhere(site: Path) -> None:
    loading = re.compile(r"<(?:script|img|link|iframe)\b[^>]*(?:src|href)=\"(?:https?:)?//[^\"]*")
    for page in site.rglob("*.html"):
        assert loading.findall(page.read_text(encoding="utf-8")) == [], page
    for sheet in site.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        assert re.findall(r"(?:@import|url\()\s*[\"']?(?:https?:)?//[^\"')]*", text) == [], sheet


def test_llms_lists_every_page_as_markdown(site: Path) -> None:
    text = (site / "llms.txt").read_text(encoding="utf-8")
    pages = re.findall(r"^- \[.+\]\((.+?)\): \S", text, re.MULTILINE)
    assert len(pages) == len(set(pages))
    listed = {page.removeprefix("_sources/").removesuffix(".txt") for page in pages}
    assert listed == {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")} - {"index.md"}
    for page in pages:
        assert (site / page).is_file()


@pytest.mark.parametrize("name", COMMANDS)
def test_reference_has_every_option_of_a_command(name: str) -> None:
    page = read("reference/commands")
    assert f"| `{name}" in page
    command = load_command_class("resizer", name)
    ours = {one for action in _actions(command) for one in action.option_strings}
    theirs = {one for action in _actions(BaseCommand()) for one in action.option_strings}
    section = page.partition(f"### {name}\n")[2].partition("\n### ")[0]
    named = set(re.findall(r"--[a-z-]+", section + page.partition("\n### ")[0]))
    assert {one for one in ours - theirs if one.startswith("--")} <= named


def _actions(command: BaseCommand) -> list[Any]:
    return command.create_parser("manage.py", "command")._actions


def test_reference_has_every_signal() -> None:
    names = {name for name, value in vars(signals).items() if isinstance(value, Signal)}
    table = read("reference/signals").partition("| signal |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == names


def test_reference_has_every_option_of_a_tag() -> None:
    page = read("reference/tags")
    rows = re.findall(r"^\| (`.+?) \|", page, re.MULTILINE)
    named = {name for row in rows for name in re.findall("`([a-z]+)`", row)}
    special = {"absolute", "format", "media", "selector"}
    options = {name for tag in (*TAGS.values(), RESIZED_SOURCE) for name in tag.options}
    assert options - named <= special
    assert all(f"`{name}" in page for name in special)
    assert RESIZED_IMG.options - special <= named


@pytest.mark.parametrize("source", [StorageSource, HttpSource])
def test_reference_has_every_option_of_a_source(source: type) -> None:
    page = read("reference/sources").partition(f"`resizer.sources.{source.__name__}`")[2]
    table = page.partition("| option |")[2].partition("\n\n")[0]
    documented = re.findall(r"^\| `(\w+)`", table, re.MULTILINE)
    assert documented == list(inspect.signature(source).parameters)


def test_troubleshooting_has_every_sentence_that_a_visitor_gets() -> None:
    table = TROUBLESHOOTING.partition("## Sentences in the browser")[2].partition("\n## ")[0]
    documented = set(re.findall(r"^\| (\d+) \| (.+?) \|", table, re.MULTILINE))
    sent = {(str(one.status), one.public_message) for one in errors.BY_NAME.values()}
    assert documented == sent


def test_troubleshooting_has_every_line_of_the_log() -> None:
    table = TROUBLESHOOTING.partition("## Lines in the log")[2].partition("\n## ")[0]
    documented = re.findall("`([^`]+)`", table)
    lines = set(_lines_of_the_log())
    assert len(lines) > 30
    missing = [line for line in lines if not any(map(_matcher(line), documented))]
    # Describe them in docs/troubleshooting.md, with `…` for names and causes.
    assert missing == []


def test_troubleshooting_has_every_error_of_a_template() -> None:
    section = TROUBLESHOOTING.partition("## Errors in templates")[2].partition("\nIf a step of")[0]
    cells = "".join(re.findall(r"^\| (`.+?) \|", section, re.MULTILINE))
    documented = [
        re.compile(".+".join(map(re.escape, one.split("…"))))
        for one in re.findall("`([^`]+)`", cells)
    ]
    messages = set(_errors_of_templates())
    assert len(messages) > 50
    # Describe them in docs/troubleshooting.md, by words that stand in each of them. `…` is for names and values.
    assert [one for one in messages if not any(row.search(one) for row in documented)] == []
    assert [row.pattern for row in documented if not any(map(row.search, messages))] == []


def _matcher(line: str) -> Any:
    parts = [re.escape(part) for part in re.split(PLACEHOLDER, line)]
    return re.compile(".+".join(parts) + "(: …)?").fullmatch


def _lines_of_the_log() -> Iterator[str]:
    """The texts that the app's loggers get, and those of the queries that may fail."""
    for path in (ROOT / "resizer").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name("logger"), attr=level)):
                    texts = node.args[1 if level == "log" else 0 :][:1]
                case ast.Call(func=ast.Attribute(value=ast.Name("tables"), attr="read" | "write")):
                    texts = node.args[:1]
                case ast.Assign(targets=[ast.Name("what")]):
                    texts = [node.value]
                case _:
                    continue
            for text in texts:
                if isinstance(text, ast.Constant | ast.JoinedStr):
                    yield ast.unparse(text).removeprefix("f")[1:-1]


#: What the tags raise, and functions that log a mistake instead.
MISTAKES = {"TemplateSyntaxError", "TypeError", "ValueError", "tell_once"}


def _errors_of_templates() -> Iterator[str]:
    """The sentences that tags raise, with `…` for names and values."""
    rooms = (ROOT / "resizer" / "markup", ROOT / "resizer" / "templatetags")
    files = [path for room in rooms for path in room.rglob("*.py")]
    files += [ROOT / "resizer" / "jinja2.py", ROOT / "resizer" / "originals" / "locating.py"]
    functions = [
        node
        for path in files
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
    ]
    by_name = {one.name: one for one in functions}
    for function in functions:
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and node.args and _name(node.func) in MISTAKES:
                for text in _sentences(node.args[0], function, by_name):
                    # Without words of its own, it passes on another error.
                    if not re.fullmatch(r"\S*: …", text):
                        yield text
    yield from (pair.problem for pair in PAIRS)


def _sentences(
    node: ast.expr, function: ast.FunctionDef, by_name: dict[str, ast.FunctionDef]
) -> Iterator[str]:
    """The texts that an expression can have: its own, those of its variable, or those that a function returns."""
    match node:
        case ast.Constant(str(text)):
            yield text
        case ast.JoinedStr(parts):
            yield "".join(str(one.value) if isinstance(one, ast.Constant) else "…" for one in parts)
        case ast.Name(name):
            for one in ast.walk(function):
                if isinstance(one, ast.Assign) and _name(one.targets[0]) == name:
                    yield from _sentences(one.value, function, by_name)
        case ast.Call(func) if _name(func) in by_name:
            called = by_name[_name(func)]
            for one in ast.walk(called):
                if isinstance(one, ast.Return) and one.value is not None:
                    yield from filter(None, _sentences(one.value, called, by_name))


def _name(node: ast.expr) -> str:
    match node:
        case ast.Name(name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""
