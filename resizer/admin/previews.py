"""Previews from variants that exist. A preview makes no variant: without one, it is a blurred copy or an empty box."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import mark_safe

from resizer.markup.csp import allows_data_images

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.utils.safestring import SafeString

    from resizer.models import CachedVariant, Original

#: The box of a preview in a list, CSS px.
BOX = (96, 72)
#: A preview in a card has this width at least, if there is such a variant, px.
CARD_WIDTH = 320


class Preview(NamedTuple):
    url: str
    #: px
    width: int
    height: int


def draw(preview: Preview | None, box: tuple[int, int] = BOX, link: str = "") -> SafeString:
    """An image that fits into a box of CSS px, never enlarged."""
    if preview is None:
        return mark_safe('<span class="resizer-preview resizer-nothing"></span>')
    width, height = fit((preview.width, preview.height), box)
    image = format_html(
        '<img src="{}" alt="" width="{}" height="{}" loading="lazy">', preview.url, width, height
    )
    if link:
        return format_html('<a class="resizer-preview" href="{}">{}</a>', link, image)
    return format_html('<span class="resizer-preview">{}</span>', image)


def fit(size: tuple[int, int], box: tuple[int, int]) -> tuple[int, int]:
    """The largest size of the same ratio in a box, never enlarged."""
    width, height = max(1, size[0]), max(1, size[1])
    scale = min(1, box[0] / width, box[1] / height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def of_variant(variant: CachedVariant, site: str) -> Preview:
    """The variant's own file, through its admin."""
    url = reverse("admin:resizer_cachedvariant_file", args=[variant.pk], current_app=site)
    return _preview(url, variant)


def of_original(original: Original, variant: CachedVariant | None, site: str) -> Preview | None:
    """A variant of an original, through the original's admin."""
    if variant is None:
        return None
    arguments = [original.pk, variant.pk]
    url = reverse("admin:resizer_original_variant", args=arguments, current_app=site)
    return _preview(url, variant)


def of_placeholder(original: Original) -> Preview | None:
    """The blurred copy in the row of an original. Until its next variant is made, as after variants were removed."""
    blur = original.placeholder_blur
    # A picture with transparency has a copy with another background.
    if not blur.startswith("data:image/") or original.has_alpha or not allows_data_images():
        return None
    return Preview(blur, original.width, original.height)


def _preview(url: str, variant: CachedVariant) -> Preview:
    # Made again, it has another URL, so that browsers can keep the file.
    moment = int(variant.created_at.timestamp())
    return Preview(f"{url}?{moment}-{variant.bytes}", variant.width, variant.height)


def choose(
    variants: Iterable[CachedVariant], least: int = CARD_WIDTH, *, is_whole: bool = False
) -> CachedVariant | None:
    """The variant for a preview of some px: the whole picture rather than a crop, then the smallest large enough.

    With `is_whole`, a crop is not chosen.
    """
    found = [one for one in variants if not is_whole or is_uncropped(one)]

    def rank(one: CachedVariant) -> tuple[bool, bool, int]:
        is_small = one.width < least
        return not is_uncropped(one), is_small, -one.width if is_small else one.width

    return min(found, key=rank, default=None)


def is_uncropped(variant: CachedVariant) -> bool:
    # A ratio comes first in a recipe.
    return not variant.recipe[:1].isdigit()
