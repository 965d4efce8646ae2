from __future__ import annotations

import pytest

from resizer.errors import OriginalNotFound
from resizer.links.short import ShortAddress, parse_short, write_short


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("a.jpg", ShortAddress("default", "a.jpg")),
        ("640/a.jpg", ShortAddress("default", "a.jpg", 640)),
        ("640/_web/b/a.jpg", ShortAddress("web", "b/a.jpg", 640)),
        ("_web/a.jpg", ShortAddress("web", "a.jpg")),
        ("abc/a.jpg", ShortAddress("default", "abc/a.jpg")),
    ],
)
def test_short_address_is_read_back(path: str, address: ShortAddress) -> None:
    assert parse_short(path) == address
    assert write_short(address) == path


def test_short_address_is_written_for_a_url() -> None:
    assert write_short(ShortAddress("default", "a b?#ü.jpg", 640)) == "640/a%20b%3F%23%C3%BC.jpg"


def test_width_without_name_is_refused() -> None:
    with pytest.raises(OriginalNotFound):
        parse_short("")


@pytest.mark.parametrize(
    "path", ["640/../a.jpg", "640/a\0.jpg", "_default/a.jpg", "640/_default/_u/a.jpg"]
)
def test_short_address_of_no_original_is_refused(path: str) -> None:
    with pytest.raises(OriginalNotFound):
        parse_short(path)
