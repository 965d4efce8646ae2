"""Find the `<img>` elements of an editor's HTML.

Python's own parser tells where each tag begins and ends. Only these parts of the text are replaced. A parser that
builds a tree would write all the rest anew. For 30 KB with 24 pictures Python's takes 4 ms, justhtml 10, html5lib 15.
"""

from __future__ import annotations

import hashlib
import logging
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, NamedTuple

from resizer.markup.html import ATTRIBUTE_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping

logger = logging.getLogger(__name__)

_HAS_IMAGE = re.compile(r"<img[\s/]", re.IGNORECASE)
#: Elements whose pictures are nobody's to change: chosen by their author, text, or not part of the page.
_CLOSED = frozenset(
    [
        "iframe",
        "math",
        "noembed",
        "noframes",
        "noscript",
        "picture",
        "svg",
        "template",
        "textarea",
        "title",
        "xmp",
    ]
)
#: In the name of an attribute, they come from a quote that is missing before.
_MISQUOTED = frozenset("\"'<=")
#: The longest `<img>` that is looked at, and the longest style of a `figure`, characters. A signed URL has up to 2,000.
_MAX_TAG, _MAX_STYLE = 8192, 500
#: How much of all texts, and of one, a process remembers: the characters of its images, and more for each.
_MAX_REMEMBERED, _MAX_REMEMBERED_OF_ONE = 1_000_000, 50_000
#: What an image and a text count at least, characters.
_LEAST = 100


class Image(NamedTuple):
    """An `<img>` in a text."""

    start: int
    end: int
    #: Names in small letters. A name without a value has None.
    attributes: Mapping[str, str | None]
    #: The style of the `figure` around it: CKEditor puts the width there.
    figure: str = ""


def find_images(text: str) -> tuple[Image, ...]:
    """The images in a text that a picture may replace, in order."""
    if not _HAS_IMAGE.search(text):
        return ()
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    images = _memory.recall(digest)
    if images is None:
        images = _parse(text)
        _memory.remember(digest, images)
    return images


class _Memory:
    """The images of texts, by the digests of the texts.

    A page prints the same text again and again, and to parse it takes longer than to make its pictures.
    """

    def __init__(self) -> None:
        self._images: dict[bytes, tuple[Image, ...]] = {}
        self._size = 0

    def recall(self, digest: bytes) -> tuple[Image, ...] | None:
        return self._images.get(digest)

    def remember(self, digest: bytes, images: tuple[Image, ...]) -> None:
        size = _LEAST + sum(_LEAST + one.end - one.start + len(one.figure) for one in images)
        if size > _MAX_REMEMBERED_OF_ONE:
            return
        if self._size + size > _MAX_REMEMBERED:
            self._images.clear()
            self._size = 0
        self._images[digest] = images
        self._size += size


_memory = _Memory()


def _parse(text: str) -> tuple[Image, ...]:
    finder = _Finder(text)
    try:
        # Without `close`: it takes quadratic time, and finds tags in what browsers drop, an unfinished tag or comment.
        finder.feed(text)
    except _Misquoted:
        pass
    except AssertionError as error:
        # Python up to 3.13.4 raises it for "<![" before an unknown word.
        logger.warning("HTML cannot be parsed, and stays as it is: %.500s", error)
        return ()
    return tuple(finder.images)


class _Misquoted(Exception):
    """A quote is missing. Browsers may see text where the parser sees tags, and the other way round."""


class _Finder(HTMLParser):
    def __init__(self, text: str) -> None:
        # Without it, the parser stops at "&#x".
        super().__init__(convert_charrefs=True)
        self.images: list[Image] = []
        self._lines = [0, *(match.end() for match in re.finditer("\n", text))]
        #: The element of `_CLOSED` that is open.
        self._closed = ""
        self._figure = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if any(not _MISQUOTED.isdisjoint(name) for name, _value in attrs):
            raise _Misquoted
        if self._closed:
            return
        if tag in _CLOSED:
            self._closed = tag
        if tag == "figure":
            self._figure = (dict(attrs).get("style") or "")[:_MAX_STYLE]
        written = self.get_starttag_text() or ""
        if tag != "img" or len(written) > _MAX_TAG:
            return
        line, offset = self.getpos()
        start = self._lines[line - 1] + offset
        attributes: dict[str, str | None] = {}
        for name, value in attrs:
            # The first of equal names counts (HTML §13.2.5.33).
            attributes.setdefault(name, value)
        if "srcset" not in attributes and all(map(ATTRIBUTE_NAME.fullmatch, attributes)):
            self.images.append(Image(start, start + len(written), attributes, self._figure))

    def handle_endtag(self, tag: str) -> None:
        if tag == self._closed:
            self._closed = ""
        if tag == "figure":
            self._figure = ""
