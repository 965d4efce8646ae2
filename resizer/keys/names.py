"""Names of originals, spelled with the characters of a key: A-Z a-z 0-9 / _ . , = -"""

from __future__ import annotations

import re

from resizer.errors import InvalidOption

#: What file systems allow for one segment of a path.
MAX_SEGMENT_BYTES = 255
#: Of an escaped name; leaves a key room for the longest source, recipe and width.
MAX_NAME_BYTES = 800

# Control characters and lone surrogates are in no honest name; storages disagree about what a backslash separates.
_REFUSED = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\\]")
# ASCII beyond a key's alphabet. "=" begins an escape, so a name's own one is escaped too.
_UNSAFE = re.compile(r"[^A-Za-z0-9_.,\-\x80-\U0010ffff]")
_ESCAPED = re.compile(r"=([0-9A-F]{2})")
_WIDE = "=="


def tidy_name(name: str) -> str:
    """Leave out the steps of a path that lead nowhere, as file systems do: of `a//b.jpg` and `./a/b.jpg` the name is `a/b.jpg`.

    What is no name below a directory stays as it is.
    """
    steps = [step for step in name.split("/") if step not in {"", "."}]
    return "/".join(steps) if steps and not name.startswith("/") else name


def escape_name(name: str) -> str:
    """Spell a name with the characters of a key; reversible, and unchanged where nothing needs it.

    In each segment other ASCII characters become `=` and two hexadecimal digits; then, if there are
    characters beyond ASCII, the segment becomes `==` and its Punycode (RFC 3492), about three bytes
    for a Chinese character where percent-encoding takes nine.
    Raises InvalidOption for a name that cannot be a path.
    """
    segments = []
    for position, segment in enumerate(name.split("/")):
        if segment in {"", ".", ".."} or _REFUSED.search(segment):
            raise InvalidOption(f"name {name[:200]!r} is not a path")
        escaped = _UNSAFE.sub(lambda match: f"={ord(match[0]):02X}", segment)
        if not escaped.isascii():
            escaped = _WIDE + escaped.encode("punycode").decode("ascii")
        if position == 0 and escaped.startswith("_"):
            # A first segment with "_" names a source.
            escaped = "=5F" + escaped[1:]
        if len(escaped) > MAX_SEGMENT_BYTES:
            raise InvalidOption(f"name {name[:200]!r} has a segment that is too long")
        segments.append(escaped)
    path = "/".join(segments)
    if len(path) > MAX_NAME_BYTES:
        raise InvalidOption(f"name {name[:200]!r} is too long")
    return path


def unescape_name(escaped: str) -> str:
    """Read back what `escape_name` wrote. Raises InvalidOption for any other spelling."""
    segments = []
    for segment in escaped.split("/"):
        if len(segment) > MAX_SEGMENT_BYTES:
            raise InvalidOption("the name has a segment that is too long")
        text = segment
        if segment.startswith(_WIDE):
            try:
                text = segment.removeprefix(_WIDE).encode("ascii").decode("punycode")
            except (UnicodeError, OverflowError) as error:
                raise InvalidOption(f"segment {segment!r} cannot be read") from error
        segments.append(_ESCAPED.sub(lambda match: chr(int(match[1], 16)), text))
    name = "/".join(segments)
    if escape_name(name) != escaped:
        raise InvalidOption(f"name {escaped!r} is not spelled as we spell it")
    return name
