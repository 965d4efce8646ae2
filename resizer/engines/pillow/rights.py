"""Read creator and copyright of an original from EXIF, XMP and IPTC-IIM, and write them to its variants as EXIF.

Strangers write these texts. A broken, strange or too long text counts as missing.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, NamedTuple
from xml.etree import ElementTree

from PIL import ExifTags, Image, IptcImagePlugin, JpegImagePlugin

from resizer.conf import get_settings
from resizer.engines.pillow.files import open_image
from resizer.formats import AVIF

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO

#: A longer creator or copyright notice is cut off.
MAX_CHARACTERS = 1_000
#: A longer text is ignored.
MAX_TEXT_BYTES = 65_536
#: A larger XMP packet is ignored. With the whole history of an edited image, packets have up to some 100 KB.
MAX_XMP_BYTES = 1_000_000

_ARTIST, _COPYRIGHT = ExifTags.Base.Artist, ExifTags.Base.Copyright
#: IPTC-IIM 4.2 §6: data sets of record 2.
_BY_LINE, _COPYRIGHT_NOTICE = (2, 80), (2, 116)
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_DC = "{http://purl.org/dc/elements/1.1/}"


class Rights(NamedTuple):
    """Creator and copyright notice. Empty: unknown."""

    creator: str = ""
    copyright: str = ""


def kept_exif(file: BinaryIO) -> bytes:
    """The EXIF for an original's variants: creator and copyright with `METADATA = "copyright"`, else empty.

    Raises the errors of `open_image`.
    """
    if get_settings().METADATA != "copyright":
        return b""
    exif = Image.Exif()
    for tag, text in zip((_ARTIST, _COPYRIGHT), _read_rights(file), strict=True):
        if text:
            # The standard has ASCII only. Other software also writes UTF-8 for other letters.
            exif[tag] = text.encode()
    return exif.tobytes() if exif else b""


def _read_rights(file: BinaryIO) -> Rights:
    """Creator and copyright, each from EXIF, else from XMP, else from IPTC."""
    rights = Rights()
    with open_image(file, whole=False) as (image, _):
        for read in (_from_exif, _from_xmp, _from_iptc):
            try:
                more = read(image)
            except Exception:
                # Ignore broken metadata. Pillow raises many classes for it.
                continue
            rights = Rights(rights.creator or more.creator, rights.copyright or more.copyright)
    return rights


def _from_exif(image: Image.Image) -> Rights:
    if image.format == "TIFF":
        exif = image.getexif()
    else:
        # `image.getexif()` decodes the pixels of a PNG without EXIF.
        exif = Image.Exif()
        exif.load(image.info.get("exif") or b"")
    artist, notice = (_decode(exif.get(tag)) for tag in (_ARTIST, _COPYRIGHT))
    if image.format == AVIF.pillow:
        # For a rotated AVIF, Pillow writes EXIF anew, with question marks for letters beyond ASCII.
        artist, notice = ("" if "?" in text else text for text in (artist, notice))
    # Ignore bytes behind the end of a text. A notice has two texts, for photographer and editor.
    return Rights(_join(artist.split("\0")[:1]), _join(notice.split("\0")[:2]))


def _from_xmp(image: Image.Image) -> Rights:
    """`dc:creator` and `dc:rights`, as arrays of texts (ISO 16684-1 §7, §8.3)."""
    packet = image.info.get("xmp") or b""
    if len(packet) > MAX_XMP_BYTES:
        return Rights()
    parser = ElementTree.XMLParser(target=_Builder())
    root = ElementTree.fromstring(packet.rstrip(b"\0"), parser)
    # Only the image's own rights. Deeper elements may describe its ingredients.
    start = f"{_RDF}Description" if root.tag == f"{_RDF}RDF" else f"{_RDF}RDF/{_RDF}Description"
    creators, notices = (
        [item.text or "" for item in root.iterfind(f"{start}/{_DC}{name}/*/{_RDF}li")]
        for name in ("creator", "rights")
    )
    # The default language of a notice comes first.
    return Rights(_join(creators), _join(notices[:1]))


class _Builder(ElementTree.TreeBuilder):
    def doctype(self, *_: object) -> None:
        """Refuse a document type: it declares entities, for XML bombs or other files. XMP needs none."""
        raise ValueError("XMP with a document type")


def _from_iptc(image: Image.Image) -> Rights:
    # In a JPEG, IPTC has at most 64 KB. In a TIFF, reading it can take half a minute.
    if not isinstance(image, JpegImagePlugin.JpegImageFile):
        return Rights()
    fields = IptcImagePlugin.getiptcinfo(image) or {}
    values = (fields.get(data_set, b"") for data_set in (_BY_LINE, _COPYRIGHT_NOTICE))
    lists = (value if isinstance(value, list) else [value] for value in values)
    return Rights(*(_join(map(_decode, texts)) for texts in lists))


def _decode(value: object) -> str:
    """Decode a text of Pillow: bytes, or a str decoded as Latin-1. Other values count as missing.

    Files rarely name the encoding, and often a wrong one. Latin-1 is hardly ever valid UTF-8 by chance.
    """
    content = value.encode("latin-1") if isinstance(value, str) else value
    if not isinstance(content, bytes) or len(content) > MAX_TEXT_BYTES:
        return ""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _join(texts: Iterable[str]) -> str:
    return _clean("; ".join(filter(None, map(_clean, texts))))


def _clean(text: str) -> str:
    words = " ".join(text.split())
    printable = "".join(sign for sign in words if unicodedata.category(sign) != "Cc")
    return printable[:MAX_CHARACTERS].strip()
