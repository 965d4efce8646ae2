"""Tags and variables of sorl-thumbnail, easy-thumbnails, django-imagekit and django-versatileimagefield.

All of them make one file of a size. Options about bytes, such as quality and format, are left out: ours has levels, and
offers several formats.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from resizer.conf import get_settings
from resizer.maintenance.rewriting.generators import ANCHORS, find_presets
from resizer.maintenance.rewriting.pieces import Unclear
from resizer.maintenance.rewriting.spelling import Asked, box, literal

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

CONTAIN = '"contain"'
_SORL_SIZE = re.compile(r"([0-9]+)?(?:x([0-9]+))?")
_EASY_SIZE = re.compile(r"([0-9]+)x([0-9]+)")
_IMAGEKIT_SIZE = re.compile(r"([0-9]*)x([0-9]*)")
#: `photo.image.thumbnail.200x200.url`, as django-versatileimagefield has it.
_VERSATILE = re.compile(r"([\w.]+)\.(thumbnail|crop)\.([0-9]+)x([0-9]+)(?:\.url)?")
_ALIASED = re.compile(r"([\w.]+)\|thumbnail_url:[\"']([^\"']+)[\"']")
#: `photo.image.small.url`, as a field of easy-thumbnails has it. `tag` prints an `img`.
_FIELD_ALIAS = re.compile(r"([\w.]+)\.(\w+)\.(?:url|tag)")
#: Two names of a path such as `photo.image.small`, wherever it stands in a tag.
_PAIR = re.compile(r"(?<!\w)(?=(\w+)\.(\w+))")
_LITERAL = re.compile(r"\"[^\"]*\"|'[^']*'")
#: What a field of django-versatileimagefield has.
_SIZERS = frozenset({"crop", "filters", "thumbnail"})
#: Words of CSS, and percent of edges and of the middle: the same point in each original.
_ACROSS = {"left": 0, "center": 50, "right": 100, "0%": 0, "50%": 50, "100%": 100}
_DOWN = {"top": 0, "center": 50, "bottom": 100, "0%": 0, "50%": 50, "100%": 100}
#: Left out: about bytes, or done in any case.
_NEEDLESS = {
    "sorl": {"upscale", "quality", "format", "progressive", "orientation", "flatten", "density"},
    "easy": {"upscale", "quality", "sharpen", "detail", "subsampling", "keep_icc_profile", "replace_alpha",
             "subject_location"},
    "imagekit": {"upscale", "format", "srcset"},
}  # fmt: skip


def read_sorl(bits: list[str]) -> Asked:
    """`item.image "100x100" crop="center"`."""
    original, size, *others = _two(bits)
    text = literal(size)
    match = _SORL_SIZE.fullmatch(text) if text else None
    if match is None:
        raise Unclear(f"its size cannot be read: {size}")
    options = _known(_named(others), "sorl", {"crop"})
    return Asked(original, box(match[1], match[2], **_sorl_crop(options.get("crop", '""'))))


def _sorl_crop(word: str) -> dict[str, str]:
    if word in ("False", "None"):
        return {"fit": CONTAIN}
    text = literal(word)
    if text in ("", "noop"):
        return {"fit": CONTAIN}
    if text == "smart":
        return {"focal": '"auto"'}
    first, *others = (text or "?").split()
    last = others[0] if others else ""
    if not others and first in _DOWN and first not in _ACROSS:
        first, last = "50%", first
    across, down = _ACROSS.get(first), _DOWN.get(last or "50%")
    if not last and first.endswith("%"):
        down = across
    if across is None or down is None or len(others) > 1:
        raise Unclear(f"crop={word} is a place that depends on the original; choose a focal point")
    return _focal(across, down)


def _focal(across: int, down: int) -> dict[str, str]:
    return {} if (across, down) == (50, 50) else {"focal": f'"{across},{down}"'}


def read_easy(bits: list[str]) -> Asked:
    """`photo.image 50x50 crop`, or with the name of an alias."""
    original, size, *others = _two(bits)
    options: dict[str, object] = {
        name: literal(word) or word for name, word in _flags(others).items()
    }
    text = literal(size) or size
    match = _EASY_SIZE.fullmatch(text)
    if match is None and literal(size) is None:
        raise Unclear(f"its size cannot be read: {size}")
    if match is None:
        options = {**_alias(text), **options}
        return Asked(original, easy_options(options))
    return Asked(original, easy_options({"size": match.groups(), **options}))


def _flags(words: list[str]) -> dict[str, str]:
    return {
        name: word if equals else "True"
        for name, equals, word in (one.partition("=") for one in words)
    }


def easy_options(options: Mapping[str, Any]) -> dict[str, str]:
    """The options of easy-thumbnails, from a tag or from an alias."""
    given = _known(options, "easy", {"size", "crop", "target"})
    try:
        width, height = (str(side) for side in given["size"])
    except (KeyError, TypeError, ValueError):
        raise Unclear("its alias has no size of two numbers") from None
    crop = str(given.get("crop", ""))
    if crop == "scale":
        raise Unclear('crop="scale" has no counterpart; write the width or the height alone')
    if crop in ("", "False", "None"):
        return box(width, height, fit=CONTAIN)
    if crop == "smart":
        return box(width, height, focal='"auto"')
    return box(width, height, **_easy_focal(crop, given.get("target")))


def _easy_focal(crop: str, target: Any) -> dict[str, str]:
    if target is not None:
        pair = target.split(",") if isinstance(target, str) else target
        if not all(re.fullmatch("[0-9]+", str(one)) for one in pair):
            raise Unclear(f"target={target} is not a pair of numbers")
        return {"focal": '"{},{}"'.format(*pair)}
    if "," not in crop:
        if crop != "True":
            raise Unclear(f"crop={crop} is a variable")
        return {}
    edges = {"": 50, "0": 0, "-0": 100}
    across, down = (edges.get(one.strip()) for one in crop.split(",", 1))
    if across is None or down is None:
        raise Unclear(
            f'crop="{crop}" is a place that depends on the original; choose a focal point'
        )
    return _focal(across, down)


def _aliases(name: str) -> list[Mapping[str, Any]]:
    """What an alias means, from model to model, by the settings of easy-thumbnails."""
    from django.conf import settings

    targets = getattr(settings, "THUMBNAIL_ALIASES", None) or {}
    return [aliases[name] for aliases in targets.values() if name in aliases]


def _alias(name: str) -> Mapping[str, Any]:
    found = _aliases(name)
    if not found:
        raise Unclear(f"THUMBNAIL_ALIASES has no alias {name!r}")
    if any(one != found[0] for one in found):
        raise Unclear(f"the alias {name!r} differs from model to model")
    return found[0]


def read_imagekit(bits: list[str]) -> Asked:
    """`'100x50' photo.image crop=0 -- alt="x"`."""
    attributes: dict[str, str] = {}
    if "--" in bits:
        place = bits.index("--")
        attributes = _named(bits[place + 1 :])
        bits = bits[:place]
    words = [one for one in bits if "=" not in one]
    if len(words) != 2:
        raise Unclear("its size is in Python; make a preset of it, and write its name")
    size, original = words
    match = _IMAGEKIT_SIZE.fullmatch(literal(size) or "")
    if match is None:
        raise Unclear(f"its size cannot be read: {size}")
    given = _known(_named([one for one in bits if "=" in one]), "imagekit", {"anchor", "crop"})
    return Asked(original, box(match[1], match[2], **_imagekit_crop(given)), attributes)


def read_generated(bits: list[str]) -> Asked:
    """`'app:small' source=photo.image -- alt="x"`: only its generator knows the size, so a preset has to have its name."""
    first, *others = bits
    name = (literal(first) or "").rpartition(":")[2]
    attributes: dict[str, str] = {}
    if "--" in others:
        place = others.index("--")
        attributes = _named(others[place + 1 :])
        others = others[:place]
    given = _named(others)
    if not name or given.keys() != {"source"}:
        raise Unclear("it has other options than a source")
    return read_spec(given["source"], name)._replace(attributes=attributes)


def read_spec(original: str, name: str) -> Asked:
    """An image whose size is in Python, by a preset of the same name. Raises Unclear without that preset."""
    if name not in get_settings().PRESETS:
        preset = find_presets().get(name, "")
        missing = f"add the preset {preset}" if preset else f"make a preset {name!r}"
        raise Unclear(f"its size is in Python; {missing}, and run this again")
    return Asked(original, {"preset": f'"{name}"'})


def _imagekit_crop(given: Mapping[str, str]) -> dict[str, str]:
    if given.get("crop") in ("0", "False"):
        return {"fit": CONTAIN}
    # Without both options imagekit looks for the best crop itself.
    anchor = given.get("anchor", "'c'" if "crop" in given else "'auto'")
    focal = ANCHORS.get(literal(anchor) or "?")
    if focal is None or given.get("crop", "True") not in ("1", "True"):
        raise Unclear("its anchor or crop is a variable")
    return {"focal": f'"{focal}"'} if focal else {}


def read_versatile(contents: str) -> Asked | None:
    """`photo.image.crop.400x400.url`. None for any other variable."""
    match = _VERSATILE.fullmatch(contents)
    if match is None:
        return None
    fit = {"fit": CONTAIN} if match[2] == "thumbnail" else {}
    return Asked(match[1], box(match[3], match[4], **fit))


def read_aliased(contents: str) -> Asked | None:
    """`photo.image|thumbnail_url:'small'`. None for any other variable. Raises Unclear."""
    match = _ALIASED.fullmatch(contents)
    return Asked(match[1], easy_options(_alias(match[2]))) if match else None


def read_field_alias(contents: str, files: Collection[str]) -> Asked | None:
    """`photo.image.small.url` or `.tag`, with the names of all file fields. None for any other variable. Raises Unclear."""
    match = _FIELD_ALIAS.fullmatch(contents)
    if match is None or match[1].rpartition(".")[2] not in files or not _aliases(match[2]):
        return None
    return Asked(match[1], easy_options(_alias(match[2])))


def find_thumbnail(contents: str, files: Collection[str], specs: Collection[str]) -> str:
    """A thumbnail that only the old package has, such as `image.small`, anywhere in a tag. Empty without one.

    With the package gone, a template would show nothing in its place, and no error.
    """
    for owner, name in _PAIR.findall(_LITERAL.sub("''", contents)):
        if name in specs or (owner in files and (name in _SIZERS or _aliases(name))):
            return f"{owner}.{name}"
    return ""


def _two(bits: list[str]) -> list[str]:
    if len(bits) < 2:
        raise Unclear("it has no size")
    return bits


def _named(words: list[str]) -> dict[str, str]:
    pairs = [one.partition("=") for one in words]
    unnamed = [name for name, equals, _ in pairs if not equals]
    if unnamed:
        raise Unclear(f"{unnamed[0]} is no option")
    return {name: value for name, _, value in pairs}


def _known(options: Mapping[str, Any], package: str, names: set[str]) -> dict[str, Any]:
    """The options that mean something. Raises Unclear for those without a counterpart."""
    for name in options:
        if name not in names | _NEEDLESS[package]:
            raise Unclear(f"{name} has no counterpart")
    return {name: value for name, value in options.items() if name in names}
