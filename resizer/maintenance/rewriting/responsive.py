"""Tags of Wagtail and django-pictures, which print whole pictures."""

from __future__ import annotations

import re

from resizer.maintenance.rewriting.pieces import Unclear
from resizer.maintenance.rewriting.spelling import Asked, box, literal
from resizer.maintenance.rewriting.thumbnails import CONTAIN

#: A size of Wagtail. Several widths are in braces.
_WIDTHS = re.compile(r"width-(?:([0-9]+)|\{([0-9,]+)\})")
_HEIGHT = re.compile(r"height-([0-9]+)")
_BOX = re.compile(r"(fill|max)-([0-9]+)x([0-9]+)(-c[0-9]+)?")
#: What the app does in any case, or with its own settings.
_NEEDLESS = re.compile(r"original|preserve-svg|format-[\w,{}-]+|(?:jpeg|webp|avif)quality-[0-9]+")
_GRID = 12
#: Breakpoints of django-pictures from the narrowest screen to the widest.
_BREAKPOINTS = ("xs", "s", "m", "l", "xl")


def read_wagtail(bits: list[str]) -> Asked:
    """`page.photo width-400 class="x"`."""
    original, *words = bits
    options: dict[str, str] = {}
    attributes: dict[str, str] = {}
    remark = ""
    for word in words:
        name, equals, value = word.partition("=")
        if equals and name == "sizes":
            options["sizes"] = value
        elif equals:
            attributes[name] = value
        elif not _NEEDLESS.fullmatch(word):
            options |= _size(word)
            remark = remark or _closeness(word)
    return Asked(original, options, attributes, remark)


def _closeness(spec: str) -> str:
    match = _BOX.fullmatch(spec)
    if match is None or match[4] in (None, "-c0"):
        return ""
    return f"{match[4][1:]} is gone: a crop keeps the focal point in view, but goes no closer"


def read_wagtail_url(bits: list[str]) -> Asked:
    """`page.photo "fill-100x100|jpegquality-40"`."""
    if len(bits) != 2 or literal(bits[1]) is None:
        raise Unclear("its size is a variable, or it has a view of its own")
    return read_wagtail([bits[0], *bits[1][1:-1].split("|")])


def _size(spec: str) -> dict[str, str]:
    """The options for an operation of Wagtail. Raises Unclear."""
    if match := _WIDTHS.fullmatch(spec):
        return {"width": str(max(int(one) for one in (match[1] or match[2]).split(",") if one))}
    if match := _HEIGHT.fullmatch(spec):
        return {"height": match[1]}
    if match := _BOX.fullmatch(spec):
        return box(match[2], match[3], **({"fit": CONTAIN} if match[1] == "max" else {}))
    if "{" in spec:
        raise Unclear(
            f"{spec} has several boxes; write resized_picture with a resized_source for each"
        )
    raise Unclear(f"{spec} has no counterpart")


def read_picture(bits: list[str]) -> Asked:
    """`photo.image img_alt="x" ratio="16/9" m=6 l=4 container=1200`, as django-pictures has it."""
    original, *words = bits
    options: dict[str, str] = {}
    attributes: dict[str, str] = {}
    spans: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or name.startswith("picture_"):
            raise Unclear(f"{name} has no counterpart")
        if name in ("ratio", "container"):
            options[name] = value
        elif name in _BREAKPOINTS:
            spans[name] = value
        elif name.startswith("img_"):
            attributes[name.removeprefix("img_")] = value
        else:
            raise Unclear(f"{name} has no counterpart")
    return Asked(original, {**options, **_columns(spans)}, attributes)


def _columns(spans: dict[str, str]) -> dict[str, str]:
    """How many pictures stand side by side on the widest screen."""
    if not all(re.fullmatch("[1-9][0-9]?", span) for span in spans.values()):
        raise Unclear("a span of its grid is a variable")
    widest = [spans[name] for name in _BREAKPOINTS if name in spans]
    columns = round(_GRID / int(widest[-1])) if widest else 1
    return {"columns": str(columns)} if columns > 1 else {}


def read_picture_url(bits: list[str]) -> Asked:
    """`photo.image 'webp' 800 ratio='3/2'`, as django-pictures has it."""
    if len(bits) not in (3, 4) or not bits[2].isdigit() or literal(bits[1]) is None:
        raise Unclear("its width or its format is a variable")
    options = {"width": bits[2], "format": f'"{literal(bits[1])}"'.lower()}
    if len(bits) == 4:
        name, _, value = bits[3].partition("=")
        if name != "ratio":
            raise Unclear(f"{name} has no counterpart")
        options["ratio"] = value
    return Asked(bits[0], options)
