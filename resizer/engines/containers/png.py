"""The chunks of a PNG (PNG 3 §5, §11): keep the pixels, remove broken ancillary chunks.

Because of a long text, a wrong checksum or a short chunk, decoders refuse good pixels. Browsers ignore such chunks.
"""

from __future__ import annotations

import os
import zlib
from typing import TYPE_CHECKING, NamedTuple

from resizer.engines.profiles import MAX_PROFILE_BYTES
from resizer.errors import UndecodableOriginal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

#: Bit in the first letter of a chunk: a decoder may skip it (PNG 3 §5.4).
_ANCILLARY = 0x20
#: Chunks about colours → length; 0: any length but 0.
_COLOUR_BYTES = {b"cHRM": 32, b"cICP": 4, b"gAMA": 4, b"iCCP": 0, b"sRGB": 1}
#: The frames of an APNG (PNG 3 §11.3.6), and the least length of each.
_FRAME_BYTES = {b"fcTL": 26, b"fdAT": 4}
#: Ancillary chunks kept before the pixels → length; 0: any length but 0.
_BYTES = {**_COLOUR_BYTES, b"acTL": 8, b"eXIf": 0, b"fcTL": 26, b"iTXt": 0, b"tRNS": 0}
_XMP = b"XML:com.adobe.xmp"
#: Of a profile's name (PNG 3 §11.3.2.3).
_MAX_NAME_BYTES = 79
#: Compressed chunks to unpack: each can take 4 MB, and real files have one profile and one XMP.
MAX_UNPACKED = 16
#: A colour type; and other colour types → bytes of a transparent colour (PNG 3 §11.3.1.1).
_PALETTE = 3
_TRANSPARENT_BYTES = {0: 2, 2: 6}


class _Chunk(NamedTuple):
    name: bytes
    #: Position of its content in the file.
    start: int
    #: Of its content, bytes, without name and checksum.
    length: int

    @property
    def end(self) -> int:
        return self.start + self.length

    @property
    def stretch(self) -> range:
        """The whole chunk in the file."""
        return range(self.start - 8, self.end + 4)


def clean(file: BinaryIO, whole: bool) -> list[bytes | range]:
    """The clean file as pieces: ranges of the file, and new bytes.

    Without `whole`, reads no further than the head of the first IDAT chunk. Raises UndecodableOriginal for unexpected
    critical chunks before the pixels, a missing palette, and cut pixels.
    """
    file_end = file.seek(0, os.SEEK_END)
    before: list[_Chunk] = []
    chunks = _chunks(file, file_end)
    for chunk in chunks:
        if chunk.name == b"IDAT":
            pieces = list(_header(file, before))
            if not whole:
                return [*pieces, range(chunk.start - 8, chunk.start)]
            moves = b"acTL" in {one.name for one in before}
            return [*pieces, *_data(file, [chunk, *chunks], file_end, moves=moves)]
        before.append(chunk)
    # Without pixels, leave the error to the decoder.
    return [range(file_end)]


def _chunks(file: BinaryIO, file_end: int) -> Iterator[_Chunk]:
    """Yield each chunk up to IEND. The last one may be longer than the file."""
    position, name = 8, b""
    while position + 8 <= file_end and name != b"IEND":
        file.seek(position)
        head = file.read(8)
        name = head[4:]
        chunk = _Chunk(name, position + 8, int.from_bytes(head[:4]))
        yield chunk
        position = chunk.end + 4


def _header(file: BinaryIO, chunks: list[_Chunk]) -> Iterator[bytes | range]:
    """The chunks before the pixels. Colours go before the palette: browsers also read them behind it, decoders may not."""
    critical = [one for one in chunks if not one.name[0] & _ANCILLARY]
    if [one.name for one in critical] not in ([b"IHDR"], [b"IHDR", b"PLTE"]):
        raise UndecodableOriginal(f"critical chunks are {[one.name for one in critical]!r:.200}")
    header, *palette = critical
    transparent = _transparent_bytes(file, header, palette)
    first = _first_known(file, [one for one in chunks if _counts(one, palette, transparent)])
    yield range(header.stretch.stop)
    for name in _COLOUR_BYTES:
        if name in first:
            yield first[name].stretch
    yield from (one.stretch for one in palette)
    if b"tRNS" in first:
        yield _transparency(file, first[b"tRNS"], transparent)
    for name in (b"eXIf", b"iTXt"):
        if name in first:
            yield first[name].stretch
    if b"acTL" in first:
        yield from (first[name].stretch for name in (b"acTL", b"fcTL") if name in first)


def _first_known(file: BinaryIO, chunks: list[_Chunk]) -> dict[bytes, _Chunk]:
    """The first valid chunk of each name in `_BYTES`."""
    first: dict[bytes, _Chunk] = {}
    unpacker = _Unpacker()
    for chunk in chunks:
        if chunk.name not in first and _is_known(file, chunk, unpacker):
            first[chunk.name] = chunk
    return first


class _Unpacker:
    """Unpacks at most MAX_UNPACKED chunks: thousands of broken chunks would keep a decoder busy."""

    def __init__(self) -> None:
        self._left = MAX_UNPACKED

    def unpacks(self, packed: bytes) -> bool:
        """Whether compressed content, behind the byte of its method, is whole and at most MAX_PROFILE_BYTES long."""
        self._left -= 1
        if self._left < 0 or packed[:1] != b"\0":
            return False
        unpacker = zlib.decompressobj()
        try:
            unpacker.decompress(packed[1:], MAX_PROFILE_BYTES)
        except zlib.error:
            return False
        return unpacker.eof


def _is_known(file: BinaryIO, chunk: _Chunk, unpacker: _Unpacker) -> bool:
    expected = _BYTES.get(chunk.name)
    if expected is None or (expected and expected != chunk.length) or not chunk.length:
        return False
    file.seek(chunk.start)
    content = file.read(chunk.length)
    if zlib.crc32(chunk.name + content) != int.from_bytes(file.read(4)):
        return False
    if chunk.name == b"iCCP":
        name, _, packed = content.partition(b"\0")
        return 1 <= len(name) <= _MAX_NAME_BYTES and unpacker.unpacks(packed)
    if chunk.name == b"iTXt":
        # XMP is the only text kept. Fields: name, is compressed, method, language, translated name, text.
        name, _, rest = content.partition(b"\0")
        is_packed = rest[:1] == b"\1"
        return name == _XMP and (
            not is_packed or unpacker.unpacks(rest[1:2] + rest[2:].split(b"\0", 2)[-1])
        )
    return chunk.name != b"acTL" or 0 < int.from_bytes(content[:4]) < 1 << 31


def _transparent_bytes(file: BinaryIO, header: _Chunk, palette: list[_Chunk]) -> range:
    """The allowed lengths of tRNS, bytes. Empty for a colour type without tRNS.

    Raises UndecodableOriginal if the palette is missing.
    """
    file.seek(header.start + 9)
    colour_type = int.from_bytes(file.read(1))
    if colour_type == _PALETTE:
        if not palette:
            raise UndecodableOriginal("no palette precedes the pixels")
        return range(1, palette[0].length // 3 + 1)
    length = _TRANSPARENT_BYTES.get(colour_type, 0)
    return range(length, length + 1) if length else range(0)


def _counts(chunk: _Chunk, palette: list[_Chunk], transparent: range) -> bool:
    """Whether to use a chunk. A tRNS chunk must be long enough, and follow the palette if there is one."""
    if chunk.name != b"tRNS":
        return True
    is_placed = transparent.start != 1 or chunk.start > palette[0].start
    return bool(transparent) and is_placed and chunk.length >= transparent.start


def _transparency(file: BinaryIO, chunk: _Chunk, transparent: range) -> bytes | range:
    """The tRNS chunk, cut to the palette or to one colour. Browsers ignore the rest; libpng ignores the whole chunk."""
    most = transparent[-1]
    if chunk.length <= most:
        return chunk.stretch
    file.seek(chunk.start)
    return write_chunk(b"tRNS", file.read(most))


def _data(
    file: BinaryIO, chunks: list[_Chunk], file_end: int, *, moves: bool
) -> Iterator[bytes | range]:
    """Pixels, frames, and the end. Everything but pixels can be written anew if it is cut off."""
    for chunk in chunks:
        if chunk.end + 4 > file_end:
            if chunk.name == b"IDAT":
                yield _complete(file, chunk, file_end)
            break
        if chunk.name == b"IEND":
            yield chunk.stretch
            return
        if chunk.name == b"IDAT" or (
            moves and chunk.length >= _FRAME_BYTES.get(chunk.name, file_end)
        ):
            yield chunk.stretch
    yield write_chunk(b"IEND", b"")


def _complete(file: BinaryIO, chunk: _Chunk, file_end: int) -> bytes:
    """The last IDAT chunk with a new checksum. Raises UndecodableOriginal if pixels are cut off."""
    if chunk.end > file_end:
        raise UndecodableOriginal("the pixels are cut off")
    file.seek(chunk.start)
    return write_chunk(b"IDAT", file.read(chunk.length))


def write_chunk(name: bytes, content: bytes) -> bytes:
    """Write a chunk: length, name of four bytes, content, checksum (PNG 3 §5.3)."""
    checksum = zlib.crc32(name + content)
    return len(content).to_bytes(4) + name + content + checksum.to_bytes(4)
