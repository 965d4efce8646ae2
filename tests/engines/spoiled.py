"""Good pictures beside which something is wrong: each with a healthy file that shows the same."""

from __future__ import annotations

import struct
import zlib
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from PIL import ImageCms

from resizer.engines.profiles import MAX_PROFILE_BYTES
from tests.colours import DISPLAY_P3, rgb_profile
from tests.hostile_files import (
    baseline_jpeg,
    chunk,
    full_box,
    riff,
    riff_chunk,
    segment,
    webp_canvas,
)
from tests.pictures import draw, encode, photograph

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE = (64, 48)
P3 = rgb_profile(DISPLAY_P3)


class Spoiled(NamedTuple):
    name: str
    content: bytes
    #: Shows the same.
    healthy: bytes


@cache
def spoiled_files() -> tuple[Spoiled, ...]:
    spoiled = (Spoiled(*one) for one in (*_pngs(), *_jpegs(), *_webps(), *_avifs(), *_profiled()))
    return (*spoiled, *unended_jpegs())


def with_chunk(content: bytes, extra: bytes, before: bytes = b"IDAT") -> bytes:
    place = content.index(before) - 4
    return content[:place] + extra + content[place:]


def without_chunk(content: bytes, name: bytes) -> tuple[bytes, bytes]:
    """A PNG without its first chunk of a name, and that chunk."""
    start = content.index(name) - 4
    end = start + 12 + int.from_bytes(content[start : start + 4])
    return content[:start] + content[end:], content[start:end]


def with_length(content: bytes, name: bytes, length: int) -> bytes:
    """An AVIF whose first box of a name says another length."""
    start = content.index(name) - 4
    return content[:start] + length.to_bytes(4) + content[start + 4 :]


def with_wrong_checksum(one: bytes) -> bytes:
    return one[:-1] + bytes([one[-1] ^ 1])


def packed(content: bytes, name: bytes = b"name") -> bytes:
    return name + b"\0\0" + zlib.compress(content)


def _pngs() -> Iterator[tuple[str, bytes, bytes]]:
    plain = encode(draw(SIZE), "PNG")
    wide = with_chunk(plain, chunk(b"iCCP", packed(P3)))
    palette = encode(draw(SIZE).quantize(16), "PNG")
    clear = encode(draw(SIZE).quantize(16), "PNG", transparency=bytes([0, 128]))
    for name, extra in {
        "a Latin-1 name": chunk(b"tEXt", b"Auteur \xe9\0x"),
        "a Latin-1 name of a packed text": chunk(b"zTXt", packed(b"x", b"Auteur \xe9")),
        "a Latin-1 name of a long text": chunk(b"iTXt", b"\xe9\0\0\0\0\0\xe9"),
        "a packed text of 5 MB": chunk(b"zTXt", packed(bytes(5_000_000))),
        "a long text of 5 MB": chunk(b"iTXt", b"x\0\1\0\0\0" + zlib.compress(bytes(5_000_000))),
        "XMP of 5 MB": chunk(
            b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(bytes(5_000_000))
        ),
        "70 texts of 1 MB": chunk(b"zTXt", packed(bytes(1_000_000))) * 70,
        "a text packed otherwise": chunk(b"zTXt", b"x\0\7x"),
        "a profile of 5 MB": chunk(b"iCCP", packed(P3 + bytes(MAX_PROFILE_BYTES))),
        "a profile packed otherwise": chunk(b"iCCP", b"x\0\7" + zlib.compress(P3)),
        "an empty profile": chunk(b"iCCP"),
        "a profile that is cut": chunk(b"iCCP", packed(P3)[:-20]),
        "a profile with another checksum": chunk(b"iCCP", packed(P3)[:-4] + b"abcd"),
        "a profile of a name that is too long": chunk(b"iCCP", packed(P3, b"x" * 100)),
        "an animation without frames": chunk(b"acTL", bytes(8)),
        "a chunk of a name that is none": chunk(b"a1C2", b"x"),
    }.items():
        yield f"PNG with {name}", with_chunk(plain, extra), plain
    for kind, length in {"gAMA": 4, "cHRM": 32, "sRGB": 1, "pHYs": 9, "acTL": 8, "tRNS": 6}.items():
        short = chunk(kind.encode(), bytes(length - 1))
        yield f"PNG with a short {kind}", with_chunk(plain, short), plain
        yield f"PNG with a short {kind} behind", with_chunk(plain, short, b"IEND"), plain
    for kind in ("abCd", "cICP", "eXIf", "gAMA", "iCCP", "iTXt", "pHYs", "tEXt", "tIME", "zTXt"):
        wrong = with_wrong_checksum(chunk(kind.encode(), packed(P3)))
        yield f"PNG with a wrong checksum of {kind}", with_chunk(plain, wrong), plain
        yield (
            f"PNG with a wrong checksum of {kind} behind",
            with_chunk(plain, wrong, b"IEND"),
            plain,
        )
    text = chunk(b"zTXt", packed(bytes(5_000_000)))
    yield "PNG with a packed text of 5 MB behind", with_chunk(plain, text, b"IEND"), plain
    yield "PNG that is cut in a text behind", with_chunk(plain, text, b"IEND")[:-30], plain
    yield "PNG without an end", plain[:-12], plain
    yield "PNG that is cut in its last checksum", plain[:-14], plain
    white, primaries = [31270, 32900], [64000, 33000, 30000, 60000, 15000, 6000]
    for name, places in {
        "lies beyond a profile's numbers": (
            [32900, 64000, 31270, 3810774612, 64000, 314363339, 44682, 32900]
        ),
        "has more red than there is": [*white, 100_001, *primaries[1:]],
        "has more green than there is": [*white, *primaries[:3], 120_000, *primaries[4:]],
        "has a white of no red": [5334, 24555, *primaries],
        "has a white of hardly any red": [5317, 24597, *primaries],
    }.items():
        told = chunk(b"gAMA", (100_000).to_bytes(4)) + chunk(b"cHRM", struct.pack(">8I", *places))
        yield f"PNG whose cHRM {name}", with_chunk(plain, told), plain
    profile = struct.pack(">I", 3_000_000) + P3[4:] + bytes(3_000_000 - len(P3))
    yield "PNG with a profile of 3 MB", with_chunk(plain, chunk(b"iCCP", packed(profile))), wide
    yield (
        "PNG with a profile and what follows it",
        with_chunk(plain, chunk(b"iCCP", packed(P3 + bytes(2_000_000)))),
        wide,
    )
    yield (
        "PNG with another profile behind",
        with_chunk(wide, chunk(b"iCCP", packed(b"x")), b"IEND"),
        wide,
    )
    yield (
        "PNG with a profile behind the pixels",
        with_chunk(plain, chunk(b"iCCP", packed(P3)), b"IEND"),
        plain,
    )
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    yield "PNG with two profiles", with_chunk(wide, chunk(b"iCCP", packed(srgb))), wide
    before = with_chunk(palette, chunk(b"iCCP", packed(P3)), b"PLTE")
    yield (
        "PNG with a profile behind the palette",
        with_chunk(palette, chunk(b"iCCP", packed(P3))),
        before,
    )
    transparency = chunk(b"tRNS", bytes([0, 128]))
    yield (
        "PNG with transparency before the palette",
        with_chunk(palette, transparency, b"PLTE"),
        palette,
    )
    yield (
        "PNG with transparency before and behind the palette",
        with_chunk(with_chunk(palette, transparency), chunk(b"tRNS", b"\x80" * 16), b"PLTE"),
        with_chunk(palette, transparency),
    )
    yield (
        "PNG with transparency behind the pixels",
        with_chunk(palette, transparency, b"IEND"),
        palette,
    )
    yield "PNG with transparency of nothing", with_chunk(palette, chunk(b"tRNS")), palette
    yield "PNG with transparency twice", with_chunk(clear, chunk(b"tRNS", b"\x80" * 16)), clear
    long = chunk(b"tRNS", b"\x80" * 40)
    yield (
        "PNG with transparency of too many colours",
        with_chunk(palette, long),
        with_chunk(palette, chunk(b"tRNS", b"\x80" * 16)),
    )
    red = struct.pack(">HHH", 230, 40, 30)
    yield (
        "PNG with a transparent colour that is too long",
        with_chunk(plain, chunk(b"tRNS", red + b"\0")),
        with_chunk(plain, chunk(b"tRNS", red)),
    )
    yield (
        "PNG with a transparent colour behind one that is too short",
        with_chunk(plain, chunk(b"tRNS", red[:-1]) + chunk(b"tRNS", red)),
        with_chunk(plain, chunk(b"tRNS", red)),
    )
    deep = encode(draw(SIZE, "RGBA"), "PNG")
    yield "PNG with a transparent colour and alpha", with_chunk(deep, chunk(b"tRNS", red)), deep


def unended_jpegs() -> Iterator[Spoiled]:
    """JPEGs of which only the end marker is missing."""
    for name, whole in (*whole_jpegs(), ("JPEG in three scans", baseline_jpeg(64, 3))):
        yield Spoiled(f"{name} without an end", whole[:-2], whole)
        yield Spoiled(f"{name} without half of its end", whole[:-1], whole)
        yield Spoiled(f"{name} with zeros for an end", whole[:-2] + bytes(20), whole)
        yield Spoiled(f"{name} with a comment for an end", whole[:-2] + segment(0xFE, b"x"), whole)
        yield Spoiled(f"{name} cut in a comment", whole[:-2] + segment(0xFE, b"x")[:-1], whole)
        yield Spoiled(f"{name} with a restart for an end", whole[:-2] + b"\xff\xd0", whole)


def whole_jpegs() -> Iterator[tuple[str, bytes]]:
    picture = draw(SIZE)
    yield "baseline JPEG", encode(picture)
    yield "progressive JPEG", encode(picture, progressive=True)
    yield "grey JPEG", encode(draw(SIZE, "L"))
    yield "CMYK JPEG", encode(picture.convert("CMYK"))
    yield "JPEG with restarts", encode(picture, restart_marker_blocks=1)


def _webps() -> Iterator[tuple[str, bytes, bytes]]:
    picture = encode(draw(SIZE), "WEBP")[12:]
    chunks = {"an unknown chunk": (0, b"abcd"), "EXIF": (8, b"EXIF"), "XMP": (4, b"XMP ")}
    for name, (flags, kind) in chunks.items():
        whole = riff(webp_canvas(SIZE, flags), picture, riff_chunk(kind, b"odd"))
        length = struct.pack("<I", len(whole) - 9)
        yield f"WebP without the last byte of {name}", whole[:-1], whole
        yield f"WebP that does not count it of {name}", whole[:4] + length + whole[8:-1], whole


def with_properties(content: bytes, *items: tuple[int, list[int]], wide: bool = False) -> bytes:
    """An AVIF as Pillow writes them, with other properties of its items (ISO/IEC 23008-12 §9.3.1)."""
    entries = b"".join(
        item.to_bytes(4 if wide else 2)
        + len(numbers).to_bytes()
        + b"".join(
            (number & 0x7F | (number & 0x80) << 8).to_bytes(2) if wide else number.to_bytes()
            for number in numbers
        )
        for item, numbers in items
    )
    start = content.index(b"ipma") - 4
    length = int.from_bytes(content[start : start + 4])
    count = len(items).to_bytes(4)
    new = full_box(b"ipma", int(wide), count + entries)
    new = new[:11] + bytes([wide]) + new[12:]
    more = len(new) - length
    changed = bytearray(content[:start] + new + content[start + length :])
    holders = [changed.index(name) - 4 for name in (b"meta", b"iprp")]
    # In each of two items of the box of places: where it begins.
    places = [changed.index(b"iloc") + 18 + 14 * number for number in range(2)]
    for place in holders + places:
        changed[place : place + 4] = (int.from_bytes(changed[place : place + 4]) + more).to_bytes(4)
    return bytes(changed)


def _avifs() -> Iterator[tuple[str, bytes, bytes]]:
    whole = encode(draw(SIZE, "RGBA"), "AVIF")
    # Size, number of channels, decoder, colours; of transparency the last is what it is.
    picture, transparency = [1, 2, 0x83, 4], [5, 0x86, 7]
    yield "AVIF", with_properties(whole, (1, picture), (2, [1, *transparency])), whole
    for wide in (False, True):
        lacking = with_properties(whole, (1, picture), (2, transparency), wide=wide)
        yield f"AVIF with transparency of no size{' in wide numbers' * wide}", lacking, whole
    hevc = b"urn:mpeg:hevc:2015:auxid:1".ljust(43, b"\0")
    lacking = with_properties(whole, (1, picture), (2, transparency))
    yield (
        "AVIF with transparency of no size and the old name",
        lacking.replace(b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", hevc),
        whole,
    )


def _jpegs() -> Iterator[tuple[str, bytes, bytes]]:
    plain = photograph(SIZE)
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    yield "JPEG with a profile of Lab", photograph(SIZE, icc_profile=lab), plain
    broken = P3[:128] + bytes(200)
    yield "JPEG with a profile of a header alone", photograph(SIZE, icc_profile=broken), plain
    png = encode(draw(SIZE), "PNG")
    spoiled = encode(draw(SIZE), "PNG", icc_profile=broken)
    yield "PNG with a profile of a header alone", spoiled, png
    short = {
        "JFIF": (0xE0, b"JFIF\0"),
        "Adobe": (0xEE, b"Adobe"),
        "profile": (0xE2, b"ICC_PROFILE\0"),
    }
    for name, (kind, content) in short.items():
        extra = segment(kind, content)
        yield f"JPEG with a short {name}", plain[:2] + extra + plain[2:], plain
        yield f"JPEG with a short {name} later", plain[:20] + extra + plain[20:], plain
    grey = encode(draw(SIZE, "L"))
    yield "grey JPEG with a profile of RGB", encode(draw(SIZE, "L"), icc_profile=P3), grey


def _profiled() -> Iterator[tuple[str, bytes, bytes]]:
    """A decoder finds out late what is wrong with a profile: its header is right."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    entry = srgb.index(b"rTRC")
    (start,) = struct.unpack_from(">I", srgb, entry + 4)
    profiles = {
        "a profile to unknown colours": srgb[:20] + b"XXZ " + srgb[24:],
        "a profile of an unknown curve": srgb[:start] + b"zzzz" + srgb[start + 4 :],
        "a profile of a curve that lies elsewhere": (
            srgb[: entry + 4] + (10**7).to_bytes(4) + srgb[entry + 8 :]
        ),
    }
    for kind in ("JPEG", "PNG", "WEBP"):
        picture = draw(SIZE)
        plain = encode(picture, kind)
        for name, profile in profiles.items():
            yield f"{kind} with {name}", encode(picture, kind, icc_profile=profile), plain
