"""Short addresses: unsigned, of open sources only, [width "/"] ["_" source "/"] name."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote

from resizer.errors import InvalidOption, OriginalNotFound
from resizer.keys.variant import DEFAULT_SOURCE, escape_name


class ShortAddress(NamedTuple):
    """What a short address asks for."""

    source: str
    name: str
    width: int | None = None  # px; None is the original's own


_SHORT = re.compile(
    r"(?:(?P<width>0|[1-9][0-9]{0,8})/)?(?:_(?P<source>[A-Za-z0-9_\-]+)/)?(?P<name>.+)", re.DOTALL
)


def parse_short(path: str) -> ShortAddress:
    """Read a path that is no key; its name is a plain one, without escapes.

    Raises OriginalNotFound for a name that no original can have.
    """
    match = _SHORT.fullmatch(path)
    if match is None or match["source"] == DEFAULT_SOURCE:
        raise OriginalNotFound("no name, or a second spelling of one")
    try:
        # Before it can become part of a redirect.
        escape_name(match["name"])
    except InvalidOption as error:
        raise OriginalNotFound(str(error)) from error
    width = int(match["width"]) if match["width"] else None
    return ShortAddress(match["source"] or DEFAULT_SOURCE, match["name"], width)


def quote_path(path: str) -> str:
    """Percent-encode a path, but for the characters that a key may have."""
    return quote(path, safe="/,=")


def write_short(address: ShortAddress) -> str:
    """Spell a short address, for a URL's path."""
    width = "" if address.width is None else f"{address.width}/"
    source = "" if address.source == DEFAULT_SOURCE else f"_{address.source}/"
    return f"{width}{source}{quote_path(address.name)}"
