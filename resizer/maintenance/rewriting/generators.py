"""Generators of django-imagekit, each as the preset that would do the same. A suggestion: a person writes the settings."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: The anchors of pilkit as focal points. Empty for the middle.
ANCHORS = {"l": "0,50", "r": "100,50", "t": "50,0", "b": "50,100", "c": "", "tl": "0,0", "tr": "100,0",
            "bl": "0,100", "br": "100,100", "center": "", "auto": "auto"}  # fmt: skip
#: Processors of pilkit for a size, and our options for each, without the sides.
_RESIZERS: Mapping[str, Mapping[str, str]] = {
    "Resize": {"fit": "fill"},
    "ResizeToFill": {},
    "ResizeToFit": {"fit": "contain"},
    "SmartResize": {"focal": "auto"},
}


def find_presets() -> dict[str, str]:
    """`"card": {"width": 400}` for the name `card` of each generator, with what it leaves out. Empty without imagekit."""
    # Without an import of a package that is to go.
    registry = getattr(sys.modules.get("imagekit.registry"), "generator_registry", None)
    found: dict[str, str] = {}
    for identifier in registry.get_ids() if registry else ():
        name = identifier.rpartition(":")[2]
        written = _write(name, _processors(registry, identifier))
        # Generators of two apps may have one name, but a preset of that name can be only one of them.
        found[name] = written if found.get(name, written) == written else ""
    return {name: written for name, written in found.items() if written}


def _processors(registry: Any, identifier: str) -> Iterable[object]:
    try:
        return tuple(registry.get(identifier, source=None).processors or ())
    except Exception:
        # A generator is code of the project, made for an original. Only a suggestion is lost.
        return ()


def _write(name: str, processors: Iterable[Any]) -> str:
    """The preset, and what has no counterpart. Empty without a size."""
    options: dict[str, object] = {}
    lost: list[str] = []
    for one in processors:
        kind = type(one).__name__
        if options or kind not in _RESIZERS:
            lost.append(kind)
            continue
        options = _options(one, _RESIZERS[kind])
        lost += ["mat_color"] if getattr(one, "mat_color", None) else []
    if not options:
        return ""
    note = f" ({', '.join(lost)} without a counterpart)" if lost else ""
    return f'"{name}": {json.dumps(options)}{note}'


def _options(processor: Any, options: Mapping[str, str]) -> dict[str, object]:
    sides = {name: getattr(processor, name, None) for name in ("width", "height")}
    given: dict[str, object] = {name: side for name, side in sides.items() if side}
    if len(given) < 2:
        # One side alone neither crops nor distorts.
        return given
    # ResizeToFit crops nothing. Its anchor places the margins.
    anchor = None if options else getattr(processor, "anchor", None)
    focal = _focal(anchor)
    return {**given, **options, **({"focal": focal} if focal else {})}


def _focal(anchor: Any) -> str:
    """A point in percent, from a word or from two fractions. Empty for the middle."""
    if isinstance(anchor, str) or anchor is None:
        return ANCHORS.get(anchor or "", "")
    return ",".join(str(round(100 * part)) for part in anchor)
