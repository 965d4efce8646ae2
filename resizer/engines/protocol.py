"""The protocol of an engine."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from typing import BinaryIO

    from resizer.formats import Format
    from resizer.keys.variant import Variant


#: The pixels of the largest icon. In an icon, every pixel is visible.
TINY_PIXELS = 64 * 64
#: File size for each pixel of an original with a palette: drawings take less, photographs take 0.4 and more.
DRAWING_BYTES = 0.25
#: A longer data URI of a blurred picture is none, or holds a copyright note.
MAX_BLUR_CHARACTERS = 800
_COLOR = re.compile(r"#[0-9a-f]{6}")
_BLUR = re.compile(r"(data:image/webp;base64,[A-Za-z0-9+/]+={0,2})?")


class Header(NamedTuple):
    """Facts from an original's first bytes."""

    format: Format
    #: Upright, after applying the orientation, px.
    width: int
    height: int
    #: EXIF orientation, 1 to 8.
    orientation: int
    #: Some pixels may be transparent.
    has_alpha: bool
    #: A JPEG decoders can shrink while decoding, so that its memory is bounded.
    is_shrinkable: bool
    #: Probably a drawing, a diagram or a screenshot: the file is small for its pixels.
    is_graphic: bool
    #: At most 256 colours.
    has_palette: bool
    #: 1: a still. More: an animation.
    frames: int
    #: Size of the file.
    bytes: int

    @property
    def needs_png(self) -> bool:
        """Whether a JPEG would lose its transparency, or blur edges and save no bytes."""
        if self.has_alpha:
            return True
        pixels = self.width * self.height
        if self.format.is_for_drawings and pixels <= TINY_PIXELS:
            return True
        return self.has_palette and self.bytes < DRAWING_BYTES * pixels


class Rendered(NamedTuple):
    """The bytes of one variant."""

    content: bytes
    width: int  # px
    height: int  # px
    decode_seconds: float
    encode_seconds: float


class Sketch(NamedTuple):
    """What is seen of an original when it is first decoded."""

    #: Where a viewer looks first, percent from the left and from the top.
    focal: tuple[int, int]
    color: str  # "#rrggbb"
    #: A data URI; empty for a picture with transparency.
    blur: str

    @property
    def is_safe(self) -> bool:
        """Whether a page may print it as CSS. It may come from a broken child process, or from another writer."""
        return (
            all(0 <= one <= 100 for one in self.focal)
            and _COLOR.fullmatch(self.color) is not None
            and _BLUR.fullmatch(self.blur) is not None
            and len(self.blur) <= MAX_BLUR_CHARACTERS
        )


class Engine(Protocol):
    """Reads headers and renders variants. `read_header` and `render` read a seekable file from its start.

    Both raise UnsupportedFormat for a format not allowed or not installed, UndecodableOriginal for a broken or truncated
    file, TooMuchWork for a flood of parts, and RenderKilled if memory runs out. `render` also raises TooManyPixels for a
    variant larger than its format allows.
    """

    def can_read(self, found: Format) -> bool:
        """Whether the decoder is installed."""
        ...

    def can_write(self, target: Format) -> bool:
        """Whether the encoder is installed."""
        ...

    def read_header(self, file: BinaryIO) -> Header:
        """Read the header. Decodes no pixels."""
        ...

    def render(
        self, file: BinaryIO, header: Header, variants: Sequence[Variant]
    ) -> Generator[Rendered]:
        """Render variants of one original, in the given order.

        Variants share a decoding where possible. Each has the same pixels as if it were rendered alone.
        """
        ...
