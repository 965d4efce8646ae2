from __future__ import annotations

import pytest

from resizer.formats import BY_NAME, FORMATS, SNIFF_BYTES, sniff
from tests.pictures import draw, encode


@pytest.mark.parametrize("name", sorted(set(BY_NAME) - {"heic"}))
def test_format_is_told_by_its_first_bytes(name: str) -> None:
    content = encode(draw((16, 16)), name.upper())
    assert sniff(content[:SNIFF_BYTES]) is BY_NAME[name]


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1miafavif", "avif"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "heic"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heix", "heic"),
        (b"MM\0*", "tiff"),
    ],
)
def test_format_is_told_by_any_of_its_marks(head: bytes, name: str) -> None:
    assert sniff(head) is BY_NAME[name]


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"<html><body>",
        b"<svg xmlns='http://www.w3.org/2000/svg'>",
        b"%!PS-Adobe-3.0 EPSF-3.0",
        b"%PDF-1.7",
        b"8BPS\0\1",
        b"II+\0",
        b"\0\0\0\x18ftypmp42\0\0\0\0isommp42",
        b"RIFF\0\0\0\0WAVEfmt ",
    ],
)
def test_anything_else_is_no_format(head: bytes) -> None:
    assert sniff(head) is None


def test_rows_are_distinct() -> None:
    for column in ("name", "extension", "content_type"):
        assert len({getattr(row, column) for row in FORMATS}) == len(FORMATS)
