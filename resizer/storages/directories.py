"""The names of the files below a directory, in order or unordered.

Ordered names can begin after any name. Order is by segments: "a/b" comes before "a-b". Memory is bounded by a page and
the depth. A storage without pages needs memory for the names of a whole directory.

Paths are plain strings: `pathlib` interns each part, which grows a table of the interpreter. Python 3.12 keeps the
parts for ever too.
"""

from __future__ import annotations

import heapq
import os
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from django.core.files.storage import Storage

    #: The entries of a directory, in order, from a name on: name, and whether it is a directory.
    Entries = Callable[[str, str], Iterable[tuple[str, bool]]]

#: The most names of a directory in memory. Each page reads the directory once more.
PAGE = 50_000


def walk(root: str | os.PathLike[str], directory: str = "", after: str = "") -> Iterator[str]:
    """Names below a local directory, in order. Empty if it is missing. Follows no links. Raises OSError."""
    return _walk(partial(_entries, root), directory, _segments(after))


def walk_linked(root: str | os.PathLike[str]) -> Iterator[str]:
    """All names, in no order. Follows links to directories. The first name comes at once.

    Skips unreadable directories below the root. Raises OSError.
    """
    return _wander(root, "", frozenset())


def walk_storage(storage: Storage, directory: str = "", after: str = "") -> Iterator[str]:
    """Names below a directory of any storage, in order. Raises the errors of the storage."""
    return _walk(partial(_listed, storage), directory, _segments(after))


def below(directory: str, name: str) -> str:
    """A name relative to a directory."""
    return name.removeprefix(f"{directory}/") if directory else name


def _walk(entries: Entries, directory: str, after: Sequence[str]) -> Iterator[str]:
    first, rest = (after[0], after[1:]) if after else ("", ())
    for name, is_directory in entries(directory, first):
        path = f"{directory}/{name}" if directory else name
        if is_directory:
            yield from _walk(entries, path, rest if name == first else ())
        elif name != first:
            yield path


def _entries(
    root: str | os.PathLike[str], directory: str, first: str
) -> Iterator[tuple[str, bool]]:
    while True:
        try:
            with os.scandir(os.path.join(root, directory)) as scanned:
                found = (one for one in scanned if one.name >= first)
                page = heapq.nsmallest(PAGE, found, key=attrgetter("name"))
        except FileNotFoundError:
            # Another process may delete it meanwhile.
            return
        for one in page:
            yield one.name, one.is_dir(follow_symlinks=False)
        if len(page) < PAGE:
            return
        # The next possible name.
        first = page[-1].name + "\0"


def _wander(root: str | os.PathLike[str], directory: str, above: frozenset[str]) -> Iterator[str]:
    path = os.path.join(root, directory)
    real = os.path.realpath(path)
    # A link to a parent directory would lead in a circle.
    if real in above:
        return
    try:
        scanned = os.scandir(path)
    except FileNotFoundError:
        return
    except PermissionError:
        # Such as "lost+found".
        if directory:
            return
        raise
    with scanned:
        for one in scanned:
            name = f"{directory}/{one.name}" if directory else one.name
            if _leads_to_directory(one):
                yield from _wander(root, name, above | {real})
            else:
                yield name


def _leads_to_directory(entry: os.DirEntry[str]) -> bool:
    # For anything but a link, the listing has the type already.
    is_link = entry.is_symlink()
    return os.path.isdir(entry.path) if is_link else entry.is_dir(follow_symlinks=False)


def _listed(storage: Storage, directory: str, first: str) -> Iterator[tuple[str, bool]]:
    try:
        directories, names = storage.listdir(directory)
    except FileNotFoundError:
        return
    kinds = dict.fromkeys(names, False) | dict.fromkeys(directories, True)
    yield from ((name, kinds[name]) for name in sorted(kinds) if name >= first)


def _segments(name: str) -> Sequence[str]:
    return name.split("/") if name else ()
