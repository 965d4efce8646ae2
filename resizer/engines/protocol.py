"""What an engine can do."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from typing import BinaryIO

    from resizer.formats import Format
    from resizer.keys.variant import Variant


#: A picture of no more is an icon, of which each pixel is seen, px.
TINY_PIXELS = 64 * 64
#: A palette of less for a pixel is a drawing; photographs in one take 0.4 and more.
DRAWING_BYTES = 0.25


class Header(NamedTuple):
    """What the first bytes of an original tell."""

    format: Format
    #: Upright, as a viewer sees it, px.
    width: int
    height: int
    #: EXIF orientation, 1 to 8.
    orientation: int
    #: It may have transparent pixels.
    has_alpha: bool
    #: A JPEG that can be decoded at a fraction of its size, so that its memory is bounded.
    is_shrinkable: bool
    #: A drawing, a diagram or a screenshot, to judge by how few bytes hold it.
    is_graphic: bool
    #: It has no more than 256 colours.
    has_palette: bool
    #: More than one move.
    frames: int
    #: The length of the file.
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


class Engine(Protocol):
    """Reads headers and makes variants. Both methods read a seekable file from its start.

    Raises UnsupportedFormat for what it is not told to open, UndecodableOriginal for what is broken
    or truncated, TooMuchWork for what would keep a decoder busy, TooManyPixels for a variant beyond its format.
    """

    def can_read(self, found: Format) -> bool:
        """Whether the decoder is there."""
        ...

    def can_write(self, target: Format) -> bool:
        """Whether the encoder is there."""
        ...

    def read_header(self, file: BinaryIO) -> Header:
        """Decodes no pixel."""
        ...

    def render(
        self, file: BinaryIO, header: Header, variants: Sequence[Variant]
    ) -> Generator[Rendered]:
        """Make variants of one original, in their order.

        Those that can share a decoding do, and each is the same picture as when it is asked for alone.
        """
        ...
