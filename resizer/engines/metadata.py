"""What is kept of an original's metadata where `METADATA` says so: who made it and whose it is, and nothing else.

Read from EXIF, XMP and IPTC-IIM, which strangers write: what is broken, strange or too long counts as missing.
"""

from __future__ import annotations

import io
import struct
import unicodedata
import zlib
from typing import TYPE_CHECKING, NamedTuple
from xml.parsers import expat

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

#: Of a creator and of a copyright notice; what follows is cut off.
MAX_CHARACTERS = 1_000
#: Texts that are longer before they are cleaned are no texts.
MAX_TEXT_BYTES = 65_536
#: A PNG of more chunks is not read to its end; the usual 8 KB for each make 6,000 of the largest file.
MAX_CHUNKS = 20_000
#: A larger XMP packet is not looked into; those with the whole history of an edited picture have up to some 100 KB.
MAX_XMP_BYTES = 1_000_000
#: Elements in elements; those of XMP that is in use are some ten deep.
MAX_XMP_DEPTH = 100

# EXIF 3.0 §4.6.5: tags of the first directory.
_ARTIST, _COPYRIGHT = 0x013B, 0x8298
#: BYTE, ASCII, UNDEFINED and UTF-8: everything that software has used for texts, one byte for each element.
_TEXT_TYPES = {1, 2, 7, 129}
_ASCII = 2
#: IPTC-IIM 4.2 §6: data sets of record 2.
_BY_LINE, _COPYRIGHT_NOTICE = 80, 116
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_DC = "http://purl.org/dc/elements/1.1/"


class Rights(NamedTuple):
    """Empty where nothing is known."""

    creator: str = ""
    copyright: str = ""

    def or_else(self, others: Rights) -> Rights:
        """These, and others where one of these is empty."""
        return Rights(self.creator or others.creator, self.copyright or others.copyright)


def write_exif(rights: Rights) -> bytes:
    """The smallest EXIF that has them, as a TIFF of one directory; empty if there is nothing to say.

    UTF-8 where the standard has ASCII: so does all software that writes other letters at all.
    """
    texts = [(_ARTIST, rights.creator), (_COPYRIGHT, rights.copyright)]
    values = [(tag, text.encode() + b"\0") for tag, text in texts if text]
    if not values:
        return b""
    directory, data = struct.pack(">4sIH", b"MM\0*", 8, len(values)), b""
    start = len(directory) + 12 * len(values) + 4
    for tag, value in values:
        # Four bytes or fewer stand in the place of their address.
        place = value.ljust(4, b"\0") if len(value) <= 4 else struct.pack(">I", start + len(data))
        directory += struct.pack(">HHI", tag, _ASCII, len(value)) + place
        # Data begin at even places.
        data += value + b"\0" * (len(value) % 2) if len(value) > 4 else b""
    return directory + bytes(4) + data


def from_exif(exif: bytes) -> Rights:
    return from_tiff(io.BytesIO(exif.removeprefix(b"Exif\0\0")))


def from_tiff(file: BinaryIO) -> Rights:
    """From the first directory of a TIFF (TIFF 6.0 §2), which EXIF is as well."""
    texts = dict(_tags(file))
    # What follows the end of a text is not meant to be seen; a copyright notice has two parts, for photographer and editor.
    creators = texts.get(_ARTIST, b"").split(b"\0")[:1]
    notices = texts.get(_COPYRIGHT, b"").split(b"\0")[:2]
    return Rights(_join(creators), _join(notices))


def _tags(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    file.seek(0)
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(file.read(4))
    try:
        file.seek(*struct.unpack(f"{order}I", file.read(4)))
        (count,) = struct.unpack(f"{order}H", file.read(2))
        entries = file.read(12 * count)
        for tag, kind, length, place in struct.iter_unpack(f"{order}HHI4s", entries):
            if tag not in {_ARTIST, _COPYRIGHT} or kind not in _TEXT_TYPES:
                continue
            value = place[:length]
            if 4 < length <= MAX_TEXT_BYTES:
                file.seek(*struct.unpack(f"{order}I", place))
                value = file.read(length)
            if len(value) == length:
                yield tag, value
    except struct.error:
        return


def from_png(file: BinaryIO) -> Rights:
    """From the chunks of a PNG (PNG 3 §11.3), before the pixels and behind them, where ExifTool puts XMP."""
    exif = xmp = b""
    file.seek(8)
    for _ in range(MAX_CHUNKS):
        head = file.read(8)
        if len(head) < 8:
            break
        length, kind = struct.unpack(">I4s", head)
        end = file.tell() + length + 4
        # The first of each: many would be many times the work.
        if kind == b"eXIf":
            exif = exif or file.read(length)
        if kind == b"iTXt" and length <= MAX_XMP_BYTES:
            xmp = xmp or _xmp_of(file.read(length))
        file.seek(end)
    return from_exif(exif).or_else(from_xmp(xmp))


def from_gif(file: BinaryIO) -> Rights:
    """From the XMP of a GIF (XMP 3 §1.1.2), which Pillow does not read."""
    file.seek(0)
    _, _, rest = file.read().partition(b"!\xff\x0bXMP DataXMP")
    # What follows the packet leads decoders that know nothing of it to its end.
    return from_xmp(rest.partition(b"\1\xff\xfe\xfd")[0])


def _xmp_of(text: bytes) -> bytes:
    """The packet in a chunk iTXt; empty if it is another text."""
    keyword, _, rest = text.partition(b"\0")
    fields = rest[2:].split(b"\0", 2)
    if keyword != b"XML:com.adobe.xmp" or len(fields) < 3:
        return b""
    if rest[0] == 0:
        return fields[2]
    try:
        return zlib.decompressobj().decompress(fields[2], MAX_XMP_BYTES + 1)
    except zlib.error:
        return b""


def from_xmp(packet: bytes) -> Rights:
    """From a packet of XMP (ISO 16684-1 §7 and §8.3): `dc:creator` and `dc:rights`, as arrays of texts."""
    if len(packet) > MAX_XMP_BYTES:
        return Rights()
    found: dict[str, list[str]] = {f"{_DC}creator": [], f"{_DC}rights": []}
    path: list[str] = []

    def texts() -> list[str] | None:
        # Those of the picture itself: others may be deeper, of what it is made of.
        start = 1 if path[0] == "adobe:ns:meta/xmpmeta" else 0
        names = path[start:]
        if len(names) == 5 and names[:2] + names[4:] == _ITEM and names[2] in found:
            return found[names[2]]
        return None

    def begin(name: str, _: dict[str, str]) -> None:
        path.append(name)
        if len(path) > MAX_XMP_DEPTH:
            raise ValueError("XMP that is too deep")
        items = texts()
        if items is not None:
            items.append("")

    def add(text: str) -> None:
        items = texts()
        if items is not None:
            items[-1] += text

    def refuse(*_: object) -> None:
        # Entities are declared there, and XMP has none of its own: neither bombs nor other files.
        raise ValueError("XMP with a document type")

    parser = expat.ParserCreate("utf-8", "")
    parser.buffer_text = True
    parser.StartElementHandler = begin
    parser.EndElementHandler = lambda _: path.pop()
    parser.CharacterDataHandler = add
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(packet.rstrip(b"\0"), True)
    except (expat.ExpatError, ValueError):
        return Rights()
    creators, notices = found.values()
    # Of the languages of a notice, the default comes first.
    return Rights(_clean("; ".join(creators)), _clean("".join(notices[:1])))


_ITEM = [f"{_RDF}RDF", f"{_RDF}Description", f"{_RDF}li"]


def from_iptc(records: bytes) -> Rights:
    """From the data sets of IPTC-IIM (4.2 §3)."""
    found: dict[int, list[bytes]] = {_BY_LINE: [], _COPYRIGHT_NOTICE: []}
    place = 0
    while len(records) >= place + 5 and records[place] == 0x1C:
        record, data_set, length = struct.unpack_from(">BBH", records, place + 1)
        place += 5 + length
        # Lengths from 32768 up announce another length; no text that we want has one.
        if length > 0x7FFF or place > len(records):
            break
        if record == 2 and data_set in found:
            found[data_set].append(records[place - length : place])
    return Rights(*map(_join, found.values()))


def _join(texts: list[bytes]) -> str:
    decoded = (_clean(_decode(text)) for text in texts)
    return _clean("; ".join(text for text in decoded if text))


def _decode(text: bytes) -> str:
    """What it is encoded in is rarely said, and often wrongly; Latin-1 is hardly ever valid UTF-8 by chance."""
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode("latin-1")


def _clean(text: str) -> str:
    words = " ".join(text.split())
    printable = "".join(sign for sign in words if unicodedata.category(sign) != "Cc")
    return printable[:MAX_CHARACTERS].strip()
