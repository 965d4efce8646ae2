"""What gets out of an original beside its pixels: nothing, or who made it and whose it is."""

from __future__ import annotations

import io
import re
import struct
import zlib
from typing import TYPE_CHECKING, Any

import pillow_heif
import pytest
import pyvips
from PIL import Image, ImageCms, IptcImagePlugin, PngImagePlugin, TiffImagePlugin, TiffTags

from resizer.formats import JPEG, PNG, WEBP
from tests.engines.rendering import WRITTEN, render, render_one, variant
from tests.pictures import decode, draw, encode, photograph

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_django import Settings

    from resizer.engines import Engine
    from resizer.formats import Format

ARTIST, COPYRIGHT = 0x013B, 0x8298
RIGHTS = {ARTIST: "kept-creator", COPYRIGHT: "kept-copyright"}

#: Every way in which a variant is encoded.
VARIANTS = [
    *(variant(32, target) for target in WRITTEN),
    *(variant(32, target, quality="lossless") for target in (PNG, WEBP)),
    variant(32, WEBP, animated=True),
    variant(32, WEBP, animated=True, quality="lossless"),
]


@pytest.fixture(autouse=True)
def extra(settings: Settings) -> None:
    settings.RESIZER = {"EXTRA_FORMATS": ["heic", "tiff"]}


@pytest.fixture
def copyright_kept(settings: Settings, extra: None) -> None:
    settings.RESIZER = {**settings.RESIZER, "METADATA": "copyright"}


# What is planted. Every place has a text of its own, which begins with "leak-" unless it is one that may be kept.


def exif_of(tags: dict[int, Any]) -> bytes:
    exif = Image.Exif()
    exif.update(tags)
    return exif.tobytes()


def full_exif() -> bytes:
    """EXIF with everything that a camera knows, and a thumbnail."""
    exif = Image.Exif()
    exif.update(RIGHTS)
    exif.update({0x010E: "leak-description", 0x010F: "leak-make", 0x0110: "leak-model"})
    exif.update({0x0131: "leak-software", 0x0132: "leak-date", 0x013C: "leak-computer"})
    exif[0x9C9D] = "leak-author".encode("utf-16-le")
    exif.get_ifd(0x8825).update({1: "N", 2: (50.0, 5.0, 7.0), 27: b"leak-gps"})
    details = {0x927C: b"leak-maker-note", 0x9286: b"ASCII\0\0\0leak-user-comment"}
    exif.get_ifd(0x8769).update({**details, 0xA431: "leak-serial", 0xA430: "leak-owner"})
    content = exif.tobytes()
    tiff = content[6:]
    thumbnail = photograph((32, 24), comment=b"leak-thumbnail")
    second = len(tiff)
    place = second + 2 + 2 * 12 + 4
    directory = struct.pack(">H", 2)
    directory += struct.pack(">HHII", 0x0201, 4, 1, place)
    directory += struct.pack(">HHII", 0x0202, 4, 1, len(thumbnail)) + bytes(4)
    (count,) = struct.unpack_from(">H", tiff, 8)
    link = 10 + 12 * count
    tiff = tiff[:link] + struct.pack(">I", second) + tiff[link + 4 :]
    return b"Exif\0\0" + tiff + directory + thumbnail


def xmp_of(creators: list[str], rights: list[str], more: str = "") -> bytes:
    creator, notice = (
        "".join(f"<rdf:li>{text}</rdf:li>" for text in texts) for texts in (creators, rights)
    )
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:p="urn:p">'
        f"<dc:creator><rdf:Seq>{creator}</rdf:Seq></dc:creator>"
        f"<dc:rights><rdf:Alt>{notice}</rdf:Alt></dc:rights>{more}"
        '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


def full_xmp(creator: str = "leak-xmp-creator", notice: str = "leak-xmp-copyright") -> bytes:
    return xmp_of([creator], [notice], "<p:place>leak-xmp-place</p:place>")


def iptc_of(*fields: tuple[int, bytes]) -> bytes:
    return b"".join(
        struct.pack(">BBBH", 0x1C, 2, number, len(text)) + text for number, text in fields
    )


def photoshop(iptc: bytes) -> bytes:
    """A segment APP13."""
    resources = [(0x0404, iptc), (0x0409, b"leak-resource")]
    content = b"Photoshop 3.0\0"
    for number, data in resources:
        content += struct.pack(">4sHxxI", b"8BIM", number, len(data)) + data + bytes(len(data) % 2)
    return segment(0xED, content)


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, 2 + len(content)) + content


def with_segments(jpeg: bytes, *segments: bytes) -> bytes:
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def profile() -> bytes:
    """sRGB, with a description of its own."""
    content = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    old, new = ("".join(text).encode("utf-16-be") for text in ("sRGB built-in", "leak-profile."))
    assert old in content
    return content.replace(old, new)


def chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


HTML = b"*/--><script>alert('leak-html')</script><!--"
#: They all move, so that they are rendered as animations as well.
MOVING: dict[str, Any] = {"save_all": True, "append_images": [draw((64, 48)).rotate(180)]}


def full_jpeg() -> bytes:
    content = encode(
        draw((64, 48)), exif=full_exif(), xmp=full_xmp(), comment=HTML, icc_profile=profile()
    )
    iptc = iptc_of((80, b"leak-by-line"), (116, b"leak-notice"), (120, b"leak-caption"))
    segments = [segment(0xEB, b"JP\0\1leak-jumbf"), segment(0xEF, b"leak-segment")]
    return with_segments(content, photoshop(iptc), *segments) + b"leak-end"


def full_gif() -> bytes:
    content = encode(draw((64, 48)), "GIF", comment=HTML, **MOVING)
    place = content.index(b"!")
    # Adobe's "magic trailer" ends the text: every byte of it leads a decoder of blocks to its end.
    trailer = b"\1" + bytes(range(255, -1, -1)) + b"\0"
    xmp = b"!\xff\x0bXMP DataXMP" + full_xmp() + trailer
    application = b"!\xff\x0bleak-app1.0\x0dleak-app-data\0"
    text = b"!\1\x0c" + bytes(12) + b"\x0fleak-plain-text\0"
    return content[:place] + application + xmp + text + content[place:] + b"leak-end"


def full_png() -> bytes:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Comment", HTML.decode())
    texts.add_text("leak-keyword", "leak-text")
    texts.add_text("Description", "leak-packed", zip=True)
    texts.add_itxt("Title", "leak-international", "en", "leak-translated")
    texts.add_itxt("Warning", "leak-packed-international", zip=True)
    texts.add_itxt("XML:com.adobe.xmp", full_xmp().decode())
    # Names of what Pillow knows of a picture.
    texts.add_text("photoshop", "leak-photoshop")
    texts.add_text("comment", "leak-comment")
    content = encode(
        draw((64, 48)), "PNG", exif=full_exif(), icc_profile=profile(), pnginfo=texts, **MOVING
    )
    place = content.index(b"iCCP") - 4
    (length,) = struct.unpack_from(">I", content, place)
    named = chunk(b"iCCP", b"leak-profile-name\0\0" + zlib.compress(profile()))
    content = content[:place] + named + content[place + 12 + length :]
    late = chunk(b"tEXt", b"Author\0leak-late") + chunk(b"prVt", b"leak-private")
    return content[:-12] + late + content[-12:] + b"leak-end"


def full_webp() -> bytes:
    content = encode(
        draw((64, 48)), "WEBP", exif=full_exif(), xmp=full_xmp(), icc_profile=profile(), **MOVING
    )
    content += b"LEAK" + struct.pack("<I", 10) + b"leak-chunk"
    return content[:4] + struct.pack("<I", len(content) - 8) + content[8:] + b"leak-end"


def full_avif() -> bytes:
    content = encode(
        draw((64, 48)), "AVIF", exif=full_exif(), xmp=full_xmp(), icc_profile=profile(), **MOVING
    )
    return content + struct.pack(">I4s", 16, b"free") + b"leak-end"


def full_tiff() -> bytes:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, text in {**RIGHTS, 270: "leak-description", 305: "leak-software"}.items():
        tags[tag] = text
    for tag, content in {700: full_xmp(), 33723: b"leak-iptc", 34377: b"leak-photoshop"}.items():
        tags[tag], tags.tagtype[tag] = content, TiffTags.BYTE
    return encode(draw((64, 48)), "TIFF", tiffinfo=tags, icc_profile=profile()) + b"leak-end"


def full_heic() -> bytes:
    output = io.BytesIO()
    image = draw((64, 48))
    image.info["icc_profile"] = profile()
    pillow_heif.from_pillow(image).save(output, format="HEIF", exif=full_exif(), xmp=full_xmp())
    return output.getvalue() + struct.pack(">I4s", 16, b"free") + b"leak-end"


CAMERA = (
    "leak-description|leak-make|leak-model|leak-software|leak-date|leak-computer|leak-author|leak-gps|leak-maker-note|"
    "leak-user-comment|leak-serial|leak-owner|leak-thumbnail|leak-profile|"
)
XMP = "leak-xmp-creator|leak-xmp-copyright|leak-xmp-place|"
#: Each with what is in it beside creator and copyright.
FULL = {
    full_avif: CAMERA + XMP + "leak-end",
    full_gif: XMP + "leak-html|leak-app-data|leak-plain-text|leak-end",
    full_heic: CAMERA + XMP + "leak-end",
    full_jpeg: (
        CAMERA
        + XMP
        + "leak-html|leak-by-line|leak-notice|leak-caption|leak-resource|leak-jumbf|leak-segment|leak-end"
    ),
    full_png: (
        CAMERA
        + XMP
        + "leak-profile-name|leak-html|leak-keyword|leak-text|leak-packed|leak-international|"
        "leak-translated|leak-packed-international|leak-photoshop|leak-comment|leak-late|leak-private|leak-end"
    ),
    full_tiff: (
        XMP + "leak-description|leak-software|leak-iptc|leak-photoshop|leak-profile|leak-end"
    ),
    full_webp: CAMERA + XMP + "leak-chunk|leak-end",
}
#: XMP of a GIF is not read.
KEPT = dict.fromkeys(FULL, RIGHTS) | {full_gif: {}}
each_original = pytest.mark.parametrize("make", FULL, ids=lambda make: make.__name__)
each_target = pytest.mark.parametrize("target", WRITTEN, ids=lambda target: target.name)


def planted(content: bytes) -> str:
    """A file in any spelling, and what is packed in it, unpacked."""
    parts = [content, *inflated(content)]
    for part in list(parts):
        # UTF-16, of either order and at any place.
        parts += [part[::2], part[1::2]]
    return b"\n".join(parts).decode("latin-1")


def inflated(content: bytes) -> list[bytes]:
    parts = []
    for match in re.finditer(rb"\x78[\x01\x5e\x9c\xda]", content):
        try:
            parts.append(zlib.decompressobj().decompress(content[match.start() :], 1_000_000))
        except zlib.error:
            continue
    return parts


def tags_of(content: bytes) -> dict[int, str]:
    """All of EXIF but what libvips says about the variant itself; Pillow takes it for Latin-1."""
    image = decode(content)
    exif = image.getexif()
    width, height = image.size
    of_variant = {0x0112: 1, 0x011A: 72, 0x011B: 72, 0x0128: 2, 0x8769: exif.get(0x8769)}
    tags = {tag: value for tag, value in exif.items() if of_variant.get(tag) != value}
    details = {0x9000: b"0210", 0xA000: b"0100", 0xA001: 65535, 0xA002: width, 0xA003: height}
    assert exif.get_ifd(0x8769) in ({}, details)
    assert exif.get_ifd(1) == exif.get_ifd(0x8825) == {}
    return {tag: value.encode("latin-1").decode() for tag, value in tags.items()}


def rights_of(engine: Engine, content: bytes) -> tuple[str | None, str | None]:
    (rendered,) = render(engine, content, variant(32, JPEG))
    tags = tags_of(rendered.content)
    assert set(tags) <= {ARTIST, COPYRIGHT}
    return tags.get(ARTIST), tags.get(COPYRIGHT)


def jpeg(*segments: bytes, **options: Any) -> bytes:
    return with_segments(photograph((64, 48), **options), *segments)


@each_original
def test_nothing_gets_out(engine: Engine, make: Callable[[], bytes]) -> None:
    content = make()
    for place in (*FULL[make].split("|"), *KEPT[make].values()):
        assert place in planted(content), place
    for wanted, rendered in zip(VARIANTS, render(engine, content, *VARIANTS), strict=True):
        assert not re.findall("leak|kept|Leak|Kept", planted(rendered.content)), wanted
        image = decode(rendered.content)
        assert not image.getexif()
        assert not {"exif", "xmp", "icc_profile", "comment", "photoshop"} & set(image.info)


@pytest.mark.usefixtures("copyright_kept")
@each_original
def test_only_creator_and_copyright_get_out(engine: Engine, make: Callable[[], bytes]) -> None:
    for wanted, rendered in zip(VARIANTS, render(engine, make(), *VARIANTS), strict=True):
        assert tags_of(rendered.content) == KEPT[make], wanted
        assert "leak" not in planted(rendered.content), wanted
        image = decode(rendered.content)
        assert not {"xmp", "icc_profile", "comment", "photoshop"} & set(image.info)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P"])
def test_pixels_are_the_same_with_copyright(engine: Engine, settings: Settings, mode: str) -> None:
    first = draw((64, 48), "RGBA" if mode == "P" else mode).convert(mode)
    options = {"save_all": True, "append_images": [first.rotate(180)]}
    content = encode(first, "PNG", exif=exif_of(RIGHTS), **options)
    plain = render(engine, content, *VARIANTS)
    settings.RESIZER = {"METADATA": "copyright"}
    kept = render(engine, content, *VARIANTS)
    for wanted, one, other in zip(VARIANTS, plain, kept, strict=True):
        assert one.content != other.content
        assert (one.width, one.height) == (other.width, other.height)
        images: list[Any] = [decode(rendered.content) for rendered in (one, other)]
        assert images[0].mode == images[1].mode, wanted
        for frame in range(getattr(images[0], "n_frames", 1)):
            for image in images:
                image.seek(frame)
            assert images[0].tobytes() == images[1].tobytes(), wanted


LONG = {"exif": exif_of({ARTIST: "a" * 1000})}
CLEAR = draw((64, 48), "RGBA").quantize(16)


@each_target
@pytest.mark.parametrize("animated", [False, True])
@pytest.mark.parametrize(
    "content",
    [encode(draw((64, 48)), "WEBP", quality=2, **LONG, **MOVING), encode(CLEAR, "PNG", **LONG)],
    ids=["webp", "palette"],
)
def test_copyright_of_a_small_file_costs_no_quality(
    engine: Engine, settings: Settings, content: bytes, target: Format, animated: bool
) -> None:
    wanted = variant(64, WEBP if animated else target, quality="high", animated=animated)
    plain = render_one(engine, content, wanted)
    settings.RESIZER = {"METADATA": "copyright"}
    kept = render_one(engine, content, wanted)
    assert kept.mode == plain.mode
    assert kept.tobytes() == plain.tobytes()
    assert ARTIST in kept.getexif()


@pytest.mark.usefixtures("copyright_kept")
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@each_target
def test_other_software_reads_the_copyright(engine: Engine, target: Format, mode: str) -> None:
    content = encode(draw((64, 48), mode), "PNG", exif=exif_of(RIGHTS))
    (rendered,) = render(engine, content, variant(32, target))
    image = pyvips.Image.new_from_buffer(rendered.content, "", fail_on="warning")
    assert image.get("exif-ifd0-Artist").startswith("kept-creator")
    assert image.get("exif-ifd0-Copyright").startswith("kept-copyright")
    assert image.avg() > 0


@each_target
@pytest.mark.parametrize("kept", ["none", "copyright"])
def test_resolution_of_the_original_does_not_get_out(
    engine: Engine, settings: Settings, target: Format, kept: str
) -> None:
    settings.RESIZER = {"METADATA": kept}
    content = encode(draw((64, 48)), "PNG", dpi=(301, 301), exif=exif_of(RIGHTS))
    (rendered,) = render(engine, content, variant(32, target))
    assert round(decode(rendered.content).info.get("dpi", (72, 72))[0]) == 72


NAMES = ("Zoë Müller", "© 2026 山田太郎")


@pytest.mark.usefixtures("copyright_kept")
@each_target
@pytest.mark.parametrize(
    "content",
    [
        jpeg(exif=exif_of({ARTIST: NAMES[0].encode(), COPYRIGHT: NAMES[1].encode()})),
        jpeg(xmp=xmp_of([NAMES[0]], [NAMES[1]])),
        jpeg(photoshop(iptc_of((80, NAMES[0].encode()), (116, NAMES[1].encode())))),
    ],
    ids=["exif", "xmp", "iptc"],
)
def test_copyright_is_kept_from_each_place(engine: Engine, target: Format, content: bytes) -> None:
    (rendered,) = render(engine, content, variant(32, target))
    assert tags_of(rendered.content) == dict(zip((ARTIST, COPYRIGHT), NAMES, strict=True))


@pytest.mark.usefixtures("copyright_kept")
def test_exif_goes_before_xmp_and_that_before_iptc(engine: Engine) -> None:
    exif = {"exif": exif_of({ARTIST: "exif", COPYRIGHT: "exif"})}
    xmp = {"xmp": xmp_of(["xmp"], ["xmp"])}
    iptc = photoshop(iptc_of((80, b"iptc"), (116, b"iptc")))
    assert rights_of(engine, jpeg(iptc, **exif, **xmp)) == ("exif", "exif")
    assert rights_of(engine, jpeg(iptc, **xmp)) == ("xmp", "xmp")
    assert rights_of(engine, jpeg(iptc)) == ("iptc", "iptc")


@pytest.mark.usefixtures("copyright_kept")
def test_creator_and_copyright_may_come_from_different_places(engine: Engine) -> None:
    xmp = xmp_of(["xmp"], [" "])
    iptc = photoshop(iptc_of((80, b"iptc"), (116, b"iptc")))
    content = jpeg(iptc, exif=exif_of({ARTIST: b"  \0", COPYRIGHT: ""}), xmp=xmp)
    assert rights_of(engine, content) == ("xmp", "iptc")


@pytest.mark.usefixtures("copyright_kept")
def test_one_of_the_two_is_kept_alone(engine: Engine) -> None:
    assert rights_of(engine, jpeg(exif=exif_of({COPYRIGHT: "Zoë".encode()}))) == (None, "Zoë")
    assert rights_of(engine, jpeg(exif=exif_of({ARTIST: "Bo"}))) == ("Bo", None)


@pytest.mark.usefixtures("copyright_kept")
@each_target
def test_picture_that_says_nothing_has_no_exif(engine: Engine, target: Format) -> None:
    (rendered,) = render(engine, jpeg(exif=exif_of({0x0110: "camera"})), variant(32, target))
    assert "exif" not in decode(rendered.content).info


@pytest.mark.usefixtures("copyright_kept")
@each_target
def test_picture_that_was_turned_says_so_no_more(engine: Engine, target: Format) -> None:
    content = jpeg(exif=exif_of({**RIGHTS, 0x0112: 6}))
    (rendered,) = render(engine, content, variant(32, target))
    assert decode(rendered.content).size == (rendered.width, rendered.height) == (32, 43)
    assert tags_of(rendered.content) == RIGHTS


@pytest.mark.usefixtures("copyright_kept")
def test_letters_that_are_lost_of_an_avif_that_boxes_turn_are_no_name(engine: Engine) -> None:
    exif = Image.Exif()
    exif.update({ARTIST: NAMES[0].encode(), COPYRIGHT: "kept-copyright", 0x0112: 6})
    content = encode(draw((64, 48)), "AVIF", exif=exif)
    assert b"Zo??" in decode(content).info["exif"]
    assert rights_of(engine, content) == (None, "kept-copyright")


@pytest.mark.usefixtures("copyright_kept")
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [1, 2, 7])
def test_exif_of_either_byte_order_and_type(engine: Engine, order: str, kind: int) -> None:
    text = NAMES[0].encode()
    exif = b"Exif\0\0" + (b"II*\0" if order == "<" else b"MM\0*")
    exif += struct.pack(f"{order}IHHHIII", 8, 1, ARTIST, kind, len(text), 26, 0) + text
    assert rights_of(engine, jpeg(segment(0xE1, exif))) == (NAMES[0], None)


@pytest.mark.usefixtures("copyright_kept")
@pytest.mark.parametrize("order", ["II", "MM"])
def test_copyright_of_a_tiff_of_either_byte_order(engine: Engine, order: str) -> None:
    tags = TiffImagePlugin.ImageFileDirectory_v2(prefix=order.encode())
    tags[ARTIST] = "kept-creator"
    content = encode(draw((64, 48)), "TIFF", tiffinfo=tags)
    assert rights_of(engine, content) == ("kept-creator", None)


@pytest.mark.usefixtures("copyright_kept")
def test_iptc_of_a_tiff_is_not_read(engine: Engine) -> None:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[33723], tags.tagtype[33723] = iptc_of((80, b"Ann")), TiffTags.UNDEFINED
    content = encode(draw((64, 48)), "TIFF", tiffinfo=tags)
    assert IptcImagePlugin.getiptcinfo(decode(content)) == {(2, 80): b"Ann"}  # type: ignore[arg-type]  # a file
    assert rights_of(engine, content) == (None, None)


@pytest.mark.usefixtures("copyright_kept")
@pytest.mark.parametrize("packed", [False, True])
def test_xmp_of_a_png_may_be_packed(engine: Engine, packed: bool) -> None:
    xmp = xmp_of([NAMES[0]], [NAMES[1]])
    text = b"XML:com.adobe.xmp\0" + bytes([packed, 0]) + b"\0\0"
    added = chunk(b"iTXt", text + (zlib.compress(xmp) if packed else xmp))
    content = encode(draw((64, 48)), "PNG")
    assert rights_of(engine, content[:33] + added + content[33:]) == NAMES


@pytest.mark.usefixtures("copyright_kept")
@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("Zoë".encode("latin-1"), "Zoë"),
        (b"Ann\0hidden", "Ann"),
        (b"  Ann \r\n\t Lee  ", "Ann Lee"),
        (b"A\x01nn\x7f\xc2\x9b L\x1bee", "Ann Lee"),
        (b"<script>Ann</script>", "<script>Ann</script>"),
        (b"\0Ann", None),
        (b"\x01\x02", None),
    ],
)
def test_texts_are_cleaned(engine: Engine, raw: bytes, expected: str | None) -> None:
    assert rights_of(engine, jpeg(exif=exif_of({ARTIST: raw}))) == (expected, None)


@pytest.mark.usefixtures("copyright_kept")
@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"Photographer\0Editor\0hidden", "Photographer; Editor"),
        (b" \0Editor", "Editor"),
    ],
)
def test_copyright_of_photographer_and_editor(engine: Engine, raw: bytes, expected: str) -> None:
    assert rights_of(engine, jpeg(exif=exif_of({COPYRIGHT: raw}))) == (None, expected)


@pytest.mark.usefixtures("copyright_kept")
@pytest.mark.parametrize(
    "content",
    [
        jpeg(xmp=xmp_of(["Ann", "<p:empty/>", "Bo &amp; Co"], ["default", "autre"])),
        jpeg(
            photoshop(
                iptc_of((80, b"Ann"), (5, b"title"), (80, b""), (80, b"Bo & Co"), (116, b"default"))
            ),
        ),
    ],
    ids=["xmp", "iptc"],
)
def test_several_creators_are_one_text(engine: Engine, content: bytes) -> None:
    assert rights_of(engine, content) == ("Ann; Bo & Co", "default")


@pytest.mark.usefixtures("copyright_kept")
@each_target
def test_texts_are_bounded(engine: Engine, target: Format) -> None:
    content = jpeg(exif=exif_of({ARTIST: b"a" * 30_000, COPYRIGHT: "é".encode() * 15_000}))
    (rendered,) = render(engine, content, variant(32, target))
    assert tags_of(rendered.content) == {ARTIST: "a" * 1000, COPYRIGHT: "é" * 1000}


@pytest.mark.usefixtures("copyright_kept")
def test_those_of_what_a_picture_is_made_of_are_not_its_own(engine: Engine) -> None:
    other = "<dc:creator><rdf:Seq><rdf:li>Bo</rdf:li></rdf:Seq></dc:creator>"
    deeper = f"<p:parts><rdf:Bag><rdf:li>{other}</rdf:li></rdf:Bag></p:parts>"
    xmp = xmp_of(["Ann<p:x>hidden</p:x>"], [], deeper)
    beside = f'<p:part xmlns:p="urn:p" xmlns:dc="http://purl.org/dc/elements/1.1/">{other}</p:part>'
    xmp = xmp.replace(b"<rdf:Description", beside.encode() + b"<rdf:Description", 1)
    assert rights_of(engine, jpeg(xmp=xmp)) == ("Ann", None)


@pytest.mark.usefixtures("copyright_kept")
def test_xmp_without_its_outermost_element(engine: Engine) -> None:
    bare = re.sub(rb"</?x:xmpmeta.*?>", b"", xmp_of(["Ann"], []))
    assert rights_of(engine, jpeg(xmp=bare + bytes(20))) == ("Ann", None)


def bomb(declaration: str, text: str) -> bytes:
    packet = xmp_of([text], ["harmless"])
    return packet.replace(b"<x:xmpmeta", f"<!DOCTYPE x [{declaration}]><x:xmpmeta".encode(), 1)


LAUGHS = "<!ENTITY a0 'ha'>" + "".join(
    f"<!ENTITY a{level} '{f'&a{level - 1};' * 10}'>" for level in range(1, 10)
)
CUT = exif_of(RIGHTS)
HUGE = struct.pack(">HHII", ARTIST, 2, 0xFFFF_FFF0, 26)


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of broken EXIF
@pytest.mark.usefixtures("copyright_kept")
@pytest.mark.parametrize(
    "content",
    [
        jpeg(exif=CUT[:-20]),
        jpeg(exif=CUT[:22]),
        jpeg(exif=CUT[:12]),
        jpeg(exif=b"Exif\0\0"),
        jpeg(exif=b"Exif\0\0nonsense"),
        jpeg(exif=b"Exif\0\0MM\0*" + struct.pack(">I", 0xFFFF_FFFF)),
        jpeg(exif=b"Exif\0\0MM\0*" + struct.pack(">IH", 8, 0xFFFF)),
        jpeg(exif=b"Exif\0\0MM\0*" + struct.pack(">IH", 8, 1) + HUGE + b"text"),
        jpeg(exif=b"Exif\0\0MM\0*" + struct.pack(">IHHHIII", 8, 1, ARTIST, 3, 1, 0x41420000, 0)),
        jpeg(xmp=b"nonsense"),
        jpeg(xmp=xmp_of(["Ann"], [])[:-40]),
        jpeg(xmp=xmp_of(["Ann &undeclared;"], [])),
        jpeg(xmp=b'<?xml version="1.0" encoding="nonsense"?><a/>'),
        jpeg(xmp=xmp_of(["Ann \ufeff"], []).replace(b"Ann", b"\xff\xfe")),
        jpeg(xmp=bomb(LAUGHS, "&a9;")),
        jpeg(xmp=bomb("<!ENTITY file SYSTEM 'file:///etc/hostname'>", "&file;")),
        jpeg(xmp=bomb("", "Ann")),
        jpeg(xmp=b'<x:xmpmeta xmlns:x="adobe:ns:meta/">' + b"<a>" * 20_000),
        jpeg(photoshop(b"nonsense")),
        jpeg(photoshop(iptc_of((80, b"Ann"), (80, b"Bo"))[:-3])),
        jpeg(photoshop(b"\x1c\2\x50\x80\4\0\0\0\3Ann" + b"a" * 40_000)),
        jpeg(segment(0xED, b"Photoshop 3.0\0008BIM\4\4\0\0\0\0\0\x09Ann")),
        encode(draw((64, 48)), "WEBP", xmp=xmp_of(["Ann" * 400_000], [])),
        encode(draw((64, 48)), "WEBP", exif=exif_of({ARTIST: b"a" * 70_000})),
        jpeg(photoshop(iptc_of((80, b""), (116, b""), (116, b"")))),
        encode(draw((64, 48)), "AVIF"),
        encode(draw((64, 48)), "PNG")[:33]
        + chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0nonsense")
        + chunk(b"iTXt", b"XML:com.adobe.xmp\0")
        + chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(b" " * 1_000_001))
        + encode(draw((64, 48)), "PNG")[33:],
    ],
)
def test_broken_metadata_does_not_break_the_picture(engine: Engine, content: bytes) -> None:
    assert render_one(engine, content, variant(32)).size == (32, 24)
    assert rights_of(engine, content) == (None, None)
