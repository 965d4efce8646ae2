"""Several variants of one original: decode it once at each scale, resize it once to each size, encode each variant."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from resizer.engines.protocol import Rendered
from resizer.keys.geometry import decoding_scale, stored_plan, upright

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence

    from resizer.engines.protocol import Header
    from resizer.keys.geometry import Plan
    from resizer.keys.variant import Variant

Key = TypeVar("Key")
Value = TypeVar("Value")
Decoded = TypeVar("Decoded")
Resized = TypeVar("Resized")


class Resizing(NamedTuple):
    """What variants that differ in format or quality only have in common."""

    #: Of the picture as it is stored.
    plan: Plan
    #: It is decoded at 1/scale.
    scale: int
    #: It is the light that is added up.
    is_linear: bool


class _Shared(Generic[Key, Value]):
    """Values that are made when they are first taken, and let go when they are last taken."""

    def __init__(self, wanted: Iterable[Key], make: Callable[[Key], Value]) -> None:
        self._left = Counter(wanted)
        self._make = make
        self._values: dict[Key, Value] = {}

    def left(self, key: Key) -> int:
        """How often a value will be taken yet."""
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
    """Render variants in their order; each is the same picture as when it is asked for alone.

    `shrinks` says whether the format can be decoded at a fraction of its size; `decode` is given the scale, and
    whether what it returns is used more than once; `animate` renders a variant that moves. Raises TooManyPixels for
    a variant beyond its format.
    """
    resizings = [
        None if _moves(header, variant) else plan_resizing(header, variant, shrinks=shrinks)
        for variant in variants
    ]
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


def in_decoding_order(header: Header, variants: Iterable[Variant]) -> list[Variant]:
    """Sorted so that no more than one decoded picture, and one resized one, is held at a time."""

    def order(variant: Variant) -> tuple[int, int]:
        scale = plan_resizing(header, variant, shrinks=header.is_shrinkable).scale
        # A format that only one engine shrinks while decoding is in order by its widths.
        return scale, -variant.width

    return sorted(variants, key=order, reverse=True)


def plan_resizing(header: Header, variant: Variant, *, shrinks: bool) -> Resizing:
    """Raises TooManyPixels for a variant beyond its format."""
    plan = stored_plan((header.width, header.height), header.orientation, variant)
    is_linear = variant.recipe.linear
    # A decoder that shrinks adds up sRGB's numbers.
    scale = decoding_scale(plan) if shrinks and not is_linear else 1
    return Resizing(plan, scale, is_linear)


def _moves(header: Header, variant: Variant) -> bool:
    return variant.recipe.animated and header.frames > 1
