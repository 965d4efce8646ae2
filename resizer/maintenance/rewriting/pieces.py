"""A template as text and pieces: Django's own lexer finds each `{% tag %}` and `{{ variable }}`, and where it stands."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from django.template.base import DebugLexer, Token, TokenType

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Stands for a character of a piece in a text that is read as HTML. No template has it.
FILLER = "\ue000"
#: Tags in the middle of a block.
_MIDDLES = frozenset({"elif", "else", "empty", "plural"})


class Unclear(Exception):
    """Something that is left as it is, with the reason."""


@dataclass(frozen=True, eq=False)
class Piece:
    """A tag or a variable of a template."""

    is_tag: bool
    #: Without the braces and the spaces beside them.
    contents: str
    start: int
    end: int
    line: int
    #: The tags of the blocks around it, the outermost first.
    blocks: tuple[Piece, ...] = ()

    @cached_property
    def bits(self) -> list[str]:
        """The words of a tag. A word may have quotes with spaces inside."""
        return Token(TokenType.BLOCK, self.contents).split_contents()

    @property
    def name(self) -> str:
        words = self.contents.split(None, 1) if self.is_tag else []
        return words[0] if words else ""

    def mentions(self, variable: str) -> bool:
        """Whether it can use the variable of a page."""
        return bool(re.search(rf"(?<![\w.\"'-]){re.escape(variable)}(?![\w-])", self.contents))


@dataclass(frozen=True)
class Template:
    """A template's text and pieces."""

    text: str
    #: In their order. Nothing of a comment.
    pieces: tuple[Piece, ...]
    #: The text as HTML, with fillers for pieces and for comments. Positions are the same.
    html: str

    def end_of(self, piece: Piece) -> Piece | None:
        """The tag that ends the block of a tag."""
        name = f"end{piece.name}"
        following = self.after(piece)
        return next(
            (one for one in following if one.name == name and one.blocks == piece.blocks), None
        )

    def middle_of(self, piece: Piece, name: str) -> Piece | None:
        """A tag in the middle of a block, such as `empty`."""
        inside = (*piece.blocks, piece)
        return next(
            (one for one in self.after(piece) if one.name == name and one.blocks == inside), None
        )

    def after(self, piece: Piece) -> Iterator[Piece]:
        return iter(self.pieces[self.pieces.index(piece) + 1 :])

    def between(self, start: int, end: int) -> list[Piece]:
        return [one for one in self.pieces if start <= one.start < end]

    def scope_of(self, piece: Piece) -> int:
        """The end of a variable set by a tag without a block: the end of the tag's own block, or the next branch."""
        depth = len(piece.blocks)
        for one in self.after(piece):
            is_left = len(one.blocks) < depth or one.blocks[:depth] != piece.blocks
            is_branch = len(one.blocks) == depth and one.name in _MIDDLES
            if is_left or is_branch:
                return one.start
        return len(self.text)


def read_template(text: str) -> Template:
    """Find the pieces of a template. Raises Unclear for a text that Django cannot read."""
    if FILLER in text:
        raise Unclear("it has characters of a private use (U+E000)")
    found, html = [], list(text)
    comment: Piece | None = None
    for token in DebugLexer(text).tokenize():
        if token.token_type is TokenType.TEXT:
            continue
        # Only a token that is made without a template has no position.
        start, end = token.position or (0, 0)
        html[start:end] = FILLER * (end - start)
        if token.token_type is TokenType.COMMENT:
            continue
        piece = Piece(
            token.token_type is TokenType.BLOCK, token.contents, start, end, token.lineno or 0
        )
        if comment is not None:
            if piece.name == "endcomment":
                html[comment.start : end] = FILLER * (end - comment.start)
                comment = None
            continue
        if piece.name == "comment":
            comment = piece
            continue
        found.append(piece)
    return Template(text, tuple(_nested(found)), "".join(html))


def _nested(pieces: list[Piece]) -> Iterator[Piece]:
    """The same pieces with the blocks around each."""
    ended = {one.name.removeprefix("end") for one in pieces if one.name.startswith("end")}
    stack: list[Piece] = []
    for piece in pieces:
        name = piece.name
        if name.startswith("end") and any(f"end{one.name}" == name for one in stack):
            while f"end{stack[-1].name}" != name:
                stack.pop()
            stack.pop()
        nested = Piece(
            piece.is_tag, piece.contents, piece.start, piece.end, piece.line, tuple(stack)
        )
        yield nested
        if name in ended:
            stack.append(nested)
