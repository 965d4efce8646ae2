"""Functions that read one value of `RESIZER`. Each raises ValueError with the expected value."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from resizer.formats import BY_NAME, FORMATS, MODERN, Format, Levels
from resizer.keys.variant import AUTO, DEFAULT_SOURCE, LOSSLESS


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSettings:
    """One entry of `SOURCES`, spelled like one of Django's `STORAGES`."""

    BACKEND: str = "resizer.sources.StorageSource"
    OPTIONS: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    #: Whether short, unsigned URLs work for this source. With True, everybody can load its originals as variants.
    OPEN: bool = False
    #: Whether its pictures are for some visitors only. Then Django answers each request, and decides.
    PRIVATE: bool = False
    #: Dotted path of a function `f(request, reference) -> bool`, which decides. None decides by a signed URL that expires.
    ALLOW: str | None = None


#: `PRIVATE_DELIVERY`: the app sends private variants itself.
BY_APP = "app"
#: `PRIVATE_DELIVERY`: the app redirects to a URL signed by the storage.
BY_STORAGE = "presigned"
#: Names that belong to one picture, or are set by the tag.
_NOT_IN_PRESETS = frozenset({"alt", "attributes", "preset", "src", "srcset"})
DEFAULT_QUALITIES: Mapping[str, Mapping[str, int]] = {
    level: {row.name: getattr(row.levels, level) for row in FORMATS if row.levels}
    for level in Levels._fields
}


def read_flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("True or False")
    return value


def read_text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("a string with at least one character")
    return value


def read_optional_text(value: object) -> str | None:
    return None if value is None else read_text(value)


def read_texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)):
        raise ValueError("a list of strings")
    return tuple(read_text(entry) for entry in value)


def read_positive(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError("a whole number, 1 or more")
    return value


def read_optional_positive(value: object) -> int | None:
    return None if value is None else read_positive(value)


def read_widths(value: object) -> tuple[int, ...]:
    expected = ValueError(
        "a list of 1 to 32 widths in rising order, each from 1 to 16384 px, without duplicates"
    )
    if not isinstance(value, (list, tuple)) or not 1 <= len(value) <= 32:
        raise expected
    if not all(isinstance(width, int) and 1 <= width <= 16_384 for width in value):
        raise expected
    if sorted(set(value)) != list(value):
        raise expected
    return tuple(value)


def read_exact_widths(value: object) -> tuple[int, ...]:
    return () if value in ([], ()) else read_widths(value)


def read_formats(value: object) -> tuple[Format, ...]:
    # JPEG and PNG are always offered. In this list, one would hide the other.
    choices = [row.name for row in MODERN]
    if not isinstance(value, (list, tuple)) or any(name not in choices for name in value):
        raise ValueError(f"a list of any of {', '.join(choices)}, best first. It may be empty")
    return tuple(BY_NAME[name] for name in value)


def read_extra_formats(value: object) -> tuple[Format, ...]:
    choices = [name for name, row in BY_NAME.items() if row.is_extra]
    if not isinstance(value, (list, tuple)) or any(name not in choices for name in value):
        raise ValueError(f"a list of any of {', '.join(choices)}. It may be empty")
    return tuple(BY_NAME[name] for name in value)


def read_qualities(value: object) -> Mapping[str, Mapping[str, int]]:
    expected = ValueError(
        'a dict such as {"high": {"avif": 72}}. A level has 1 to 16 lowercase letters,'
        f" a format is one of {', '.join(DEFAULT_QUALITIES['medium'])}, and a number is from 1 to 100"
    )
    if not isinstance(value, Mapping):
        raise expected
    levels = dict(DEFAULT_QUALITIES)
    for level, numbers in value.items():
        if not isinstance(level, str) or not re.fullmatch("[a-z]{1,16}", level):
            raise expected
        if level in {AUTO, LOSSLESS}:
            raise ValueError(f"a dict of levels. {level!r} is reserved: use another name")
        if not isinstance(numbers, Mapping) or not set(numbers) <= set(levels["medium"]):
            raise expected
        if not all(isinstance(number, int) and 1 <= number <= 100 for number in numbers.values()):
            raise expected
        levels[level] = {**levels.get(level, levels["medium"]), **numbers}
    return levels


def read_metadata(value: object) -> str:
    if value == "none" or value == "copyright":
        return value
    raise ValueError('"none" or "copyright"')


def read_sizes(value: object) -> str:
    """A `sizes` attribute. Raises ValueError for lengths that it cannot have (HTML §4.8.4.2.2)."""
    text = read_text(value)
    if "%" in text:
        raise ValueError('in vw or px, such as "50vw". Percent has no meaning there')
    if re.search(r"(?:^|[\s,])[0-9.]*[1-9][0-9.]*\s*(?:,|$)", text):
        raise ValueError('in vw or px, such as "600px". A number needs a unit')
    return text


def read_host(value: object) -> str | None:
    if value is None or value == "":
        return value
    pattern = r"https?://(?:[a-z0-9_](?:[a-z0-9_\-.]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?/?"
    if not isinstance(value, str) or not re.fullmatch(pattern, value):
        raise ValueError(
            'scheme and host in small letters, without a path, such as "https://img.example.com".'
            ' Use "" for none'
        )
    return value.removesuffix("/")


def read_allow_origin(value: object) -> str | None:
    if value == "*" and isinstance(value, str):
        return value
    try:
        return read_host(value) or None
    except ValueError:
        raise ValueError('"*", or one origin such as "https://www.example.com"') from None


def read_delivery(value: object) -> str:
    """A path becomes one that a key can follow."""
    if value in (BY_APP, BY_STORAGE):
        return str(value)
    if not isinstance(value, str) or not re.fullmatch(r"/[A-Za-z0-9/_.\-]*[A-Za-z0-9_\-]/?", value):
        raise ValueError(
            f'"{BY_APP}", "{BY_STORAGE}", or the path of an internal location of nginx, such as "/private-variants/"'
        )
    return f"{value.removesuffix('/')}/"


def _read_source(entry: object) -> SourceSettings:
    expected = ValueError(
        'a dict such as {"default": {"BACKEND": "dotted.path", "OPTIONS": {}, "OPEN": False}}.'
        " An alias has 1 to 64 letters, digits, - and _. OPEN and PRIVATE are True or False, ALLOW is a dotted path"
    )
    names = {field.name for field in dataclasses.fields(SourceSettings)}
    if not isinstance(entry, Mapping) or not set(entry) <= names:
        raise expected
    if not isinstance(entry.get("BACKEND", ""), str):
        raise expected
    if not isinstance(entry.get("OPTIONS", {}), Mapping):
        raise expected
    # The string "False" counts as true, and would open a source that should be closed.
    if not all(isinstance(entry.get(name, False), bool) for name in ("OPEN", "PRIVATE")):
        raise expected
    if not isinstance(entry.get("ALLOW"), str | None) or entry.get("ALLOW") == "":
        raise expected
    source = SourceSettings(**entry)
    if source.OPEN and source.PRIVATE:
        raise ValueError(
            "a dict of sources. A source cannot be both OPEN and PRIVATE: remove one of them"
        )
    if source.ALLOW and not source.PRIVATE:
        raise ValueError(
            "a dict of sources. ALLOW decides about private sources only: set PRIVATE to True"
        )
    return source


def read_sources(value: object) -> Mapping[str, SourceSettings]:
    expected = ValueError(
        'a dict such as {"default": {"BACKEND": "dotted.path"}}.'
        " An alias has 1 to 64 letters, digits, - and _"
    )
    if not isinstance(value, Mapping):
        raise expected
    # Media files stay a source when you add others. To change that, replace "default".
    sources = {DEFAULT_SOURCE: SourceSettings()}
    for alias, entry in value.items():
        if not isinstance(alias, str) or not re.fullmatch(r"[A-Za-z0-9_\-]{1,64}", alias):
            raise expected
        sources[alias] = _read_source(entry)
    return sources


def read_defaults(value: object) -> Mapping[str, Any]:
    expected = ValueError('a dict of options and attributes, such as {"quality": "high"}')
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise expected
    wrong = sorted(_NOT_IN_PRESETS & value.keys())
    if wrong:
        raise ValueError(
            f"a dict of options and attributes without {wrong[0]}, which belongs into the tag"
        )
    return dict(value)


def read_presets(value: object) -> Mapping[str, Mapping[str, Any]]:
    """Presets by name. Those that extend others have the entries of the others too."""
    expected = ValueError(
        'a dict such as {"card": {"width": 400, "ratio": "3/2"}}. A name has 1 to 64 letters, digits, - and _.'
        ' An entry may extend another: {"large": {"extends": "card", "width": 800}}'
    )
    if not isinstance(value, Mapping):
        raise expected
    for name, entry in value.items():
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_\-]{1,64}", name):
            raise expected
        if not isinstance(entry, Mapping):
            raise expected
    return {name: read_defaults(_extended(name, value, ())) for name in value}


def _extended(name: str, presets: Mapping[str, Any], below: tuple[str, ...]) -> dict[str, Any]:
    """A preset with what it extends. `below` are the presets that extend it, first to last."""
    if name in below:
        raise ValueError(f"a dict of presets. {' extends '.join((*below, name))}: that has no end")
    entry = dict(presets[name])
    other = entry.pop("extends", None)
    if other is None:
        return entry
    if other not in presets:
        raise ValueError(f"a dict of presets. {name!r} extends {other!r}, which is unknown")
    return {**_extended(other, presets, (*below, name)), **entry}


def read_warming(value: object) -> tuple[str, ...]:
    """Names of presets; the empty name is a tag without a preset."""
    if isinstance(value, bool):
        return ("",) if value else ()
    if not isinstance(value, (list, tuple)):
        raise ValueError("True, False or a list of presets")
    return read_texts(value)
