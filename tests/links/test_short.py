from __future__ import annotations

import pytest

from resizer.errors import OriginalNotFound
from resizer.links.short import ShortURL, parse_short, write_short


@pytest.mark.parametrize(
    ("path", "short"),
    [
        ("a.jpg", ShortURL("default", "a.jpg")),
        ("640/a.jpg", ShortURL("default", "a.jpg", 640)),
        ("640/_web/b/a.jpg", ShortURL("web", "b/a.jpg", 640)),
        ("_web/a.jpg", ShortURL("web", "a.jpg")),
        ("abc/a.jpg", ShortURL("default", "abc/a.jpg")),
    ],
)
def test_short_url_is_read_back(path: str, short: ShortURL) -> None:
    assert parse_short(path) == short
    assert write_short(short) == path


def test_short_url_is_written_for_a_url() -> None:
    assert write_short(ShortURL("default", "a b?#ü.jpg", 640)) == "640/a%20b%3F%23%C3%BC.jpg"


def test_width_without_name_is_refused() -> None:
    with pytest.raises(OriginalNotFound):
        parse_short("")


@pytest.mark.parametrize(
    "path", ["640/../a.jpg", "640/a\0.jpg", "_default/a.jpg", "640/_default/_u/a.jpg"]
)
def test_short_url_of_no_original_is_refused(path: str) -> None:
    with pytest.raises(OriginalNotFound):
        parse_short(path)
