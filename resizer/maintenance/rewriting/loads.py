"""`{% load %}` of a rewritten template: ours comes in, and a library that nothing uses any longer goes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection

    from resizer.maintenance.rewriting.pieces import Piece, Template

OURS = "resizer"


class Library(NamedTuple):
    """What a template gets from a library of another package."""

    tags: frozenset[str]
    filters: frozenset[str] = frozenset()


_THUMBNAIL = Library(
    frozenset({"thumbnail"}),
    frozenset({"background_margin", "data_uri", "html_thumbnails", "is_portrait", "margin", "markdown_thumbnails",
               "resolution", "thumbnail_url", "thumbnailer", "thumbnailer_passive"}),
)  # fmt: skip
LIBRARIES = {
    "easy_thumbnails_tags": _THUMBNAIL,
    "imagekit": Library(frozenset({"generateimage", "thumbnail"})),
    "pictures": Library(frozenset({"img_url", "picture"})),
    "sorl_thumbnail": _THUMBNAIL,
    "thumbnail": _THUMBNAIL,
    "wagtailimages_tags": Library(frozenset({"image", "image_url", "picture", "srcset_image"})),
}


class Edit(NamedTuple):
    """A text in the place of another."""

    start: int
    end: int
    text: str


def loaded(template: Template) -> set[str]:
    """The libraries that a template loads."""
    return {name for piece in template.pieces if piece.name == "load" for name in _names(piece)}


def _names(piece: Piece) -> list[str]:
    words = piece.bits[1:]
    # `{% load tag from library %}`
    return words[-1:] if "from" in words else words


def edit_loads(template: Template, edits: Collection[Edit], *, is_builtin: bool) -> list[Edit]:
    """The changes of `{% load %}` that belong to other changes."""
    kept = [
        piece
        for piece in template.pieces
        if not any(one.start <= piece.start < one.end for one in edits)
    ]
    loads = [piece for piece in kept if piece.name == "load" and "from" not in piece.bits]
    needless = {
        name
        for name in loaded(template)
        if name in LIBRARIES and not _is_used(LIBRARIES[name], kept)
    }
    first = min(one.start for one in edits)
    before = [piece for piece in loads if piece.start < first]
    is_there = is_builtin or any(OURS in _names(piece) for piece in before)
    # Rather in the place of a library that goes.
    host = (
        None
        if is_there
        else next(
            (piece for piece in before if needless.intersection(_names(piece))),
            next(iter(before), None),
        )
    )
    made = [_edit_load(template, piece, needless, is_host=piece is host) for piece in loads]
    changed = [one for one in made if one is not None]
    return changed if is_there or host else [*changed, _new_load(template)]


def _is_used(library: Library, pieces: Collection[Piece]) -> bool:
    return any(piece.name in library.tags or _filter_of(library, piece) for piece in pieces)


def foreign_filter(piece: Piece, libraries: Collection[str]) -> str:
    """The filter of another package that a piece uses. Empty for none."""
    used = (_filter_of(LIBRARIES[name], piece) for name in libraries if name in LIBRARIES)
    return next(filter(None, used), "")


def _filter_of(library: Library, piece: Piece) -> str:
    names = "|".join(library.filters) or "(?!)"
    match = re.search(rf"\|({names})\b", piece.contents)
    return match[1] if match else ""


def _edit_load(
    template: Template, piece: Piece, needless: Collection[str], *, is_host: bool
) -> Edit | None:
    names = [name for name in _names(piece) if name not in needless]
    if is_host:
        names.append(OURS)
    if names == _names(piece):
        return None
    if not names:
        return without(template, piece)
    return Edit(piece.start, piece.end, f"{{% load {' '.join(names)} %}}")


def _new_load(template: Template) -> Edit:
    """After `{% extends %}`, which has to be first, or at the start."""
    end_of_line = "\r\n" if "\r\n" in template.text else "\n"
    written = f"{{% load {OURS} %}}"
    parent = next((piece for piece in template.pieces if piece.name == "extends"), None)
    if parent is not None:
        return Edit(parent.end, parent.end, end_of_line + written)
    start = 1 if template.text.startswith("\ufeff") else 0
    return Edit(start, start, written + end_of_line)


def without(template: Template, piece: Piece) -> Edit:
    """Remove a tag, with its line if nothing else is there."""
    text = template.text
    start = text.rfind("\n", 0, piece.start) + 1
    match = re.compile(r"[ \t]*(?:\r?\n|$)").match(text, piece.end)
    if match is None or text[start : piece.start].strip():
        return Edit(piece.start, piece.end, "")
    return Edit(start, match.end(), "")
