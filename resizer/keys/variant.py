"""Variants and their keys: `Recipe`, `Variant`, `write_key`, `parse_key`.

key     = ["_" ["private."] source "/"] name "/" version "-" signature "/" [recipe "/"] width "." extension
recipe  = op *("," op)          each op once, in the order of OPS; absent for the default recipe
op      = ratio | fit | focal | quality | linear | animated

    photos/2026/annapurna.jpg/5d41402a-nFGBozSE6GBqnk/7x3/640.avif

A key is the path of a variant, the same in the URL and in the storage. It consists of A-Z a-z 0-9 / _ . , = - only, because
proxies spell other characters differently. `names.py` spells other characters of a name. The key of a private variant
is no URL: see `links/private.py`.
"""

from __future__ import annotations

import functools
import math
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from resizer.errors import InvalidOption
from resizer.formats import BY_EXTENSION, Format
from resizer.keys.names import escape_name, unescape_name

if TYPE_CHECKING:
    from collections.abc import Callable

#: Part of every version. Raise it if a change makes the same recipe give other pixels.
RECIPE_VERSION = 3

DEFAULT_SOURCE = "default"
#: The beginning of all keys of private variants. No alias of a source has a dot.
PRIVATE = "_private."
#: Limit of S3.
MAX_KEY_BYTES = 1024
MAX_RATIO_SIDE = 99_999
CENTRE = (50, 50)
#: A quality: encode the resized pixels exactly.
LOSSLESS = "lossless"
#: A quality: as much as each variant needs to look good.
AUTO = "auto"


class Fit(StrEnum):
    """How to fit an original into another ratio: CSS `object-fit` (CSS Images 3 §5.5)."""

    COVER = "cover"
    FILL = "fill"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """The changes to an original, without a size.

    One spelling for one meaning: options without an effect are dropped, and the ratio is reduced.
    Raises InvalidOption for values out of range.
    """

    #: (width, height), reduced; None keeps the original's.
    ratio: tuple[int, int] | None = None
    fit: Fit = Fit.COVER
    #: The point to keep in view when cropping, (x, y) in percent of the original.
    focal: tuple[int, int] = CENTRE
    #: A level of `QUALITIES`, LOSSLESS, AUTO, or a number from 1 to 100 on the encoder's own scale. None: "medium".
    quality: str | int | None = None
    #: Resize in linear light. Keeps the brightness of fine texture, at a higher cost.
    linear: bool = False
    #: Keep an animation animated.
    animated: bool = False

    def __post_init__(self) -> None:
        if self.ratio is not None:
            divisor = math.gcd(*self.ratio) or 1
            reduced = tuple(side // divisor for side in self.ratio)
            if not all(1 <= side <= MAX_RATIO_SIDE for side in reduced):
                raise InvalidOption(f"ratio {self.ratio!r}: sides are 1 to {MAX_RATIO_SIDE}")
            object.__setattr__(self, "ratio", reduced)
        else:
            object.__setattr__(self, "fit", Fit.COVER)
        across, down = self.focal
        if not (0 <= across <= 100 and 0 <= down <= 100):
            raise InvalidOption(f"focal {self.focal!r}: two percentages from 0 to 100")
        if self.ratio is None or self.fit is not Fit.COVER:
            object.__setattr__(self, "focal", CENTRE)
        if isinstance(self.quality, int) and not 1 <= self.quality <= 100:
            raise InvalidOption(f"quality {self.quality!r}: a level, or a number from 1 to 100")
        if self.quality == "medium":
            object.__setattr__(self, "quality", None)

    def suits(self, target: Format) -> bool:
        """Whether a format can hold this recipe."""
        return (target.has_motion or not self.animated) and (
            target.has_lossless or self.quality != LOSSLESS
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One original in one version, recipe, width and format."""

    source: str
    name: str
    #: 8 hexadecimal digits.
    version: str
    recipe: Recipe = Recipe()
    width: int  # px
    format: Format
    #: Whether its source is private. So a public and a private variant never have the same key.
    is_private: bool = False


class ParsedKey(NamedTuple):
    """A parsed key. Its signature is not verified yet."""

    variant: Variant
    signature: str
    #: The signed characters of the key, spelled like `signed_text`.
    signed: str


class _Op(NamedTuple):
    """How to write and parse one option of a recipe in a key."""

    field: str
    pattern: str
    write: Callable[[Recipe], str]
    parse: Callable[[str], object]


def _pair(text: str, separator: str) -> tuple[int, int]:
    left, right = text.split(separator)
    return int(left), int(right)


OPS = (
    _Op(
        "ratio",
        r"[1-9][0-9]{0,4}x[1-9][0-9]{0,4}",
        lambda recipe: f"{recipe.ratio[0]}x{recipe.ratio[1]}" if recipe.ratio else "",
        lambda text: _pair(text, "x"),
    ),
    _Op(
        "fit",
        r"fit-[a-z]+",
        lambda recipe: f"fit-{recipe.fit}" if recipe.fit is not Fit.COVER else "",
        lambda text: Fit(text.removeprefix("fit-")),
    ),
    _Op(
        "focal",
        r"fp[0-9]{1,3}-[0-9]{1,3}",
        lambda recipe: f"fp{recipe.focal[0]}-{recipe.focal[1]}" if recipe.focal != CENTRE else "",
        lambda text: _pair(text.removeprefix("fp"), "-"),
    ),
    _Op(
        "quality",
        r"q-(?:[a-z]+|[0-9]{1,3})",
        lambda recipe: f"q-{recipe.quality}" if recipe.quality is not None else "",
        lambda text: int(text[2:]) if text[2:].isdigit() else text[2:],
    ),
    _Op("linear", r"linear", lambda recipe: "linear" if recipe.linear else "", lambda _: True),
    _Op(
        "animated",
        r"animated",
        lambda recipe: "animated" if recipe.animated else "",
        lambda _: True,
    ),
)


def write_recipe(recipe: Recipe) -> str:
    """Spell a recipe as in a key. The default recipe is the empty string."""
    return ",".join([text for op in OPS if (text := op.write(recipe))])


# Sites have few recipes, and parsing one takes as long as the rest of a key.
@functools.lru_cache(maxsize=256)
def parse_recipe(text: str) -> Recipe:
    """Parse a recipe of `write_recipe`. Raises InvalidOption for any other spelling."""
    options: dict[str, object] = {}
    for part in text.split(",") if text else ():
        for op in OPS:
            if re.fullmatch(op.pattern, part):
                try:
                    options[op.field] = op.parse(part)
                except ValueError as error:
                    raise InvalidOption(f"option {part!r} is not known") from error
                break
        else:
            raise InvalidOption(f"option {part!r} is not known")
    recipe = Recipe(**options)  # type: ignore[arg-type]  # each op's parse gives its own field's type
    if write_recipe(recipe) != text:
        raise InvalidOption(f"recipe {text!r} is not in its canonical spelling")
    return recipe


_KEY = re.compile(
    r"(?P<prefix>.+)/(?P<version>[0-9a-f]{8})-(?P<signature>[A-Za-z0-9_\-]{14})/"
    r"(?:(?P<recipe>[^/]+)/)?(?P<width>[^/.]+)\.(?P<extension>[^/.]+)"
)
_ALPHABET = re.compile(r"[A-Za-z0-9/_.,=\-]+")
_WIDTH = re.compile(r"[1-9][0-9]{0,4}")


def write_directory(source: str, *, is_private: bool) -> str:
    """Spell the directory of all keys of a source, without a slash at its end. Empty for public keys of the default source."""
    if is_private:
        return f"{PRIVATE}{source}"
    return "" if source == DEFAULT_SOURCE else f"_{source}"


def write_prefix(source: str, name: str, *, is_private: bool) -> str:
    """Spell the common prefix of all keys of an original, without a slash at its end. Raises InvalidOption."""
    directory = write_directory(source, is_private=is_private)
    escaped = escape_name(name)
    return f"{directory}/{escaped}" if directory else escaped


def parse_prefix(prefix: str) -> tuple[str, str, bool]:
    """Parse a prefix to (source, name, is_private). Raises InvalidOption."""
    if prefix.startswith(PRIVATE):
        source, _, escaped = prefix.removeprefix(PRIVATE).partition("/")
        return source, unescape_name(escaped), True
    if not prefix.startswith("_"):
        return DEFAULT_SOURCE, unescape_name(prefix), False
    source, _, escaped = prefix[1:].partition("/")
    if source == DEFAULT_SOURCE:
        raise InvalidOption("the default source is not named in a key")
    return source, unescape_name(escaped), False


def signed_text(variant: Variant) -> str:
    """Spell the signed text of a variant. It is the same for all its widths and formats. Raises InvalidOption."""
    prefix = write_prefix(variant.source, variant.name, is_private=variant.is_private)
    return _join_signed(prefix, variant.version, write_recipe(variant.recipe))


def _join_signed(prefix: str, version: str, recipe: str) -> str:
    # No part can hold a newline, so two variants never have the same text.
    return f"{prefix}\n{version}\n{recipe}"


def write_stem(
    source: str,
    name: str,
    version: str,
    recipe: Recipe,
    sign: Callable[[str], str],
    *,
    is_private: bool = False,
) -> str:
    """Spell the common beginning of the keys of all widths and formats, with a slash at its end.

    `sign` gives the signature of a signed text. Raises InvalidOption.
    """
    prefix, spelled = write_prefix(source, name, is_private=is_private), write_recipe(recipe)
    stem = f"{prefix}/{version}-{sign(_join_signed(prefix, version, spelled))}/"
    return f"{stem}{spelled}/" if spelled else stem


def write_key(variant: Variant, signature: str) -> str:
    """Spell a variant. Raises InvalidOption for a name that no key can hold."""
    owner = (variant.source, variant.name, variant.version, variant.recipe)
    stem = write_stem(*owner, sign=lambda _text: signature, is_private=variant.is_private)
    return f"{stem}{variant.width}.{variant.format.extension}"


def parse_key(key: str) -> ParsedKey | None:
    """Parse a key of `write_key`. None for a path without the form of a key.

    Raises InvalidOption for a key with unknown parts, or in another spelling.
    """
    match = _KEY.fullmatch(key)
    if match is None:
        return None
    if len(key) > MAX_KEY_BYTES or not _ALPHABET.fullmatch(key):
        raise InvalidOption("the key is too long, or has characters not allowed in a key")
    if match["extension"] not in BY_EXTENSION or not _WIDTH.fullmatch(match["width"]):
        raise InvalidOption("the key does not end in a width and a known format")
    source, name, is_private = parse_prefix(match["prefix"])
    recipe = match["recipe"] or ""
    variant = Variant(
        source=source,
        name=name,
        version=match["version"],
        recipe=parse_recipe(recipe),
        width=int(match["width"]),
        format=BY_EXTENSION[match["extension"]],
        is_private=is_private,
    )
    signed = _join_signed(match["prefix"], match["version"], recipe)
    return ParsedKey(variant, match["signature"], signed)
