"""Templates as files: find them, show what would change, and change them whole or not at all."""

from __future__ import annotations

import difflib
import os
import shutil
import tempfile
from typing import TYPE_CHECKING

from resizer.maintenance.rewriting.pieces import Unclear

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

#: The usual endings of Django's templates.
ENDINGS = frozenset({".djhtml", ".htm", ".html"})
#: Directories without Django's templates of the project itself.
_OTHERS = frozenset({"jinja2", "node_modules"})


def find_templates(places: Iterable[Path]) -> Iterator[Path]:
    """The templates in directories, in order, and named files of any ending. Raises FileNotFoundError."""
    for place in places:
        if not place.is_dir():
            place.stat()
            yield place
            continue
        for directory, names, files in os.walk(place):
            names[:] = sorted(
                one for one in names if one not in _OTHERS and not one.startswith(".")
            )
            yield from (
                place.__class__(directory, one)
                for one in sorted(files)
                if os.path.splitext(one)[1].lower() in ENDINGS
            )


def read(path: Path) -> str:
    """The text of a template, with the line ends of its file. Raises Unclear and OSError."""
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise Unclear(f"it is not UTF-8: {error}") from error


def write(path: Path, text: str) -> None:
    """Replace the content of a file, and keep its mode. A link stays a link. Raises OSError."""
    target = path.resolve()
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with open(descriptor, "wb") as file:
            file.write(text.encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())
        shutil.copymode(target, temporary)
        os.replace(temporary, target)
    except OSError:
        os.unlink(temporary)
        raise


def diff(path: Path, before: str, after: str) -> str:
    """A unified diff, for `patch`."""
    name = path.as_posix().removeprefix("/")
    lines = difflib.unified_diff(
        before.splitlines(keepends=True),
        after.splitlines(keepends=True),
        fromfile=f"a/{name}",
        tofile=f"b/{name}",
    )
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )
