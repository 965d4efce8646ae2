"""The option `placeholder`: what is seen in the place of a picture until it has come.

It is the background of the `img`, and the picture covers it. So a picture with transparency has none.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from resizer.conf import get_settings
from resizer.keys.geometry import plan
from resizer.keys.variant import Fit
from resizer.markup.csp import allows_data_images
from resizer.markup.options import is_nothing

if TYPE_CHECKING:
    from resizer.keys.variant import Recipe
    from resizer.records.descriptions import Description

COLOR, BLUR = "color", "blur"
KINDS = (COLOR, BLUR)


class Placeholder(NamedTuple):
    color: str  # "#rrggbb"
    #: A data URI, and how it lies in the box, as CSS `background-position` / `background-size`; or empty.
    blur: str = ""
    place: str = ""

    @property
    def css(self) -> str:
        """Declarations for the `img`. Padding and border are not the picture's, and keep their background."""
        blur = (
            f" url({self.blur}) {self.place} no-repeat"
            if self.blur and allows_data_images()
            else ""
        )
        return f"background:{self.color}{blur} content-box"

    @property
    def class_name(self) -> str:
        return "resizer-" + hashlib.blake2s(self.css.encode(), digest_size=5).hexdigest()


def read_kind(value: object) -> str:
    """Read the option; empty if it is not given. Raises ValueError."""
    if is_nothing(value):
        return ""
    kind = str(value).strip().lower()
    if kind not in KINDS:
        raise ValueError(f"placeholder={value!r} is unknown. Use one of {', '.join(KINDS)}.")
    return kind


def placeholder_of(kind: str, description: Description, recipe: Recipe) -> Placeholder | None:
    """None until the original has been decoded. Never a blur of a private one: nobody could refuse that small copy."""
    sketch = description.sketch
    if not kind or sketch is None or description.header.has_alpha:
        return None
    if kind == COLOR or not sketch.blur or get_settings().is_private(description.reference.source):
        return Placeholder(sketch.color)
    return Placeholder(sketch.color, sketch.blur, _place(description.size, recipe))


def _place(size: tuple[int, int], recipe: Recipe) -> str:
    """The position and size of the whole picture behind its crop."""
    if recipe.fit is Fit.FILL:
        return "0 0/100% 100%"
    box = plan(size, recipe, size[0]).box
    across = _percent(box.left, size[0] - box.width)
    down = _percent(box.top, size[1] - box.height)
    return f"{across}% {down}%/cover"


def _percent(part: int, whole: int) -> int:
    return round(100 * part / whole) if whole else 0
