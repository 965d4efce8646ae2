from __future__ import annotations

import copy
import json
import pickle
import re
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from resizer.conf import get_settings
from resizer.engines.containers.cicp import COLOUR_READERS
from resizer.engines.guards.ancillary import CLEANERS
from resizer.engines.guards.parts import FLOOD_GUARDS
from resizer.engines.libvips import LibvipsEngine
from resizer.engines.libvips import encoding as libvips_encoding
from resizer.engines.pillow import PillowEngine, encoding
from resizer.formats import (
    BY_EXTENSION,
    BY_NAME,
    FALLBACKS,
    FORMATS,
    JPEG,
    MODERN,
    PNG,
    SNIFF_BYTES,
    TIFF,
    UNIVERSAL,
    sniff,
)
from resizer.keys.variant import LOSSLESS, Recipe
from resizer.storages.endings import STRUCTURES, has_end
from tests.documents import read
from tests.engines.rendering import render, variant
from tests.pictures import draw, encode
from tests.servers import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resizer.formats import Format

#: Formats that have levels of quality.
LOSSY = {row for row in FORMATS if row.levels}
#: Code that a row needs, beside what stands in the row itself.
REGISTRIES: dict[str, tuple[Mapping[Format, object], set[Format]]] = {
    "guards against floods": (FLOOD_GUARDS, set(FORMATS)),
    "guards against ancillary parts": (CLEANERS, set(FORMATS)),
    "readers of colours": (COLOUR_READERS, set(FORMATS)),
    "structures of whole files": (
        STRUCTURES,
        {row for row in FORMATS if row.is_written and not row.ending},
    ),
    "encoder options of Pillow": (encoding.ENCODER_OPTIONS, LOSSY),
    "encoder options of libvips": (libvips_encoding.SAVER_OPTIONS, LOSSY),
}


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


@pytest.mark.parametrize("row", FORMATS, ids=lambda row: row.name)
def test_row_is_the_same_object_wherever_it_is(row: Format) -> None:
    assert pickle.loads(pickle.dumps(row)) is row
    assert copy.deepcopy(row) is row


@pytest.mark.parametrize("registry", REGISTRIES)
def test_registry_has_code_for_every_row_that_needs_it(registry: str) -> None:
    rows, wanted = REGISTRIES[registry]
    assert set(rows) == wanted


@pytest.mark.parametrize("row", FORMATS, ids=lambda row: row.name)
def test_row_is_complete(row: Format) -> None:
    assert row.decoded_bytes >= 4
    # Pillow's list holds HEIF after an import of another library.
    Image.init()
    assert row.pillow in Image.OPEN or row.is_extra
    # A written format has levels, or is lossless throughout.
    assert bool(row.levels) == bool(row.fixed_bytes)
    assert not row.is_written or row.levels or row.has_lossless
    assert not row.levels or row.is_written
    assert not row.libvips_saver or row.is_written
    assert not row.has_motion or row.can_move
    assert not row.has_layers or row.can_move


@pytest.mark.parametrize("row", BY_EXTENSION.values(), ids=lambda row: row.name)
def test_row_of_a_written_format_names_encoders_that_are_there(row: Format) -> None:
    original = encode(draw((400, 300)), "PNG")
    for engine in (LibvipsEngine(), PillowEngine()):
        assert engine.can_write(row)
        (rendered,) = render(engine, original, variant(320, row))
        assert sniff(rendered.content) is row
        assert has_end(rendered.content, row)


def test_no_engine_writes_what_is_only_read() -> None:
    for row in set(FORMATS) - set(BY_EXTENSION.values()):
        assert not LibvipsEngine().can_write(row)


@pytest.mark.parametrize("row", [row for row in FORMATS if row.levels], ids=lambda row: row.name)
def test_default_levels_are_those_of_the_row(row: Format) -> None:
    qualities = get_settings().QUALITIES
    assert row.levels is not None
    assert {level: qualities[level][row.name] for level in qualities} == row.levels._asdict()


def test_default_levels_are_the_numbers_that_were_measured() -> None:
    """Other numbers would change the versions, and so the URLs, of all variants."""
    assert get_settings().QUALITIES == {
        "low": {"avif": 47, "webp": 62, "jpeg": 54},
        "medium": {"avif": 53, "webp": 75, "jpeg": 64},
        "high": {"avif": 68, "webp": 88, "jpeg": 82},
    }


def test_every_written_format_is_modern_or_a_fallback() -> None:
    assert {*MODERN, *FALLBACKS} == set(BY_EXTENSION.values())
    assert FALLBACKS == (JPEG, PNG)
    assert TIFF not in MODERN


@pytest.mark.parametrize("page", ["config/edge/nginx.conf", "docs/production/nginx.md"])
def test_nginx_looks_for_the_written_formats(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    locations = re.findall(r"location ~ .*\\\.\(\?:([a-z0-9|]+)\)\)\$\"", text)
    assert locations
    for extensions in locations:
        assert extensions.split("|") == sorted(BY_EXTENSION, key=_order)


def test_nginx_sends_the_types_of_the_written_formats() -> None:
    text = (ROOT / "config/edge/nginx.conf").read_text(encoding="utf-8")
    (types,) = re.findall(r"types \{\n(.*?)\}", text.partition("/originals/")[0], re.DOTALL)
    assert {tuple(line.split()) for line in types.split(";") if line.strip()} == {
        (row.content_type, row.extension) for row in BY_EXTENSION.values()
    }


def test_cloudfront_tells_the_modern_formats_from_the_fallbacks() -> None:
    text = (ROOT / "config/aws/normalise.js").read_text(encoding="utf-8")
    (offered,) = re.findall(r"^const OFFERED = (\[.*\]);$", text, re.MULTILINE)
    assert json.loads(offered) == [row.content_type for row in MODERN]
    (fallback,) = re.findall(r"const fallback = (.*);", text)
    assert set(re.findall(r'"([^"]+)"', fallback)) == {row.content_type for row in FALLBACKS}


def test_offered_formats_hold_what_jpeg_cannot() -> None:
    for recipe in (Recipe(animated=True), Recipe(quality=LOSSLESS)):
        offered = get_settings().modern_formats(recipe)
        assert offered == UNIVERSAL == (BY_NAME["webp"],)
        assert all(recipe.suits(row) for row in offered)


def test_reference_has_the_bytes_a_pixel_of_every_format() -> None:
    text = read("reference/limits")
    table = text.split("Decoding takes, in bytes a pixel")[1].split("\n\n")[1].splitlines()
    heads, _, numbers, megapixels = (
        [cell.strip() for cell in row.split("|")[2:-1]] for row in table
    )
    documented = {
        name.removeprefix("progressive ").lower(): (float(number), int(re.split(r"\D", most)[0]))
        for head, number, most in zip(heads, numbers, megapixels, strict=True)
        for name in head.split(", ")
    }
    most = get_settings().MAX_DECODED_MEGABYTES
    assert documented == {
        row.name: (row.decoded_bytes, round(most / row.decoded_bytes)) for row in FORMATS
    }


def test_reference_names_the_formats_of_originals() -> None:
    text = read("reference/http")
    (names,) = re.findall(
        r"^\| 415 \| the original is not a ([^.|]*?)(?:\. .*)? \|$", text, re.MULTILINE
    )
    assert set(re.split(", | or ", names.lower())) == {
        row.name for row in FORMATS if not row.is_extra
    }


def test_settings_name_the_formats() -> None:
    text = read("reference/settings")
    (modern,) = re.findall(r"^\| `FORMATS` \| .*?best first: (.*?);", text, re.MULTILINE)
    assert re.findall("`([a-z]+)`", modern) == [row.name for row in MODERN]
    (usual, extra) = re.findall(
        r"^\| `EXTRA_FORMATS` \| .*? beside (.*?): (.*) \|$", text, re.MULTILINE
    )[0]
    assert re.findall(r"\w+", usual.replace(" and ", " ").lower()) == [
        row.name for row in FORMATS if not row.is_extra
    ]
    assert re.findall("`([a-z]+)`", extra) == [row.name for row in FORMATS if row.is_extra]


def test_options_name_the_formats_that_hold_what_jpeg_cannot() -> None:
    text = read("reference/tags")
    (lossless,) = re.findall("`lossless`, in ([^;]*);", text)
    (moving,) = re.findall("what moves keeps moving, in ([^;]*);", text)
    for names, recipe in ((lossless, Recipe(quality=LOSSLESS)), (moving, Recipe(animated=True))):
        assert set(names.lower().split(" and ")) == {
            row.name for row in BY_EXTENSION.values() if recipe.suits(row)
        }


def _order(extension: str) -> tuple[bool, str]:
    """Modern formats come first."""
    return BY_EXTENSION[extension] in FALLBACKS, extension
