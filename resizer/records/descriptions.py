"""What is known of an original, as a value; and how the cache and the table of originals hold it.

The cache holds one state of an original under one key, as a text that names it and its fields:

| state         | it says                                | written by                          | kept, seconds            |
|---------------|----------------------------------------|-------------------------------------|--------------------------|
| `Description` | what its header holds                  | whoever has read header or row      | FRESH_SECONDS            |
| … broken      | its header is right, its pixels end    | a request whose variant has failed  | a week                   |
| `Sighted`     | which file it is; nobody has opened it | a request for a cached variant      | FRESH_SECONDS            |
| `Failed`      | why it cannot be described             | whoever has asked its source        | 60, or as the error says |
| None          | nothing                                |                                     |                          |

A row holds a description. One without `checked_at` may be of a former file.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from resizer.conf import Settings, get_settings
from resizer.engines import Header
from resizer.formats import BY_NAME, JPEG, PNG, WEBP
from resizer.keys.geometry import height_of, widest
from resizer.keys.variant import RECIPE_VERSION, Variant
from resizer.records import cache

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resizer.formats import Format
    from resizer.keys.variant import Recipe
    from resizer.models import Original

#: Part of the cache's keys: raise it when `encode` begins to write something else, so that no release reads another's.
STATE_VERSION = 5


_COLOR = re.compile(r"#[0-9a-f]{6}")
_BLUR = re.compile(r"(data:image/webp;base64,[A-Za-z0-9+/]+={0,2})?")


class Reference(NamedTuple):
    """Which original: the alias of its source, and its name there."""

    source: str
    name: str


#: Percent from the left and from the top.
Point: TypeAlias = "tuple[int, int]"


class Words(NamedTuple):
    """What an editor says of an original, in its row."""

    focal: Point | None = None
    alt: str = ""


#: Of an original without a row, or before an editor has said anything.
NO_WORDS = Words()


class Sketch(NamedTuple):
    """What was seen when the file was first decoded."""

    #: Where a viewer looks first.
    focal: Point
    color: str  # "#rrggbb"
    #: A data URI; empty for a picture with transparency.
    blur: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What is known of an original."""

    reference: Reference
    #: What the source said of the file when its header was read.
    fingerprint: str
    header: Header
    #: When the source was last asked, POSIX seconds.
    checked_at: float
    words: Words = NO_WORDS
    #: None until the file is decoded.
    sketch: Sketch | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Upright (width, height), px."""
        return self.header.width, self.header.height

    def version_of(self, recipe: Recipe) -> str:
        """The present version of the variants of a recipe."""
        return version_of(self.fingerprint, recipe)

    def fallback(self, recipe: Recipe) -> Format:
        """The format for browsers that know no modern one; WebP where no other format can hold the recipe."""
        if recipe.animated:
            return WEBP
        return PNG if self.header.needs_png or not recipe.suits(JPEG) else JPEG

    def widest_offered(self, recipe: Recipe) -> int:
        """The largest width, px, that enlarges nothing and is not refused: the original's own, or a listed one."""
        settings = get_settings()
        own = widest(self.size, recipe)

        def is_made(width: int) -> bool:
            return width * height_of(width, self.size, recipe) <= settings.MAX_VARIANT_PIXELS

        if is_made(own):
            return own
        listed = (width for width in settings.listed_widths if width < own and is_made(width))
        return max(listed, default=own)

    def variant(self, recipe: Recipe, width: int, target: Format) -> Variant:
        """One of its variants, in its present version."""
        return Variant(
            source=self.reference.source,
            name=self.reference.name,
            version=self.version_of(recipe),
            recipe=recipe,
            width=width,
            format=target,
        )

    def offered(self, variant: Variant) -> Variant:
        """The nearest variant that a current page could request: this one, or its replacement.

        Cached pages still request former versions, widths, formats and quality levels. If these URLs failed, the pages
        would show no picture.
        """
        settings = get_settings()
        recipe = variant.recipe
        if not settings.has_quality(recipe.quality):
            recipe = replace(recipe, quality=None)
        target = variant.format
        if not settings.may_write(target, recipe):
            target = self.fallback(recipe)
        width = limit = self.widest_offered(recipe)
        if variant.width != limit:
            width = min(settings.listed_width(variant.width), limit)
        return self.variant(recipe, width, target)

    @property
    def is_broken(self) -> bool:
        """Its header can be read, its pixels cannot: no frame of it is to be seen."""
        return self.header.frames == 0

    @property
    def is_fresh(self) -> bool:
        """Whether its source was asked within FRESH_SECONDS."""
        return time.time() - self.checked_at < get_settings().FRESH_SECONDS

    # Plain tuples, because a class that is pickled cannot be renamed or moved.
    def encode(self) -> tuple[object, ...]:
        header = self.header
        seen = (tuple(self.words), self.sketch and tuple(self.sketch))
        facts = (self.fingerprint, self.checked_at, header.format.name, *header[1:])
        return ("known", *seen, *facts)


class Sighted(NamedTuple):
    """Its source was asked within FRESH_SECONDS, and nobody has opened it: it cannot be described yet."""

    bytes: int
    fingerprint: str

    @property
    def is_fresh(self) -> bool:
        """It is not remembered for longer."""
        return True

    def encode(self) -> tuple[object, ...]:
        return ("sighted", *self)


class Failed(NamedTuple):
    """It could not be described a moment ago."""

    #: The name of a class of `errors`.
    error: str
    #: Of the file that could not be described; empty where its source has not told that.
    fingerprint: str

    def encode(self) -> tuple[object, ...]:
        return ("failed", *self)


State: TypeAlias = Description | Sighted | Failed | None


def is_current(state: State, version: str, recipe: Recipe) -> bool:
    """Whether a variant's version is the present one, as far as that is known without asking the source again."""
    if isinstance(state, Description | Sighted) and state.is_fresh:
        return version_of(state.fingerprint, recipe) == version
    return False


def version_of(fingerprint: str, recipe: Recipe) -> str:
    """Eight hexadecimal digits that change with the original, and with what the recipe means."""
    text = f"{_meaning(get_settings(), recipe.quality)}\n{fingerprint}"
    return hashlib.blake2s(text.encode(), digest_size=4).hexdigest()


def from_row(row: Original) -> Description | None:
    """None for one that another release has written, in a format that this one does not know."""
    if row.format not in BY_NAME:
        return None
    checked_at = row.checked_at.timestamp() if row.checked_at else 0
    return Description(
        reference=Reference(row.source, row.name),
        fingerprint=row.fingerprint,
        header=Header(
            format=BY_NAME[row.format],
            width=row.width,
            height=row.height,
            orientation=row.orientation,
            has_alpha=row.has_alpha,
            is_shrinkable=row.is_shrinkable,
            is_graphic=row.is_graphic,
            has_palette=row.has_palette,
            frames=row.frames,
            bytes=row.bytes,
        ),
        checked_at=checked_at,
        words=Words(_point(row.focal_x, row.focal_y), row.alt),
        sketch=_sketch(row),
    )


def _sketch(row: Original) -> Sketch | None:
    focal = _point(row.auto_focal_x, row.auto_focal_y)
    # They are printed as CSS.
    if (
        focal is None
        or not _COLOR.fullmatch(row.placeholder_color)
        or not _BLUR.fullmatch(row.placeholder_blur)
    ):
        return None
    return Sketch(focal, row.placeholder_color, row.placeholder_blur)


def _point(x: int | None, y: int | None) -> Point | None:
    # Forms know the range of a percentage, but other writers need not.
    return None if x is None or y is None else (min(x, 100), min(y, 100))


def cache_key(reference: Reference) -> str:
    """Under which key the cache holds the state of an original."""
    return cache.key_of(f"original-{STATE_VERSION}", "\n".join(reference))


def decode(reference: Reference, encoded: Sequence[Any] | None) -> State:
    """Read back what a state's `encode` wrote; None for nothing, and for another release's format."""
    match encoded:
        case ["known", words, sketch, fingerprint, checked_at, format_name, *rest] if (
            format_name in BY_NAME
        ):
            return Description(
                words=_decode_words(*words),
                sketch=sketch and _decode_sketch(*sketch),
                reference=reference,
                fingerprint=fingerprint,
                checked_at=checked_at,
                header=Header(BY_NAME[format_name], *rest),
            )
        case ["sighted", *stat]:
            return Sighted(*stat)
        case ["failed", error, fingerprint]:
            return Failed(error, fingerprint)
    return None


# A cache that writes JSON gives lists.
def _decode_words(focal: Sequence[int] | None, alt: str) -> Words:
    return Words(None if focal is None else (focal[0], focal[1]), alt)


def _decode_sketch(focal: Sequence[int], color: str, blur: str) -> Sketch:
    return Sketch((focal[0], focal[1]), color, blur)


@functools.lru_cache(maxsize=256)
def _meaning(settings: Settings, quality: str | int | None) -> str:
    """What the bytes of a recipe depend on beside the original, as a text.

    Of the levels only the recipe's own counts: a new level leaves the URLs of all other variants alone.
    """
    numbers = settings.QUALITIES.get(str(quality or "medium"))
    return json.dumps([RECIPE_VERSION, settings.METADATA, numbers], sort_keys=True)
