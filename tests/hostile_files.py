"""Files that harm whoever decodes them, built from code alone: `python -m tests.hostile_files DIRECTORY` writes them.

Each says how it is to be answered. None holds a third party's bytes; most are tiny and claim to be huge.
"""

from __future__ import annotations

import io
import struct
import sys
import zipfile
import zlib
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from PIL import Image

from tests.pictures import draw, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

#: The statuses of answers: a picture, no picture, and one that is not decoded.
OK, TYPE, REFUSED = 200, 415, 422

MEGABYTE = 1 << 20


class HostileFile(NamedTuple):
    name: str
    #: Any of them is right; more than one only where decoders may differ.
    statuses: frozenset[int]
    build: Callable[[], bytes]


#: The same as a row of a table.
Row: TypeAlias = "tuple[str, int | set[int], Callable[[], bytes]]"


@cache
def hostile_files() -> tuple[HostileFile, ...]:
    """All of them. What is not tiny is built when its content is first asked for."""
    return tuple(file._replace(build=cache(file.build)) for file in _hostile_files())


def _hostile_files() -> Iterator[HostileFile]:
    for rows in (PNGS, JPEGS, GIFS, WEBPS, AVIFS, TIFFS, OTHERS):
        for name, status, build in rows:
            statuses = {status} if isinstance(status, int) else status
            yield HostileFile(name, frozenset(statuses), build)
    for name in TRUNCATED:
        for tenths in (1, 5, 9):
            stem, _, extension = name.rpartition(".")
            yield HostileFile(
                f"{stem}-cut-{tenths}.{extension}",
                frozenset({REFUSED}),
                partial(_cut, name, tenths),
            )
            if extension == "jpg" and tenths == 5:
                yield HostileFile(
                    f"{stem}-closed-{tenths}.jpg",
                    frozenset({REFUSED}),
                    partial(_closed, name, tenths),
                )


def _cut(name: str, tenths: int) -> bytes:
    content = _whole(name)
    return content[: len(content) * tenths // 10]


def _closed(name: str, tenths: int) -> bytes:
    return _cut(name, tenths) + _EOI


@cache
def _whole(name: str) -> bytes:
    return TRUNCATED[name]()


# What hides within


HTML = b"<html><script>alert(document.domain)</script></html>"


@cache
def zipped() -> bytes:
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w") as archive:
        archive.writestr("index.html", HTML)
    return output.getvalue()


# PNG


def deflated_zeros(length: int) -> bytes:
    """The zlib stream of so many zeros, made of one compressed megabyte again and again."""
    packer = zlib.compressobj(9, wbits=-15)
    block = packer.compress(bytes(MEGABYTE)) + packer.flush(zlib.Z_FULL_FLUSH)
    last = zlib.compressobj(9, wbits=-15)
    rest = last.compress(bytes(length % MEGABYTE)) + last.flush()
    # Of zeros only, the first half of Adler-32 is 1 and the second their number.
    checksum = (length % 65_521) << 16 | 1
    return b"\x78\xda" + block * (length // MEGABYTE) + rest + checksum.to_bytes(4)


def chunk(name: bytes, content: bytes = b"") -> bytes:
    checksum = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


PNG_START = b"\x89PNG\r\n\x1a\n"
#: PNG's colour types.
GREY, RGB, PALETTE, RGBA = 0, 2, 3, 6
_CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, RGBA: 4}


def png(
    size: tuple[int, int],
    colour: int = GREY,
    depth: int = 8,
    *,
    before: bytes = b"",
    after: bytes = b"",
    data: bytes | None = None,
    interlaced: bool = False,
) -> bytes:
    """A black picture, unless it is given other data."""
    width, height = size
    if data is None:
        length = height * (1 + (width * depth * _CHANNELS[colour] + 7) // 8)
        if interlaced:
            # Seven passes have a few more rows, and decoders do not mind zeros beyond the end.
            length += 2 * height + 64
        data = deflated_zeros(length)
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    return b"".join(
        [PNG_START, chunk(b"IHDR", head), before, chunk(b"IDAT", data), after, chunk(b"IEND")]
    )


def interlaced_png() -> bytes:
    """A drawing in the seven passes of Adam7 (PNG §8.2)."""
    image = draw((200, 150), "L")
    rows = []
    for left, top, across, down in (
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    ):
        content = image.tobytes()
        for y in range(top, image.height, down):
            rows.append(b"\0" + content[y * image.width :][left : image.width : across])
    return png(image.size, data=zlib.compress(b"".join(rows)), interlaced=True)


def _packed_text(length: int) -> bytes:
    return b"Comment\0\0" + deflated_zeros(length)


def _animated_png(frames: int) -> bytes:
    control = struct.pack(">IIIIIHHBB", 0, 64, 64, 0, 0, 1, 10, 0, 0)
    before = chunk(b"acTL", struct.pack(">II", frames, 0)) + chunk(b"fcTL", control)
    return png((64, 64), before=before)


def _broken_checksum(name: bytes) -> bytes:
    content = encode(draw((64, 48)), "PNG")
    place = content.index(name)
    end = place + 4 + int.from_bytes(content[place - 4 : place])
    return content[:end] + bytes([content[end] ^ 255]) + content[end + 1 :]


PNGS: list[Row] = [
    ("png-30000.png", REFUSED, lambda: png((30_000, 30_000), depth=1)),
    (
        "png-30000-rgb.png",
        REFUSED,
        lambda: png((30_000, 30_000), RGB, data=deflated_zeros(100 * MEGABYTE)),
    ),
    (
        "png-65500.png",
        REFUSED,
        lambda: png((65_500, 65_500), depth=1, data=deflated_zeros(100 * MEGABYTE)),
    ),
    (
        "png-13377-rgba.png",
        REFUSED,
        lambda: png((13_377, 13_377), RGBA, data=deflated_zeros(100 * MEGABYTE)),
    ),
    ("png-7890-rgba-16.png", OK, lambda: png((7890, 7890), RGBA, 16)),
    (
        "png-7000-rgba-interlaced.png",
        {OK, REFUSED},
        lambda: png((7000, 7000), RGBA, interlaced=True),
    ),
    ("png-1x2000000.png", REFUSED, lambda: png((1, 2_000_000))),
    ("png-2000000x1.png", REFUSED, lambda: png((2_000_000, 1))),
    ("png-1x65000.png", OK, lambda: png((1, 65_000))),
    ("png-2147483647.png", REFUSED, lambda: png((2**31 - 1, 2**31 - 1), data=b"")),
    ("png-0x0.png", REFUSED, lambda: png((0, 0), data=zlib.compress(b""))),
    ("png-0x64.png", REFUSED, lambda: png((0, 64), data=zlib.compress(bytes(64)))),
    (
        "png-profile-1-gb.png",
        OK,
        lambda: png((64, 64), before=chunk(b"iCCP", b"a\0\0" + deflated_zeros(1 << 30))),
    ),
    (
        "png-text-256-mb.png",
        OK,
        lambda: png((64, 64), before=chunk(b"zTXt", _packed_text(1 << 28))),
    ),
    (
        "png-text-behind-256-mb.png",
        OK,
        lambda: png((64, 64), after=chunk(b"zTXt", _packed_text(1 << 28))),
    ),
    (
        "png-200-texts.png",
        OK,
        lambda: png((64, 64), before=chunk(b"zTXt", _packed_text(900_000)) * 200),
    ),
    ("png-chunks.png", REFUSED, lambda: png((64, 64), before=chunk(b"abCd") * 101_000)),
    ("png-chunks-behind.png", REFUSED, lambda: png((64, 64), after=chunk(b"abCd") * 101_000)),
    ("png-empty-data.png", REFUSED, lambda: png((64, 64), before=chunk(b"IDAT") * 101_000)),
    ("png-many-frames.png", OK, lambda: _animated_png(2**31 - 1)),
    ("png-no-frames.png", {OK, REFUSED}, lambda: _animated_png(0)),
    ("png-more-than-it-holds.png", OK, lambda: png((64, 64), data=deflated_zeros(1 << 28))),
    ("png-less-than-it-holds.png", REFUSED, lambda: png((640, 640), data=deflated_zeros(1000))),
    ("png-no-data.png", REFUSED, lambda: png((64, 64), data=b"")),
    ("png-no-end.png", REFUSED, lambda: PNG_START),
    ("png-depth-3.png", REFUSED, lambda: png((64, 64), depth=3)),
    (
        "png-colour-5.png",
        REFUSED,
        lambda: png((64, 64), data=b"").replace(b"\x08\x00\0\0\0", b"\x08\x05\0\0\0", 1),
    ),
    ("png-no-palette.png", {OK, REFUSED}, lambda: png((64, 64), PALETTE)),
    ("png-checksum-of-header.png", REFUSED, lambda: _broken_checksum(b"IHDR")),
    ("png-checksum-of-data.png", {OK, REFUSED}, lambda: _broken_checksum(b"IDAT")),
    ("png-noise.png", REFUSED, lambda: png((64, 64), data=b"\x78\xda" + bytes(range(256)))),
    ("png-exif.png", OK, lambda: png((64, 64), before=chunk(b"eXIf", exif_flood()[6:]))),
    ("png-with-zip.png", OK, lambda: encode(draw((64, 48)), "PNG") + zipped()),
    ("png-with-html.png", OK, lambda: png((64, 64), before=chunk(b"tEXt", b"Comment\0" + HTML))),
]


# JPEG


def segment(kind: int, content: bytes = b"") -> bytes:
    return struct.pack(">BBH", 255, kind, len(content) + 2) + content


_SOF0, _SOF2, _DHT, _EOI, _SOS, _DQT, _COM = 0xC0, 0xC2, 0xC4, b"\xff\xd9", 0xDA, 0xDB, 0xFE
_SOI = b"\xff\xd8"


def _bits(text: str) -> bytes:
    """Entropy-coded data: what looks like a marker is stuffed (T.81 §B.1.1.5)."""
    text += "1" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8).replace(b"\xff", b"\xff\0")


def _start(kind: int, size: tuple[int, int], components: int) -> bytes:
    """Tables and frame: of each code there is one, of one bit."""
    rows = b"".join(bytes([number, 0x11, 0]) for number in range(1, components + 1))
    # The only AC symbol: the end of a block, or in a progressive file a run of up to 32,767 ends.
    symbol = b"\xe0" if kind == _SOF2 else b"\0"
    return b"".join(
        [
            _SOI,
            segment(_DQT, b"\0" + b"\x10" * 64),
            segment(kind, struct.pack(">BHHB", 8, size[1], size[0], components) + rows),
            segment(_DHT, b"\0\1" + bytes(15) + b"\0"),
            segment(_DHT, b"\x10\1" + bytes(15) + symbol),
        ]
    )


def _scan(component: int, first: int, last: int, bits: int, data: bytes) -> bytes:
    return segment(_SOS, bytes([1, component, 0, first, last, bits])) + data


def progressive_jpeg(side: int, scans: int) -> bytes:
    """Every coefficient by itself, bit by bit: 883 scans are legal, those beyond are the same again."""
    blocks = (side // 8) ** 2
    data = _bits(("0" + "1" * 14) * -(-blocks // 32_767))
    steps = [
        _scan(1, place, place, (bit + 1) << 4 | bit if bit < 13 else bit, data)
        for place in range(1, 64)
        for bit in range(13, -1, -1)
    ]
    repeated = (steps * (scans // len(steps) + 1))[: scans - 1]
    first = _scan(1, 0, 0, 0, _bits("0" * blocks))
    return b"".join([_start(_SOF2, (side, side), 1), first, *repeated, _EOI])


def baseline_jpeg(side: int, scans: int, *, components: int = 3) -> bytes:
    """Each component in a scan of its own, over and over."""
    data = _bits("00" * (side // 8) ** 2)
    rows = [_scan(1 + number % components, 0, 63, 0, data) for number in range(scans)]
    return b"".join([_start(_SOF0, (side, side), components), *rows, _EOI])


def _jpeg(*before: bytes, after: bytes = b"", size: tuple[int, int] = (640, 480)) -> bytes:
    """A photograph, with segments put in front of what it has."""
    return _SOI + b"".join(before) + encode(draw(size), quality=90)[2:] + after


def _profile_segments(count: int, content: bytes) -> Iterator[bytes]:
    for number in range(1, count + 1):
        yield segment(0xE2, b"ICC_PROFILE\0" + bytes([number, count]) + content)


def exif(tags: Iterable[tuple[int, int, int, int]], *, following: int = 0, tail: int = 0) -> bytes:
    """EXIF of tags (tag, type, count, value); data that they point at can be the tags themselves."""
    rows = [struct.pack(">HHII", *tag) for tag in tags]
    head = b"Exif\0\0MM\0*\0\0\0\x08" + struct.pack(">H", len(rows))
    return head + b"".join(rows) + struct.pack(">I", following) + bytes(tail)


def exif_flood() -> bytes:
    """Thousands of tags that all point at the same half of the segment."""
    return exif(((1000 + number, 7, 30_000, 8) for number in range(2700)), tail=30_000)


def exif_of_numbers(count: int = 130_000) -> bytes:
    """Its orientation and its resolution are so many fractions; it is longer than a segment can be."""
    tags = [(0x0112, 5, count, 8), (0x011A, 5, count, 8), (0x0128, 5, count, 8)]
    return exif(tags, tail=8 * count)[6:]


def _exif_of_numbers() -> Iterator[bytes]:
    content = exif_of_numbers()
    for place in range(0, len(content), 65_000):
        yield segment(0xE1, b"Exif\0\0" + content[place : place + 65_000])


def _size_of_frame(size: tuple[int, int]) -> bytes:
    content = bytearray(_jpeg())
    place = content.index(b"\xff\xc0")
    content[place + 5 : place + 9] = struct.pack(">HH", size[1], size[0])
    return bytes(content)


def _broken_huffman() -> bytes:
    content = bytearray(_jpeg())
    place = content.index(b"\xff\xc4")
    content[place + 5 : place + 21] = b"\xff" * 16
    return bytes(content)


def _flipped(content: bytes) -> bytes:
    """Every 97th byte of the second half is another."""
    changed = bytearray(content)
    for place in range(len(changed) // 2, len(changed), 97):
        changed[place] ^= 0x55
    return bytes(changed)


def _thumbnail() -> bytes:
    """A small JPEG of many scans within EXIF, which nobody decodes."""
    return segment(0xE1, exif([(0x0112, 3, 1, 0x10000)]) + progressive_jpeg(64, 500))


JPEGS: list[Row] = [
    ("jpeg-65500-header.jpg", REFUSED, lambda: _start(_SOF0, (65_500, 65_500), 1)),
    (
        "jpeg-65500-end.jpg",
        REFUSED,
        lambda: baseline_jpeg(64, 1, components=1).replace(b"\0\x40\0\x40", b"\xff\xdc\xff\xdc", 1),
    ),
    ("jpeg-65535x1.jpg", REFUSED, lambda: _size_of_frame((65_535, 1))),
    (
        "jpeg-13377-cmyk.jpg",
        REFUSED,
        lambda: _start(_SOF0, (13_377, 13_377), 4) + _scan(1, 0, 63, 0, b"\0"),
    ),
    ("jpeg-9984-baseline.jpg", OK, lambda: baseline_jpeg(9984, 1, components=1)),
    ("jpeg-9984-progressive.jpg", REFUSED, lambda: progressive_jpeg(9984, 1)),
    ("jpeg-8960-progressive.jpg", OK, lambda: progressive_jpeg(8960, 20)),
    ("jpeg-8960-30-scans.jpg", REFUSED, lambda: progressive_jpeg(8960, 30)),
    ("jpeg-1024-100-scans.jpg", OK, lambda: progressive_jpeg(1024, 100)),
    ("jpeg-1024-101-scans.jpg", REFUSED, lambda: progressive_jpeg(1024, 101)),
    ("jpeg-4096-882-scans.jpg", REFUSED, lambda: progressive_jpeg(4096, 882)),
    ("jpeg-4096-5000-scans.jpg", REFUSED, lambda: progressive_jpeg(4096, 5000)),
    ("jpeg-2000-20000-scans.jpg", REFUSED, lambda: progressive_jpeg(2000, 20_000)),
    ("jpeg-baseline-3-scans.jpg", OK, lambda: baseline_jpeg(1024, 3)),
    ("jpeg-baseline-300-scans.jpg", REFUSED, lambda: baseline_jpeg(256, 300)),
    ("jpeg-baseline-5000-scans.jpg", REFUSED, lambda: baseline_jpeg(64, 5000)),
    (
        "jpeg-9984-baseline-3-scans.jpg",
        REFUSED,
        lambda: _start(_SOF0, (9984, 9984), 3) + _scan(1, 0, 63, 0, b"\0" * 40_000),
    ),
    ("jpeg-scans-behind-the-end.jpg", OK, lambda: _jpeg(after=_scan(1, 0, 63, 0, b"\0") * 1000)),
    ("jpeg-scans-in-a-segment.jpg", OK, lambda: _jpeg(segment(0xED, b"\xff\xda" * 30_000))),
    ("jpeg-scans-in-a-profile.jpg", OK, lambda: _jpeg(*_profile_segments(3, b"\xff\xda" * 30_000))),
    ("jpeg-scans-in-a-thumbnail.jpg", OK, lambda: _jpeg(_thumbnail())),
    ("jpeg-255-profiles.jpg", OK, lambda: _jpeg(*_profile_segments(255, bytes(1000)))),
    ("jpeg-segments.jpg", REFUSED, lambda: _jpeg(segment(_COM) * 101_000)),
    ("jpeg-fill.jpg", REFUSED, lambda: _jpeg(b"\xff" * 110_000)),
    (
        "jpeg-junk.jpg",
        REFUSED,
        lambda: _SOI + segment(0xE0, b"JFIF\0") + bytes(110_000) + _jpeg()[2:],
    ),
    ("jpeg-exif.jpg", OK, lambda: _jpeg(segment(0xE1, exif_flood()))),
    ("jpeg-exif-in-parts.jpg", OK, lambda: _jpeg(*[segment(0xE1, exif_flood())] * 3)),
    ("jpeg-exif-of-numbers.jpg", REFUSED, lambda: _jpeg(*_exif_of_numbers())),
    (
        "jpeg-exif-loop.jpg",
        OK,
        lambda: _jpeg(segment(0xE1, exif([(0x8769, 4, 1, 8)], following=8))),
    ),
    ("jpeg-exif-beyond.jpg", OK, lambda: _jpeg(segment(0xE1, exif([(0x0112, 3, 2**31, 2**31)])))),
    (
        "jpeg-photoshop.jpg",
        OK,
        lambda: _jpeg(segment(0xED, b"Photoshop 3.0\0" + b"8BIM\4\4\0\0\0\0\0\0" * 5000)),
    ),
    ("jpeg-html.jpg", OK, lambda: _jpeg(segment(_COM, HTML))),
    ("jpeg-with-zip.jpg", OK, lambda: _jpeg(after=zipped())),
    ("jpeg-0x0.jpg", REFUSED, lambda: _size_of_frame((0, 0))),
    ("jpeg-0-components.jpg", REFUSED, lambda: _start(_SOF0, (64, 64), 0) + _EOI),
    ("jpeg-255-components.jpg", REFUSED, lambda: _start(_SOF0, (64, 64), 255) + _EOI),
    ("jpeg-larger-than-it-is.jpg", {OK, REFUSED}, lambda: _size_of_frame((6400, 4800))),
    ("jpeg-huffman.jpg", REFUSED, lambda: _broken_huffman()),
    ("jpeg-flipped.jpg", {OK, REFUSED}, lambda: _flipped(_jpeg())),
    ("jpeg-no-scan.jpg", REFUSED, lambda: _start(_SOF0, (64, 64), 1) + _EOI),
    ("jpeg-start-and-end.jpg", REFUSED, lambda: _SOI + _EOI),
    ("jpeg-two-starts.jpg", REFUSED, lambda: _SOI + _jpeg()),
    (
        "jpeg-mpo.jpg",
        OK,
        lambda: encode(draw((64, 48)), "MPO", save_all=True, append_images=[draw((64, 48))]),
    ),
    (
        "jpeg-mpo-of-65535.jpg",
        {OK, REFUSED},
        lambda: _jpeg(
            segment(0xE2, b"MPF\0MM\0*\0\0\0\x08\0\1\xb0\1\0\4\0\0\0\1\0\0\xff\xff\0\0\0\0")
        ),
    ),
]


# GIF


def gif(size: tuple[int, int], *parts: bytes) -> bytes:
    """Two colours, and the parts."""
    head = b"GIF89a" + struct.pack("<HHBBB", *size, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    return head + b"".join(parts) + b";"


def gif_frame(size: tuple[int, int] = (1, 1)) -> bytes:
    """Of one pixel there is data, whatever the size."""
    return b"\x2c" + struct.pack("<HHHHB", 0, 0, *size, 0) + b"\x02\x02\x44\x01\0"


def gif_extension(content: bytes = b"") -> bytes:
    return b"\x21\xfe" + content + b"\0"


GIFS: list[Row] = [
    ("gif-100000-frames.gif", OK, lambda: gif((1, 1), gif_frame() * 100_000)),
    ("gif-13377.gif", REFUSED, lambda: gif((13_377, 13_377), gif_frame((13_377, 13_377)))),
    ("gif-screen-65535.gif", REFUSED, lambda: gif((65_535, 65_535), gif_frame())),
    ("gif-frame-65535.gif", REFUSED, lambda: gif((1, 1), gif_frame((65_535, 65_535)))),
    (
        "gif-second-frame-65535.gif",
        {OK, REFUSED},
        lambda: gif((1, 1), gif_frame(), gif_frame((65_535, 65_535))),
    ),
    ("gif-9990.gif", OK, lambda: encode(Image.new("P", (9990, 9990)), "GIF")),
    ("gif-cut-frame.gif", {OK, REFUSED}, lambda: gif((640, 480), gif_frame((640, 480)))),
    ("gif-extensions.gif", REFUSED, lambda: gif((1, 1), gif_extension() * 151_000, gif_frame())),
    ("gif-comment.gif", REFUSED, lambda: gif((1, 1), gif_extension(b"\1a" * 301_000), gif_frame())),
    ("gif-no-frame.gif", REFUSED, lambda: gif((64, 64))),
    ("gif-0x0.gif", REFUSED, lambda: gif((0, 0), gif_frame((0, 0)))),
    (
        "gif-code-size-255.gif",
        REFUSED,
        lambda: gif((64, 64), gif_frame((64, 64)).replace(b"\x02\x02", b"\xff\x02")),
    ),
    ("gif-noise.gif", {OK, REFUSED}, lambda: _flipped(encode(draw((640, 480)), "GIF"))),
    (
        "gif-html.gif",
        OK,
        lambda: gif((1, 1), gif_extension(bytes([len(HTML)]) + HTML), gif_frame()),
    ),
    ("gif-with-zip.gif", OK, lambda: gif((1, 1), gif_frame()) + zipped()),
]


# WebP


def riff(*chunks: bytes) -> bytes:
    content = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(content)) + content


def riff_chunk(name: bytes, content: bytes = b"") -> bytes:
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def black_webp(size: tuple[int, int]) -> bytes:
    """A lossless picture of one colour: five prefix codes of one symbol each, then nothing for any pixel."""
    head = 0x2F | (size[0] - 1) << 8 | (size[1] - 1) << 22
    codes = sum(1 << 3 + 4 * number for number in range(5))
    return riff_chunk(b"VP8L", (head | codes << 40).to_bytes(8, "little"))


def webp_canvas(size: tuple[int, int], flags: int = 0) -> bytes:
    sides = ((side - 1).to_bytes(3, "little") for side in size)
    return riff_chunk(b"VP8X", bytes([flags, 0, 0, 0]) + b"".join(sides))


def animated_webp(canvas: tuple[int, int], frame: tuple[int, int], count: int) -> bytes:
    sides = b"".join((side - 1).to_bytes(3, "little") for side in frame)
    one = riff_chunk(b"ANMF", bytes(6) + sides + b"\x64\0\0\0" + black_webp(frame))
    return riff(webp_canvas(canvas, 2), riff_chunk(b"ANIM", bytes(6)), one * count)


WEBPS: list[Row] = [
    ("webp-16383.webp", REFUSED, lambda: riff(black_webp((16_383, 16_383)))),
    ("webp-13377.webp", REFUSED, lambda: riff(black_webp((13_377, 13_377)))),
    ("webp-7000.webp", REFUSED, lambda: riff(black_webp((7000, 7000)))),
    ("webp-5190.webp", OK, lambda: riff(black_webp((5190, 5190)))),
    ("webp-20000-frames.webp", OK, lambda: animated_webp((1, 1), (1, 1), 20_000)),
    (
        "webp-chunks.webp",
        REFUSED,
        lambda: riff(webp_canvas((1, 1)), black_webp((1, 1)), riff_chunk(b"abcd") * 101_000),
    ),
    ("webp-5000-of-500-frames.webp", OK, lambda: animated_webp((5000, 5000), (1, 1), 500)),
    (
        "webp-13377-of-500-frames.webp",
        REFUSED,
        lambda: animated_webp((13_377, 13_377), (1, 1), 500),
    ),
    (
        "webp-7000-of-1000-frames.webp",
        REFUSED,
        lambda: animated_webp((7000, 7000), (7000, 7000), 1000),
    ),
    (
        "webp-16777216.webp",
        REFUSED,
        lambda: riff(webp_canvas((1 << 24, 1 << 24)), black_webp((1, 1))),
    ),
    (
        "webp-lying-canvas.webp",
        REFUSED,
        lambda: riff(webp_canvas((64, 64)), black_webp((5000, 5000))),
    ),
    (
        "webp-frame-beyond-its-canvas.webp",
        REFUSED,
        lambda: animated_webp((64, 64), (5000, 5000), 2),
    ),
    ("webp-no-picture.webp", REFUSED, lambda: riff(webp_canvas((64, 64)))),
    ("webp-empty.webp", REFUSED, lambda: riff(riff_chunk(b"VP8L"))),
    (
        "webp-lying-length.webp",
        REFUSED,
        lambda: b"RIFF\xff\xff\xff\xffWEBPVP8L\xff\xff\xff\xff" + bytes(64),
    ),
    ("webp-noise.webp", {OK, REFUSED}, lambda: _flipped(encode(draw((640, 480)), "WEBP"))),
    (
        "webp-exif.webp",
        OK,
        lambda: riff(
            webp_canvas((64, 64), 8), black_webp((64, 64)), riff_chunk(b"EXIF", exif_flood()[6:])
        ),
    ),
]


# AVIF


def box(name: bytes, *content: bytes) -> bytes:
    joined = b"".join(content)
    return struct.pack(">I", len(joined) + 8) + name + joined


def full_box(name: bytes, version: int, *content: bytes) -> bytes:
    return box(name, struct.pack(">I", version << 24), *content)


def _small_avif() -> bytes:
    return encode(draw((64, 48)), "AVIF")


def _avif_of_size(size: tuple[int, int]) -> bytes:
    """The size that its properties tell; its pixels have another."""
    content = bytearray(_small_avif())
    place = content.index(b"ispe")
    content[place + 8 : place + 16] = struct.pack(">II", *size)
    return bytes(content)


_AVIF_START = box(b"ftyp", b"avif\0\0\0\0avifmif1miaf")


def _avif_items(count: int) -> bytes:
    entries = b"".join(
        full_box(b"infe", 3, struct.pack(">IH", number, 0), b"av01\0") for number in range(count)
    )
    handler = full_box(b"hdlr", 0, b"\0\0\0\0pict" + bytes(13))
    items = full_box(b"iinf", 1, struct.pack(">I", count), entries)
    return _AVIF_START + full_box(b"meta", 0, handler, full_box(b"pitm", 0, b"\0\1"), items)


def _avif_tracks(count: int) -> bytes:
    content = encode(draw((64, 48)), "AVIF", save_all=True, append_images=[draw((64, 48))])
    changed = bytearray(content)
    place = content.index(b"stsz")
    changed[place + 8 : place + 16] = struct.pack(">II", 1, count)
    return bytes(changed)


AVIFS: list[Row] = [
    ("avif-13000.avif", REFUSED, lambda: _avif_of_size((13_000, 13_000))),
    ("avif-65536.avif", REFUSED, lambda: _avif_of_size((65_536, 65_536))),
    ("avif-4294967295.avif", REFUSED, lambda: _avif_of_size((2**32 - 1, 2**32 - 1))),
    ("avif-lying-size.avif", {OK, REFUSED}, lambda: _avif_of_size((640, 480))),
    ("avif-0x0.avif", REFUSED, lambda: _avif_of_size((0, 0))),
    ("avif-5650.avif", OK, lambda: encode(Image.new("RGB", (5650, 5650)), "AVIF", speed=10)),
    ("avif-items.avif", REFUSED, lambda: _avif_items(20_000)),
    ("avif-boxes.avif", REFUSED, lambda: _AVIF_START + box(b"free") * 101_000),
    (
        "avif-nested-boxes.avif",
        REFUSED,
        lambda: _AVIF_START + struct.pack(">I4s", 0, b"moov") * 20_000,
    ),
    ("avif-samples.avif", {OK, REFUSED}, lambda: _avif_tracks(2**32 - 1)),
    ("avif-start-only.avif", REFUSED, lambda: _AVIF_START),
    ("avif-noise.avif", {OK, REFUSED}, lambda: _flipped(encode(draw((640, 480)), "AVIF"))),
    ("avif-heic.heic", TYPE, lambda: box(b"ftyp", b"heic\0\0\0\0mif1heic")),
]


# TIFF


def tiff(
    size: tuple[int, int], data: bytes, *tags: tuple[int, int, int, int], compression: int = 8
) -> bytes:
    """Grey, in one strip, or as other tags say; the data stands behind the tags."""
    rows = {
        256: (4, 1, size[0]),
        257: (4, 1, size[1]),
        258: (3, 1, 8),
        259: (3, 1, compression),
        262: (3, 1, 1),
        273: (4, 1, 0),
        277: (3, 1, 1),
        278: (4, 1, size[1]),
        279: (4, 1, len(data)),
        **{tag: (kind, count, value) for tag, kind, count, value in tags},
    }
    place = 8 + 2 + 12 * len(rows) + 4
    rows[273] = rows[273] if rows[273][2] else (4, rows[273][1], place)
    content = b"".join(struct.pack("<HHII", tag, *row) for tag, row in sorted(rows.items()))
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(rows)) + content + bytes(4) + data


def _tiff_pages(count: int) -> bytes:
    first = bytearray(tiff((64, 64), bytes(4096), compression=1))
    first[len(first) - 4100 : len(first) - 4096] = struct.pack("<I", len(first))
    pages = [
        struct.pack("<HHHIII", 1, 256, 4, 1, 64, len(first) + 18 * (number + 1))
        for number in range(count)
    ]
    return bytes(first) + b"".join(pages)[:-4] + bytes(4)


TIFFS: list[Row] = [
    ("tiff-60000-pages.tif", OK, lambda: _tiff_pages(60_000)),
    ("tiff-30000.tif", REFUSED, lambda: tiff((30_000, 30_000), deflated_zeros(100 * MEGABYTE))),
    ("tiff-13377.tif", REFUSED, lambda: tiff((13_377, 13_377), deflated_zeros(13_377**2))),
    ("tiff-7890.tif", OK, lambda: tiff((7890, 7890), deflated_zeros(7890**2))),
    (
        "tiff-huge-tile.tif",
        REFUSED,
        lambda: tiff(
            (64, 64),
            b"",
            (322, 4, 1, 2**31 - 16),
            (323, 4, 1, 2**31 - 16),
            (324, 4, 1, 8),
            (325, 4, 1, 8),
        ),
    ),
    (
        "tiff-strips.tif",
        REFUSED,
        lambda: tiff(
            (1000, 1000), bytes(2 * 200_000), (273, 3, 200_000, 0), (278, 4, 1, 1), compression=1
        ),
    ),
    ("tiff-strips-nowhere.tif", REFUSED, lambda: tiff((1000, 1000), b"", (273, 4, 2**32 - 1, 0))),
    (
        "tiff-own-strip.tif",
        REFUSED,
        lambda: tiff((64, 64), b"", (273, 4, 1, 2**32 - 1), compression=1),
    ),
    ("tiff-less-than-it-holds.tif", REFUSED, lambda: tiff((640, 640), deflated_zeros(1000))),
    (
        "tiff-loop.tif",
        {OK, REFUSED},
        lambda: tiff((64, 64), bytes(4096), compression=1).replace(
            bytes(4) + bytes(4096), b"\x08\0\0\0" + bytes(4096)
        ),
    ),
    ("tiff-start-only.tif", REFUSED, lambda: b"II*\0\x08\0\0\0"),
]


# What is none of these, whatever its name


SVG = b'<svg xmlns="http://www.w3.org/2000/svg" xmlns:x="http://www.w3.org/1999/xlink" '
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n{} loop\n%%EOF\n"
_SVGS = {
    "script": SVG + b"><script>alert(1)</script></svg>",
    "entity": b'<?xml version="1.0"?><!DOCTYPE s [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
    + SVG
    + b">&a;</svg>",
    "reference": SVG + b'><image x:href="http://169.254.169.254/" width="9" height="9"/></svg>',
    "use": SVG
    + b'><g id="a"/>'
    + b"".join(
        b'<g id="%s">%s</g>' % (bytes([98 + n]), b'<use x:href="#%s"/>' % bytes([97 + n]) * 10)
        for n in range(9)
    )
    + b"</svg>",
    "filter": SVG
    + b'width="9999" height="9999"><filter id="a"><feGaussianBlur stdDeviation="999"/></filter></svg>',
}
#: By what they begin with, decoders of other programs are chosen.
_FOREIGN = {
    "eps": EPS,
    "pdf": b"%PDF-1.7\n1 0 obj<</Type/Catalog/OpenAction<</S/JavaScript/JS(1)>>>>endobj\n%%EOF",
    "psd": b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 64, 64, 8, 3) + bytes(64),
    "ico": struct.pack("<HHHBBBBHHII", 0, 1, 1, 0, 0, 0, 0, 1, 32, 200, 22) + PNG_START,
    "cur": struct.pack("<HHHBBBBHHII", 0, 2, 1, 0, 0, 0, 0, 1, 32, 200, 22) + PNG_START,
    "bmp": encode(draw((16, 16)), "BMP"),
    "html": b"<!DOCTYPE html>" + HTML,
    "jp2": encode(draw((64, 64)), "JPEG2000"),
    "j2k": encode(draw((64, 64)), "JPEG2000", no_jp2=True),
    "tga": encode(draw((16, 16)), "TGA"),
    "pcx": encode(draw((16, 16)), "PCX"),
    "ppm": encode(draw((16, 16)), "PPM"),
    "sgi": encode(draw((16, 16)), "SGI"),
    "dds": encode(draw((16, 16)), "DDS"),
    "qoi": b"qoif" + struct.pack(">IIBB", 2**31, 2**31, 4, 0),
    "xbm": b"#define a_width 64\n#define a_height 64\nstatic char a_bits[] = {\n0x00};",
    "xpm": b'/* XPM */\nstatic char *a[] = {"1 1 1 1", "a c red", "a"};',
    "wmf": b"\xd7\xcd\xc6\x9a" + bytes(60),
    "emf": b"\1\0\0\0" + bytes(36) + b" EMF" + bytes(40),
    "fits": b"SIMPLE  =                    T" + bytes(60),
    "hdf": b"\x89HDF\r\n\x1a\n" + bytes(60),
    "icns": b"icns\0\0\0\x10ic08\0\0\0\x08",
    "mvg": b"push graphic-context\nimage over 0,0 0,0 'https://127.0.0.1/x.php?x=`id`'\npop graphic-context",
    "msl": b'<?xml version="1.0"?><image><read filename="/etc/passwd"/></image>',
    "zip": zipped(),
    "mp4": box(b"ftyp", b"isom\0\0\0\0isommp41"),
    "exr": b"\x76\x2f\x31\x01" + bytes(60),
    "hdr": b"#?RADIANCE\n\n-Y 65535 +X 65535\n",
    "djvu": b"AT&TFORM\0\0\0\0DJVU",
    "bigtiff": b"II+\0\x08\0\0\0" + bytes(60),
    "elf": b"\x7fELF" + bytes(60),
    "script": b"#!/bin/sh\ntouch /tmp/harm\n",
}


def _named(content: bytes) -> Callable[[], bytes]:
    return lambda: content


OTHERS: list[Row] = [
    *(
        (f"svg-{name}.{extension}", TYPE, _named(content))
        for name, content in _SVGS.items()
        for extension in ("svg", "png", "jpg")
    ),
    *(
        (f"{name}-named.{extension}", TYPE, _named(content))
        for name, content in _FOREIGN.items()
        for extension in (name, "jpg", "webp")
    ),
    ("nothing.jpg", TYPE, lambda: b""),
    ("zeros.png", TYPE, lambda: bytes(100_000)),
    ("one-byte.gif", TYPE, lambda: b"\xff"),
    ("png-named.jpg", OK, lambda: encode(draw((64, 48)), "PNG")),
    ("gif-named.png", OK, lambda: encode(draw((64, 48)), "GIF")),
    ("jpeg-named.svg", OK, lambda: _jpeg()),
    ("webp-named.html", OK, lambda: encode(draw((64, 48)), "WEBP")),
    ("avif-named.php", OK, lambda: _small_avif()),
    ("jpeg-named", OK, lambda: _jpeg()),
]


TRUNCATED: dict[str, Callable[[], bytes]] = {
    "baseline.jpg": lambda: _jpeg(),
    "progressive.jpg": lambda: encode(draw((640, 480)), quality=90, progressive=True),
    "plain.png": lambda: encode(draw((200, 150), "RGBA"), "PNG"),
    "interlaced.png": interlaced_png,
    "still.gif": lambda: encode(draw((200, 150)), "GIF"),
    "lossy.webp": lambda: encode(draw((640, 480)), "WEBP"),
    "lossless.webp": lambda: encode(draw((200, 150), "RGBA"), "WEBP", lossless=True),
    "moving.webp": lambda: encode(
        draw((200, 150)), "WEBP", save_all=True, append_images=[draw((200, 150)).rotate(180)]
    ),
    "still.avif": lambda: encode(draw((640, 480)), "AVIF"),
}


def main(directory: str) -> None:
    Path(directory).mkdir(parents=True, exist_ok=True)
    for file in hostile_files():
        (Path(directory) / file.name).write_bytes(file.build())


if __name__ == "__main__":
    main(sys.argv[1])
