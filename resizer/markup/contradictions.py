"""Options that contradict each other. In one tag that is a mistake. Over those of a preset, the options of the tag win."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from resizer.conf import get_settings
from resizer.formats import UNIVERSAL
from resizer.keys.variant import LOSSLESS, Fit
from resizer.markup.options import CONTAIN, is_nothing, read_flag, read_formats, read_side

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from resizer.formats import Format

#: They say what `sizes` the picture prints.
_SIZED = ("sizes", "columns", "container")
_BY_NAME = ", ".join(row.name for row in UNIVERSAL)


class Pair(NamedTuple):
    """Two options, and whether two of their values contradict each other."""

    one: str
    other: str
    contradict: Callable[[Any, Any], bool]
    problem: str
    #: The option to leave out if a tag and its preset contradict each other. Empty for that of the preset.
    weak: str = ""


def _always(_one: object, _other: object) -> bool:
    return True


def _is_fixed(layout: object, _other: object) -> bool:
    return layout == "fixed"


def _crops_nothing(fit: object, _focal: object) -> bool:
    return fit in (CONTAIN, Fit.FILL)


def _has_no_lossless(quality: object, formats: object) -> bool:
    rows = _rows(formats)
    return quality == LOSSLESS and bool(rows) and not any(row.has_lossless for row in rows)


def _rows(formats: object) -> list[Format]:
    """The formats of an option. Empty for a wrong value, which is told elsewhere."""
    try:
        return list(read_formats(formats) or ())
    except ValueError:
        return []


_NO_LOSSLESS = f'quality="lossless" needs another format. Use {_BY_NAME}, or another quality.'

PAIRS = (
    Pair("sizes", "columns", _always, "sizes and columns are given. Remove one: sizes is the whole attribute."),
    Pair("sizes", "container", _always, "sizes and container are given. Remove one: sizes is the whole attribute."),
    *(
        Pair("layout", name, _is_fixed, f'layout="fixed" and {name} are given. Remove one: a fixed picture prints no sizes.')
        for name in _SIZED
    ),
    *(
        Pair("exact", name, _always, f"exact=True and {name} are given. Remove one: an exact picture prints no sizes.")
        for name in _SIZED
    ),
    Pair("exact", "layout", lambda _, layout: layout == "fluid", 'exact=True and layout="fluid" are given. Remove one: an exact picture is fixed.'),
    Pair("exact", "fit", lambda _, fit: fit == CONTAIN, 'exact=True and fit="contain" are given. Remove one: the width depends on the original.', "exact"),
    Pair("fit", "focal", _crops_nothing, "fit and focal are given. Remove one: this fit crops nothing.", "focal"),
    Pair("quality", "formats", _has_no_lossless, _NO_LOSSLESS),
    Pair("quality", "format", _has_no_lossless, _NO_LOSSLESS),
)  # fmt: skip


def check_pairs(options: Mapping[str, Any]) -> None:
    """Raises ValueError for options of one tag that contradict each other."""
    for pair in PAIRS:
        if _both(pair, options):
            raise ValueError(pair.problem)


def weaker(below: Mapping[str, Any], over: Mapping[str, Any]) -> Collection[str]:
    """The options to leave out where a tag contradicts its preset."""
    if not over:
        # Most tags with a preset have no other options.
        return ()
    merged = {**below, **over}
    found = set()
    for pair in PAIRS:
        upper = [name for name in (pair.one, pair.other) if name in over]
        if len(upper) == 1 and _both(pair, merged):
            found.add(pair.weak or (pair.other if pair.one in upper else pair.one))
    return found


def check_needs(below: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    """Raises ValueError for an option of a tag that means nothing without another one. An empty value from data is given."""
    if read_flag("exact", options.get("exact")) and "width" not in {*below, *options}:
        raise ValueError("exact=True needs width.")


def check_small(options: Mapping[str, Any]) -> None:
    """Raises ValueError for a picture so small that it prints no sizes, though the same tag says them."""
    width = read_side("width", options.get("width"))
    if width is None or width >= get_settings().WIDTHS[0] or not is_nothing(options.get("layout")):
        return
    name = next((one for one in _SIZED if not is_nothing(options.get(one))), None)
    if name is not None:
        raise ValueError(
            f'width={width} and {name} are given. Remove one, or write layout="fluid": a small picture prints no sizes.'
        )


def _both(pair: Pair, options: Mapping[str, Any]) -> bool:
    one, other = options.get(pair.one), options.get(pair.other)
    return not is_nothing(one) and not is_nothing(other) and pair.contradict(one, other)
