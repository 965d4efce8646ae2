"""Names of originals in keys: `escape_name` spells a name with the characters of a key, `unescape_name` parses it."""

from __future__ import annotations

import re

from resizer.errors import InvalidOption

#: Limit of file systems for one segment of a path.
MAX_SEGMENT_BYTES = 255
#: Of an escaped name. Leaves room for the longest source, recipe and width.
MAX_NAME_BYTES = 800
# No honest name has control characters or lone surrogates. Some storages take a backslash for a separator.
_REFUSED = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\\]")
# ASCII outside a key's alphabet. "=" begins an escape, so it is escaped too.
_UNSAFE = re.compile(r"[^A-Za-z0-9_.,\-\x80-\U0010ffff]")
_ESCAPED = re.compile(r"=([0-9A-F]{2})")
_WIDE = "=="


def tidy_name(name: str) -> str:
    """Leave out empty steps and `.`, as file systems do: `a//b.jpg` and `./a/b.jpg` become `a/b.jpg`.

    An absolute path stays the same.
    """
    steps = [step for step in name.split("/") if step not in {"", "."}]
    return "/".join(steps) if steps and not name.startswith("/") else name


def escape_name(name: str) -> str:
    """Spell a name with the characters of a key. Reversible; most names stay the same.

    In each segment, other ASCII characters become `=` and two hexadecimal digits. If a segment then has characters beyond
    ASCII, it becomes `==` and its Punycode (RFC 3492). Punycode takes about three bytes for a Chinese character,
    percent-encoding nine.
    Raises InvalidOption for a name that cannot be a path.
    """
    if len(name) > MAX_NAME_BYTES:
        raise InvalidOption(f"name {name[:200]!r} is too long")
    segments = []
    for position, segment in enumerate(name.split("/")):
        if segment in {"", ".", ".."} or _REFUSED.search(segment):
            raise InvalidOption(f"name {name[:200]!r} is not a path")
        escaped = _UNSAFE.sub(lambda match: f"={ord(match[0]):02X}", segment)
        # Security: Punycode takes quadratic time, and each character at least one byte. Strangers invent names of 60 KB.
        if not escaped.isascii() and len(escaped) <= MAX_SEGMENT_BYTES:
            escaped = _WIDE + escaped.encode("punycode").decode("ascii")
        if position == 0 and escaped.startswith("_"):
            # A first segment with "_" names a source.
            escaped = "=5F" + escaped[1:]
        if len(escaped) > MAX_SEGMENT_BYTES:
            raise InvalidOption(
                f"name {name[:200]!r} has a segment longer than {MAX_SEGMENT_BYTES} bytes"
            )
        segments.append(escaped)
    path = "/".join(segments)
    if len(path) > MAX_NAME_BYTES:
        raise InvalidOption(f"name {name[:200]!r} is too long")
    return path


def unescape_name(escaped: str) -> str:
    """Parse a name of `escape_name`. Raises InvalidOption for any other spelling."""
    segments = []
    for segment in escaped.split("/"):
        if len(segment) > MAX_SEGMENT_BYTES:
            raise InvalidOption(f"the name has a segment longer than {MAX_SEGMENT_BYTES} bytes")
        text = segment
        if segment.startswith(_WIDE):
            try:
                text = segment.removeprefix(_WIDE).encode("ascii").decode("punycode")
            except (UnicodeError, OverflowError) as error:
                raise InvalidOption(f"segment {segment!r} cannot be read") from error
        segments.append(_ESCAPED.sub(lambda match: chr(int(match[1], 16)), text))
    name = "/".join(segments)
    if escape_name(name) != escaped:
        raise InvalidOption(f"name {escaped!r} is not in its canonical spelling")
    return name
