"""Descriptions of originals, and the states of an original in the cache.

Each original has one cache entry. It holds one of these states:

| state         | meaning                             | written after                   | kept, seconds                       |
|---------------|-------------------------------------|---------------------------------|-------------------------------------|
| `Description` | the header was read                 | reading the header or the row   | FRESH_SECONDS                       |
| … broken      | the header is good, the pixels end  | a variant has failed            | a week                              |
| `Sighted`     | the file is there, but not opened   | a request for a cached variant  | FRESH_SECONDS                       |
| `Failed`      | it cannot be described              | asking its source               | 60, or `retry_seconds` of the error |
| None          | nothing is known                    |                                 |                                     |

`resizer.originals` says how a look-up treats each state. A row of the table of originals holds a description too. If
the row has no `checked_at`, the file may have changed since.
"""

from __future__ import annotations

import functools
import hashlib
import json
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from resizer.conf import Settings, get_settings
from resizer.engines.protocol import Header, Sketch
from resizer.formats import BY_NAME, JPEG, PNG, WEBP
from resizer.keys.geometry import height_of, widest
from resizer.keys.variant import RECIPE_VERSION, Variant
from resizer.records import cache

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resizer.formats import Format
    from resizer.keys.variant import Recipe
    from resizer.models import Original

#: Part of the cache keys. Raise it with each change of `encode`, so that no release reads entries of another.
STATE_VERSION = 6


class Reference(NamedTuple):
    """The alias of a source, and the name of an original there."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """The known facts about an original."""

    reference: Reference
    #: The source's fingerprint of the file when its header was read.
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
        """The current version of variants of a recipe: 8 hexadecimal digits."""
        return version_of(self.fingerprint, recipe)

    def fallback(self, recipe: Recipe) -> Format:
        """The format for browsers without modern formats. WebP for animations, because no other fallback can move."""
        if recipe.animated:
            return WEBP
        return PNG if self.header.needs_png or not recipe.suits(JPEG) else JPEG

    def widest_offered(self, recipe: Recipe) -> int:
        """The largest width that does not enlarge, px. A listed width, if the original's own exceeds MAX_VARIANT_PIXELS."""
        settings = get_settings()
        own = widest(self.size, recipe)

        def is_made(width: int) -> bool:
            return width * height_of(width, self.size, recipe) <= settings.MAX_VARIANT_PIXELS

        if is_made(own):
            return own
        listed = (width for width in settings.listed_widths if width < own and is_made(width))
        return max(listed, default=own)

    def variant(self, recipe: Recipe, width: int, target: Format) -> Variant:
        """A variant of this width in px, in the current version."""
        return Variant(
            source=self.reference.source,
            name=self.reference.name,
            version=self.version_of(recipe),
            recipe=recipe,
            width=width,
            format=target,
            is_private=get_settings().is_private(self.reference.source),
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
        """Whether the header can be read, but no frame can be decoded."""
        return self.header.frames == 0

    @property
    def is_fresh(self) -> bool:
        """Whether its source was asked within FRESH_SECONDS."""
        return time.time() - self.checked_at < get_settings().FRESH_SECONDS

    # A plain tuple: a pickled class could not be renamed or moved.
    def encode(self) -> tuple[object, ...]:
        """The state for a cache entry."""
        header = self.header
        seen = (tuple(self.words), self.sketch and tuple(self.sketch))
        facts = (self.fingerprint, self.checked_at, header.format.name, *header[1:])
        return ("known", *seen, *facts)


class Sighted(NamedTuple):
    """Its source was asked within FRESH_SECONDS, but the file was not opened. So it has no description yet."""

    bytes: int
    fingerprint: str

    @property
    def is_fresh(self) -> bool:
        """Always true: the entry expires after FRESH_SECONDS."""
        return True

    def encode(self) -> tuple[object, ...]:
        return ("sighted", *self)


class Failed(NamedTuple):
    """It could not be described a moment ago."""

    #: The name of a class in `resizer.errors`.
    error: str
    #: The fingerprint of the file. Empty if its source did not tell one.
    fingerprint: str
    #: (width, height) of an SVG, px.
    size: tuple[int, int] | None = None

    def encode(self) -> tuple[object, ...]:
        return ("failed", *self)


State: TypeAlias = Description | Sighted | Failed | None


def is_current(state: State, version: str, recipe: Recipe) -> bool:
    """Whether a version is known to be the current one, without asking the source."""
    if isinstance(state, Description | Sighted) and state.is_fresh:
        return version_of(state.fingerprint, recipe) == version
    return False


def version_of(fingerprint: str, recipe: Recipe) -> str:
    """8 hexadecimal digits. They change with the original, and with the meaning of the recipe."""
    text = f"{_meaning(get_settings(), recipe.quality)}\n{fingerprint}"
    return hashlib.blake2s(text.encode(), digest_size=4).hexdigest()


def from_row(row: Original) -> Description | None:
    """The description in a row. None if another release wrote it, with an unknown format."""
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
    if focal is None:
        return None
    sketch = Sketch(focal, row.placeholder_color, row.placeholder_blur)
    return sketch if sketch.is_safe else None


def _point(x: int | None, y: int | None) -> Point | None:
    # Forms know the range of a percentage, but other writers need not.
    return None if x is None or y is None else (min(x, 100), min(y, 100))


def cache_key(reference: Reference) -> str:
    """The cache key of the state of an original."""
    return cache.key_of(f"original-{STATE_VERSION}", "\n".join(reference))


def decode(reference: Reference, encoded: Sequence[Any] | None) -> State:
    """Read a state back from its encoded form. None for None, and for the form of another release."""
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
        case ["failed", error, fingerprint, size]:
            return Failed(error, fingerprint, size and (size[0], size[1]))
    return None


# A cache that writes JSON gives lists.
def _decode_words(focal: Sequence[int] | None, alt: str) -> Words:
    return Words(None if focal is None else (focal[0], focal[1]), alt)


def _decode_sketch(focal: Sequence[int], color: str, blur: str) -> Sketch:
    return Sketch((focal[0], focal[1]), color, blur)


@functools.lru_cache(maxsize=256)
def _meaning(settings: Settings, quality: str | int | None) -> str:
    """The settings with an effect on the bytes of a recipe, as a text.

    Only the recipe's own quality level counts. So a change of one level leaves the URLs of all other variants alone.
    """
    numbers = settings.QUALITIES.get(str(quality or "medium"))
    return json.dumps([RECIPE_VERSION, settings.METADATA, numbers], sort_keys=True)
