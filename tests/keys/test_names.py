from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resizer.errors import InvalidOption
from resizer.keys.names import escape_name, tidy_name, unescape_name
from resizer.keys.variant import parse_prefix, write_prefix
from tests.keys.test_variant import ALPHABET

NAMES = st.lists(
    st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="/\\"), min_size=1)
    .filter(lambda text: text not in {".", ".."})
    .map(lambda text: text[:30]),
    min_size=1,
    max_size=4,
).map("/".join)


@given(NAMES)
def test_any_name_is_read_back(name: str) -> None:
    assert unescape_name(escape_name(name)) == name
    assert set(escape_name(name)) <= ALPHABET
    for is_private in (False, True):
        prefix = write_prefix("web", name, is_private=is_private)
        assert parse_prefix(prefix) == ("web", name, is_private)


def test_sixty_chinese_characters_fit_a_path_segment() -> None:
    choice = random.Random(7)
    name = "".join(chr(choice.randrange(0x4E00, 0x9FFF)) for _ in range(60)) + ".jpg"
    assert len(escape_name(name)) <= 255


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/a.jpg",
        "a//b.jpg",
        "a/",
        "../a.jpg",
        "a/../b.jpg",
        "./a.jpg",
        "a\0.jpg",
        "a\n.jpg",
        "a\x85.jpg",
        "a\\b.jpg",
        "\udcff.jpg",
        "x" * 256,
        "照" * 255,
        "/".join(["x" * 200] * 5),
        "/".join([" " * 80] * 4),  # short, but each space takes three bytes
    ],
)
def test_name_that_is_no_path_is_refused(name: str) -> None:
    with pytest.raises(InvalidOption):
        escape_name(name)


@pytest.mark.parametrize(
    "escaped",
    [
        "=61.jpg",  # an escape that nothing needs
        "=2f.jpg",  # small hexadecimal digits
        "==abc-",  # Punycode of plain ASCII
        "==99999999",  # beyond Unicode
        "==\x80",
        "a b.jpg",
        "_web.jpg",
        "x" * 300,
    ],
)
def test_name_in_another_spelling_is_refused(escaped: str) -> None:
    with pytest.raises(InvalidOption):
        unescape_name(escaped)


@pytest.mark.parametrize(
    ("name", "tidy"),
    [
        ("a//b.jpg", "a/b.jpg"),
        ("./c.jpg", "c.jpg"),
        ("a/././/b.jpg", "a/b.jpg"),
        ("c.jpg/", "c.jpg"),
        ("a/b.jpg", "a/b.jpg"),
        (".hidden.jpg", ".hidden.jpg"),
        ("a/../b.jpg", "a/../b.jpg"),
        ("/a.jpg", "/a.jpg"),
        ("//", "//"),
        (".", "."),
        ("", ""),
    ],
)
def test_steps_that_lead_nowhere_are_left_out(name: str, tidy: str) -> None:
    assert tidy_name(name) == tidy
