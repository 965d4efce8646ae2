from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import polib
import pytest
from django.urls import reverse
from django.utils.translation import override
from django.utils.translation.template import templatize

from resizer.admin.words import words_of
from tests.servers import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from django.test import Client

    from resizer.models import CachedVariant

APP = ROOT / "resizer"
LANGUAGES = sorted(path.name for path in (APP / "locale").iterdir())
FUNCTIONS = {"_", "gettext", "gettext_lazy", "ngettext", "ngettext_lazy"}
QUOTED = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
PLACEHOLDERS = re.compile(r"\{\w+\}|%\(\w+\)s|%%")


def catalogue(language: str) -> Path:
    return APP / f"locale/{language}/LC_MESSAGES/django.po"


def texts() -> Iterator[str]:
    """Every text of the app that is for translation, from Python and from templates."""
    for path in APP.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            if node.func.id in FUNCTIONS and isinstance(node.args[0], ast.Constant):
                yield str(node.args[0].value)
    for path in APP.rglob("*.html"):
        source = templatize(path.read_text())
        for found in re.findall(rf"gettext\(u?({QUOTED})", source):
            yield ast.literal_eval(found)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_translated(language: str) -> None:
    entries = {one.msgid: one for one in polib.pofile(str(catalogue(language)))}
    # Run `django-admin makemessages --all --no-location` in resizer/, translate, then `compilemessages`.
    assert set(texts()) - entries.keys() == set()
    assert entries.keys() - set(texts()) == set()
    for one in entries.values():
        assert one.translated(), one.msgid
        assert not one.fuzzy, one.msgid


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_have_the_same_placeholders(language: str) -> None:
    for one in polib.pofile(str(catalogue(language))):
        wanted = set(PLACEHOLDERS.findall(one.msgid))
        for text in one.msgstr_plural.values() if one.msgid_plural else [one.msgstr]:
            assert set(PLACEHOLDERS.findall(text)) == wanted, one.msgid


@pytest.mark.parametrize("language", LANGUAGES)
def test_compiled_catalogue_is_up_to_date(language: str) -> None:
    path = catalogue(language)
    compiled = {one.msgid: one for one in polib.mofile(str(path.with_suffix(".mo")))}
    for one in polib.pofile(str(path)):
        assert compiled[one.msgid].msgstr == one.msgstr
        assert compiled[one.msgid].msgstr_plural == one.msgstr_plural


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("de", "quadratisch, Fokus unten rechts"),
        ("fr", "carré, point focal en bas à droite"),
        ("es", "cuadrado, enfoque abajo a la derecha"),
        ("zh-hans", "正方形, 焦点右下"),
    ],
)
def test_editor_reads_their_language(
    admin_client: Client, cached: list[CachedVariant], language: str, words: str
) -> None:
    with override(language):
        assert words_of("1x1,fp85-75") == words
        for name in ("cachedvariant_changelist", "original_changelist"):
            assert admin_client.get(reverse(f"admin:resizer_{name}")).status_code == 200
