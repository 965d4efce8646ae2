"""Short URLs: unsigned, for open sources only, [width "/"] ["_" source "/"] name."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote

from resizer.errors import InvalidOption, OriginalNotFound
from resizer.keys.names import escape_name
from resizer.keys.variant import DEFAULT_SOURCE


class ShortURL(NamedTuple):
    """The parts of a short URL."""

    source: str
    name: str
    width: int | None = None  # px; None: the original's own


_SHORT = re.compile(
    r"(?:(?P<width>0|[1-9][0-9]{0,8})/)?(?:_(?P<source>[A-Za-z0-9_\-]+)/)?(?P<name>.+)", re.DOTALL
)


def parse_short(path: str) -> ShortURL:
    """Parse the path of a short URL, percent-decoded. Its name is not escaped as in a key.

    Raises OriginalNotFound for an impossible name, and for a second spelling.
    """
    match = _SHORT.fullmatch(path)
    if match is None or match["source"] == DEFAULT_SOURCE:
        raise OriginalNotFound("the path has no name, or names the default source")
    try:
        # Security: check the name before a redirect can contain it.
        escape_name(match["name"])
    except InvalidOption as error:
        raise OriginalNotFound(str(error)) from error
    width = int(match["width"]) if match["width"] else None
    return ShortURL(match["source"] or DEFAULT_SOURCE, match["name"], width)


def quote_path(path: str) -> str:
    """Percent-encode a path. Characters of a key stay."""
    return quote(path, safe="/,=")


def write_short(short: ShortURL) -> str:
    """Spell the path of a short URL, percent-encoded."""
    width = "" if short.width is None else f"{short.width}/"
    source = "" if short.source == DEFAULT_SOURCE else f"_{short.source}/"
    return f"{width}{source}{quote_path(short.name)}"
