"""Render several variants of one original: decode once at each scale, resize once to each size, encode each variant."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from resizer.engines.protocol import Rendered
from resizer.formats import PNG
from resizer.keys.geometry import decoding_scale, stored_plan, upright
from resizer.keys.variant import LOSSLESS, Recipe

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence

    from resizer.engines.protocol import Header
    from resizer.keys.geometry import Plan
    from resizer.keys.variant import Variant

Key = TypeVar("Key")
Value = TypeVar("Value")
Decoded = TypeVar("Decoded")
Resized = TypeVar("Resized")

#: The version of a view: a tiny variant that is looked at, and never kept.
VIEW_VERSION = ""
#: The longest side of a view, px: enough for a point of some percent.
VIEW_SIDE = 32


class Resizing(NamedTuple):
    """The same for variants with another format or quality."""

    #: In pixels of the original as it is stored, before its orientation.
    plan: Plan
    #: The original is decoded at 1/scale.
    scale: int
    #: Resize in linear light.
    is_linear: bool


class _Shared(Generic[Key, Value]):
    """Values made at their first `take`, and forgotten at their last. `wanted` has a key for each `take`."""

    def __init__(self, wanted: Iterable[Key], make: Callable[[Key], Value]) -> None:
        self._left = Counter(wanted)
        self._make = make
        self._values: dict[Key, Value] = {}

    def left(self, key: Key) -> int:
        """How many more times a value will be taken."""
        return self._left[key]

    def take(self, key: Key) -> Value:
        value = self._values.pop(key) if key in self._values else self._make(key)
        self._left[key] -= 1
        if self._left[key]:
            self._values[key] = value
        return value


def render_shared(
    header: Header,
    variants: Sequence[Variant],
    *,
    shrinks: bool,
    decode: Callable[[int, bool], Decoded],
    resize: Callable[[Decoded, Resizing], Resized],
    encode: Callable[[Resized, Variant], bytes],
    animate: Callable[[Variant], Rendered],
) -> Generator[Rendered]:
    """Render variants in their order. Each, but a view, has the same pixels as if it were rendered alone.

    - `shrinks`: the format can be decoded at a fraction of its size.
    - `decode` gets the scale, and whether its result is used more than once.
    - `animate` renders an animated variant.

    Raises TooManyPixels for a variant larger than its format allows.
    """
    resizings = _plan_all(header, variants, shrinks=shrinks)
    stills = [one for one in resizings if one is not None]
    decoded = _Shared(
        (one.scale for one in set(stills)),
        lambda scale: decode(scale, decoded.left(scale) > 1),
    )
    resized = _Shared(stills, lambda one: resize(decoded.take(one.scale), one))
    for variant, wanted in zip(variants, resizings, strict=True):
        if wanted is None:
            yield animate(variant)
            continue
        started_at = time.perf_counter()
        image = resized.take(wanted)
        decoded_at = time.perf_counter()
        content = encode(image, variant)
        width, height = upright(wanted.plan.size, header.orientation)
        yield Rendered(
            content=content,
            width=width,
            height=height,
            decode_seconds=decoded_at - started_at,
            encode_seconds=time.perf_counter() - decoded_at,
        )


def _plan_all(
    header: Header, variants: Sequence[Variant], *, shrinks: bool
) -> list[Resizing | None]:
    """None for what moves. A view takes what is decoded for the variant before it."""
    resizings: list[Resizing | None] = []
    scale = None
    for variant in variants:
        if _moves(header, variant):
            resizings.append(None)
            continue
        wanted = plan_resizing(header, variant, shrinks=shrinks)
        if variant.version == VIEW_VERSION and scale is not None:
            wanted = wanted._replace(scale=scale)
        scale = wanted.scale
        resizings.append(wanted)
    return resizings


def in_decoding_order(header: Header, variants: Iterable[Variant]) -> list[Variant]:
    """Sort variants, so that rendering holds only one decoded and one resized image at a time."""

    def order(variant: Variant) -> tuple[int, int]:
        scale = plan_resizing(header, variant, shrinks=header.is_shrinkable).scale
        # WebP is shrunk by libvips only. Its variants are in order by their widths.
        return scale, -variant.width

    return sorted(variants, key=order, reverse=True)


def plan_resizing(header: Header, variant: Variant, *, shrinks: bool) -> Resizing:
    """Plan a variant of an original. Raises TooManyPixels for a variant larger than its format allows."""
    plan = stored_plan((header.width, header.height), header.orientation, variant)
    is_linear = variant.recipe.linear
    # Decoders shrink without linear light.
    scale = decoding_scale(plan) if shrinks and not is_linear else 1
    return Resizing(plan, scale, is_linear)


def can_sketch(header: Header) -> bool:
    """Whether an original is wide enough for a view."""
    return header.height <= VIEW_SIDE * header.width


def plan_view(header: Header, wanted: Variant) -> Variant:
    """The view of the original of a variant."""
    # Rounded up, it would be higher than `VIEW_SIDE`.
    width = max(1, VIEW_SIDE * header.width // max(header.width, header.height))
    return replace(
        wanted, version=VIEW_VERSION, recipe=Recipe(quality=LOSSLESS), width=width, format=PNG
    )


def _moves(header: Header, variant: Variant) -> bool:
    return variant.recipe.animated and header.frames > 1
