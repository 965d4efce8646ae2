"""The place of a picture in a page, as the tag's options tell it: the `sizes` attribute, and how wide the picture can be."""

from __future__ import annotations

import functools
import math
import sys
from dataclasses import dataclass
from typing import NamedTuple

from resizer.conf import get_settings, read_sizes
from resizer.markup.options import is_nothing, read_flag, read_side

#: `fluid` pictures have a candidate for each width, `fixed` ones for each density.
KINDS = ("fluid", "fixed")
MAX_COLUMNS = 12
LAYOUT_OPTIONS = frozenset({"sizes", "columns", "container", "layout", "exact"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The options for the layout, checked. Sizes are CSS px."""

    kind: str = ""  # one of KINDS; empty: `fixed` below the first of `WIDTHS`
    given: str = ""  # the whole `sizes` attribute
    columns: int | None = None
    container: int | None = None  # CSS px
    is_exact: bool = False

    @classmethod
    def read(
        cls,
        *,
        sizes: object = None,
        columns: object = None,
        container: object = None,
        layout: object = None,
        exact: object = None,
    ) -> Layout:
        """Check the options. None, "", 0 and False mean that one is not given. Raises ValueError, with the choices."""
        count = read_side("columns", columns)
        if count is not None and count > MAX_COLUMNS:
            raise ValueError(f"columns={columns!r} are too many. Use 1 to {MAX_COLUMNS}.")
        if not is_nothing(layout) and layout not in KINDS:
            raise ValueError(f"layout={layout!r} is unknown. Use one of {', '.join(KINDS)}.")
        is_exact = read_flag("exact", exact)
        kind = "" if is_nothing(layout) else str(layout)
        return cls(
            # A fluid picture has the candidates of all, whatever its width.
            kind="fixed" if is_exact else kind,
            given=_read_sizes(sizes),
            columns=count,
            container=read_side("container", container),
            is_exact=is_exact,
        )

    def is_fixed(self, css_width: int | None) -> bool:
        """Whether candidates differ by the density of the screen, not by their width."""
        if css_width is None or self.kind:
            return css_width is not None and self.kind == "fixed"
        return css_width < get_settings().WIDTHS[0]

    @property
    def steps(self) -> tuple[Step, ...]:
        """The columns from the widest window to the narrowest. Empty if the options do not say."""
        if not self.columns and not self.container:
            return ()
        return _steps(self.columns or 1, self.container, get_settings().BREAKPOINTS)

    def widest(self) -> int | None:
        """The largest width of the picture in any window, CSS px. None if only the window limits it."""
        steps = self.steps
        if not steps or self.container is None:
            return None
        ends = (sys.maxsize, *(step.start - 1 for step in steps))
        return max(
            step.width(min(end, self.container)) for step, end in zip(steps, ends, strict=False)
        )

    def narrowest(self, css_width: int | None) -> int:
        """About the smallest width that is worth a candidate, CSS px."""
        usual = get_settings().WIDTHS[0]
        if css_width is not None and css_width < usual:
            # Half of its largest width, as on a telephone beside another one.
            usual = css_width // 2
        starts = (step.width(step.start) for step in self.steps if step.start)
        return min([usual, *starts])

    def sizes(self, css_width: int | None, *, is_lazy: bool) -> str:
        """The `sizes` attribute of a fluid picture that is at most `css_width` wide."""
        sizes = _without_auto(self.given) or ", ".join(step.size(css_width) for step in self.steps)
        if not sizes and css_width is not None:
            sizes = f"(min-width: {css_width}px) {css_width}px, 100vw"
        sizes = sizes or _without_auto(get_settings().SIZES) or "100vw"
        # "auto" is the width in the layout, for lazy images only. Older browsers skip it and read the
        # rest of the list (HTML §4.8.4.2.2).
        return f"auto, {sizes}" if is_lazy else sizes


class Step(NamedTuple):
    """So many columns, in windows from `start` CSS px on."""

    start: int
    columns: int
    #: The container's largest width, CSS px. None if it fills such a window.
    container: int | None

    def width(self, window: int) -> int:
        """The width of a column in a window, CSS px, with the gaps."""
        return math.ceil((self.container or window) / self.columns)

    def size(self, limit: int | None) -> str:
        """Its part of the `sizes` attribute, for a picture that is at most `limit` wide."""
        if self.container is not None:
            width = self.width(self.container)
            size = f"{min(width, limit or width)}px"
        else:
            share = math.ceil(1000 / self.columns) / 10
            size = f"{share:g}vw" if limit is None else f"min({share:g}vw, {limit}px)"
        return f"(min-width: {self.start}px) {size}" if self.start else size


@functools.lru_cache(maxsize=256)
def _steps(columns: int, container: int | None, breakpoints: tuple[int, ...]) -> tuple[Step, ...]:
    counts = {0: 1}
    for count, start in enumerate(breakpoints[: columns - 1], 2):
        counts[start] = count
    # With fewer breakpoints than columns, all come at the last one.
    counts[max(counts)] = columns
    if container is not None:
        counts[container] = max(count for start, count in counts.items() if start <= container)
    return tuple(
        Step(start, counts[start], container if container and start >= container else None)
        for start in sorted(counts, reverse=True)
    )


def _without_auto(sizes: str) -> str:
    return sizes.removeprefix("auto").lstrip(", ")


def check_exact(width: int) -> None:
    """Raises ValueError if a picture of this width would get other candidates than its width and multiples of it."""
    settings = get_settings()
    wanted = [width * density for density in range(1, settings.WIDTH_DENSITY + 1)]
    missing = [str(one) for one in wanted if one not in settings.listed_widths]
    if missing:
        raise ValueError(
            f"exact=True has no candidates of {', '.join(missing)} px. Add them to RESIZER['EXACT_WIDTHS']."
        )


def _read_sizes(value: object) -> str:
    if is_nothing(value):
        return ""
    text = str(value)
    try:
        return read_sizes(text)
    except ValueError as error:
        raise ValueError(f"sizes={text!r} is wrong. Write each length {error}.") from error
