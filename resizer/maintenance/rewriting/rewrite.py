"""Rewrites a template: pictures of other packages become ours. What is unclear stays, with a reason."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from resizer.maintenance.rewriting import thumbnails
from resizer.maintenance.rewriting.checking import check_tag, is_builtin
from resizer.maintenance.rewriting.elements import without_usual, write_image
from resizer.maintenance.rewriting.images import find_images
from resizer.maintenance.rewriting.loads import Edit, edit_loads, foreign_filter, loaded, without
from resizer.maintenance.rewriting.pieces import Unclear, read_template
from resizer.maintenance.rewriting.readers import SORL, reader_of
from resizer.maintenance.rewriting.spelling import Asked, tag

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from resizer.maintenance.rewriting.images import Image
    from resizer.maintenance.rewriting.pieces import Piece, Template
    from resizer.maintenance.rewriting.readers import Reader


class Note(NamedTuple):
    """A place in a template, and what a person should know of it."""

    line: int
    #: The tag as the template has it.
    text: str
    reason: str


class Rewritten(NamedTuple):
    text: str
    #: How many pictures are ours now.
    pictures: int
    #: What stays as it is.
    left: list[Note]
    #: What was rewritten, but should be looked at.
    remarks: list[Note]


#: What a variable of such a tag can have.
_URL = re.compile(r"(\w+)\.(?:url|src|attrs)")
#: Of the file. Our picture has them, too.
_SIDE = re.compile(r"\w+\.(?:width|height)")
_IMG = re.compile(r"(\w+)\.(tag|img_tag)")
#: The alternative text of an `<img>` that a variable prints. That of Wagtail is stored.
_ALTS = {"tag": {"alt": '""'}, "img_tag": {}}
_NO_ALT = 'it has no alt, so alt="" says that it is decoration'
#: A field's own file: `photo.image.url`.
_PLAIN = re.compile(r"([\w.]+?)(\.url)?")


class Models(NamedTuple):
    """What the project's models have, by name."""

    #: Fields for files.
    files: frozenset[str]
    #: Specs of django-imagekit, each with the field of its original; empty if models differ.
    specs: Mapping[str, str] = {}


def rewrite(text: str, models: Models) -> Rewritten:
    """Rewrite one template. Raises Unclear for a text that cannot be read."""
    template = read_template(text)
    return _Rewriter(template, find_images(template), models).run()


class _Rewriter:
    def __init__(self, template: Template, images: Sequence[Image], models: Models) -> None:
        self._template = template
        self._images = images
        self._models = models
        self._libraries = loaded(template)
        self._edits: list[Edit] = []
        self._done: set[Piece] = set()
        self._left: list[Note] = []
        self._remarks: list[Note] = []
        self._pictures = 0

    def run(self) -> Rewritten:
        for piece in self._template.pieces:
            if piece in self._done:
                continue
            remarks = len(self._remarks)
            try:
                edits = self._rewrite(piece)
            except Unclear as problem:
                del self._remarks[remarks:]
                self._left.append(self._note(piece, str(problem)))
                continue
            self._edits += edits
            self._pictures += any(map(_is_picture, edits))
        if not self._edits:
            return Rewritten(self._template.text, 0, self._left, self._remarks)
        loads = edit_loads(self._template, self._edits, is_builtin=is_builtin())
        text = _applied(self._template.text, [*self._edits, *loads])
        return Rewritten(text, self._pictures, self._left, self._remarks)

    def _note(self, piece: Piece, reason: str) -> Note:
        return Note(piece.line, self._template.text[piece.start : piece.end], reason)

    def _rewrite(self, piece: Piece) -> list[Edit]:
        if not piece.is_tag:
            return self._variable(piece)
        reader = reader_of(piece, self._template, self._libraries)
        if reader is None:
            return self._unchanged(piece)
        bits = piece.bits[1:]
        if not bits:
            raise Unclear("it has no original")
        name = bits[-1] if len(bits) > 2 and bits[-2] == "as" else ""
        if name:
            self._refuse_in_img(piece)
            self._done.update(self._mentions(piece, name))
            asked = self._read(reader, piece, bits[:-2])
            if reader is SORL:
                return self._block(piece, asked, name)
            return self._assigned(piece, asked, name)
        asked = self._read(reader, piece, bits)
        if not reader.is_image:
            return [self._url(piece, asked)]
        if not (reader.has_stored_alt or "alt" in asked.attributes):
            self._remarks.append(self._note(piece, _NO_ALT))
            asked = asked._replace(attributes={"alt": '""', **asked.attributes})
        return [self._element(piece, asked)]

    def _read(self, reader: Reader, piece: Piece, bits: list[str]) -> Asked:
        asked = reader.read(bits)
        if asked.remark:
            self._remarks.append(self._note(piece, asked.remark))
        return asked

    def _mentions(self, piece: Piece, name: str) -> list[Piece]:
        """The variables that a tag has set, whether they can be rewritten or not."""
        return [one for one in self._template.after(piece) if not one.is_tag and one.mentions(name)]

    def _variable(self, piece: Piece) -> list[Edit]:
        asked = (
            thumbnails.read_aliased(piece.contents)
            or thumbnails.read_field_alias(piece.contents, self._models.files)
            or thumbnails.read_versatile(piece.contents)
            or self._spec(piece.contents)
        )
        if asked is not None and piece.contents.endswith(".tag"):
            return [self._element(piece, asked._replace(attributes=_ALTS["tag"]))]
        if asked is not None:
            return [self._url(piece, asked)]
        image = self._image_of(piece)
        match = _PLAIN.fullmatch(piece.contents)
        if image is None or match is None or not (match[2] or image.has_media_prefix):
            return self._unchanged(piece)
        owner, _, field = match[1].rpartition(".")
        if not owner or field not in self._models.files:
            raise Unclear(
                f"no model has a field for files named {field}"
                if owner
                else "it may be no file of a model"
            )
        return [self._img(piece, image, Asked(match[1]))]

    def _unchanged(self, piece: Piece) -> list[Edit]:
        """Raises Unclear for a filter or a thumbnail of another package, which go with the package."""
        name = foreign_filter(piece, self._libraries)
        if name:
            raise Unclear(f"its filter {name} is of the old package")
        image = self._around(piece)
        if image is not None and image.source not in (None, piece):
            # What its `src` becomes decides about the other attributes.
            return []
        thumbnail = thumbnails.find_thumbnail(
            piece.contents, self._models.files, self._models.specs.keys()
        )
        if thumbnail:
            raise Unclear(f"{thumbnail} is of the old package")
        return []

    def _around(self, piece: Piece) -> Image | None:
        """The `<img>` that has a piece in one of its attributes."""
        return next((one for one in self._images if one.start < piece.start < one.end), None)

    def _spec(self, contents: str) -> Asked | None:
        """`photo.image_card.url`, as django-imagekit has it. None for any other variable. Raises Unclear."""
        match = _PLAIN.fullmatch(contents)
        owner, _, name = match[1].rpartition(".") if match and match[2] else ("", "", "")
        if not owner or name not in self._models.specs:
            return None
        source = self._models.specs[name]
        if not source:
            raise Unclear(f"{name} has other originals from model to model")
        return thumbnails.read_spec(f"{owner}.{source}", name)

    def _image_of(self, piece: Piece) -> Image | None:
        """The `<img>` whose `src` is a piece."""
        return next((one for one in self._images if one.source is piece), None)

    def _img(self, piece: Piece, image: Image, asked: Asked, variable: str = "") -> Edit:
        """An `<img>` of a URL becomes a picture."""
        written, is_alt_missing = write_image(image, asked, variable)
        check_tag(written, self._libraries)
        if is_alt_missing:
            self._remarks.append(self._note(piece, _NO_ALT))
        self._done.update(image.pieces())
        return Edit(image.start, image.end, written)

    def _url(self, piece: Piece, asked: Asked, variable: str = "") -> Edit:
        """A URL: that of an `<img>`, or any other."""
        image = self._image_of(piece)
        if image is not None:
            return self._img(piece, image, asked, variable)
        around = self._around(piece)
        if around is not None and piece in (around.attributes.get("src") or ()):
            raise Unclear(
                "its src has something beside it; for the host, write resized_url with absolute=True"
            )
        if around is not None:
            raise Unclear("it stands in another attribute of an img than src")
        written = tag("resized_url", Asked(asked.original, asked.options))
        check_tag(written, self._libraries)
        return Edit(piece.start, piece.end, written)

    def _element(self, piece: Piece, asked: Asked) -> Edit:
        """A tag that prints an `<img>`."""
        self._refuse_in_img(piece)
        written = tag("resized_img", without_usual(asked))
        check_tag(written, self._libraries)
        return Edit(piece.start, piece.end, written)

    def _refuse_in_img(self, piece: Piece) -> None:
        if self._around(piece) is not None:
            raise Unclear("it stands in an img")

    def _block(self, piece: Piece, asked: Asked, name: str) -> list[Edit]:
        """`{% thumbnail … as name %} … {% empty %} … {% endthumbnail %}`."""
        end = self._template.end_of(piece)
        if end is None:
            raise Unclear("its endthumbnail is missing")
        middle = self._template.middle_of(piece, "empty")
        stop = middle or end
        edits = self._uses(self._template.between(piece.end, stop.start), asked, name)
        text = self._template.text
        shown, other = text[piece.end : stop.start], text[middle.end : end.start] if middle else ""
        if len(edits) == 1 and _is_all(edits[0], piece.end, shown) and not other.strip():
            return [Edit(piece.start, end.end, edits[0].text)]
        edits.append(Edit(piece.start, piece.end, f"{{% if {asked.original} %}}"))
        edits.append(Edit(end.start, end.end, "{% endif %}"))
        if middle is not None:
            edits.append(Edit(middle.start, middle.end, "{% else %}"))
        return edits

    def _assigned(self, piece: Piece, asked: Asked, name: str) -> list[Edit]:
        """`{% tag … as name %}`, and its uses up to the end of the block around it."""
        template = self._template
        again = next(
            (one.start for one in template.after(piece) if one.bits[-2:] == ["as", name]),
            len(template.text),
        )
        end = min(again, template.scope_of(piece))
        if any(one.mentions(name) for one in template.between(end, again)):
            raise Unclear(f"{name} is used outside of its block, too")
        edits = self._uses(template.between(piece.end, end), asked, name)
        return [*edits, without(template, piece)]

    def _uses(self, pieces: Sequence[Piece], asked: Asked, name: str) -> list[Edit]:
        """The changes for all uses of a variable. Raises Unclear for a use without a counterpart."""
        edits = []
        seen: set[Piece] = set()
        for piece in pieces:
            if piece.name == "include" and "only" not in piece.bits:
                raise Unclear(f"an included template may use {name}")
        for piece in pieces:
            if not piece.mentions(name) or piece in seen:
                continue
            if piece.contents == f"if {name}":
                edits.append(Edit(piece.start, piece.end, f"{{% if {asked.original} %}}"))
                continue
            image = self._around(piece)
            if image is not None and image.source is not None and image.source.mentions(name):
                edits.append(self._img(image.source, image, asked, name))
                seen.update(image.pieces())
            elif (match := _URL.fullmatch(piece.contents)) and match[1] == name:
                edits.append(self._url(piece, asked, name))
            elif (match := _IMG.fullmatch(piece.contents)) and match[1] == name:
                edits.append(self._element(piece, asked._replace(attributes=_ALTS[match[2]])))
            else:
                shown = self._template.text[piece.start : piece.end]
                hint = f"; write resized_img … as {name}" if _SIDE.fullmatch(piece.contents) else ""
                raise Unclear(f"{name} is used in {shown}{hint}")
        if not any(_is_picture(one) for one in edits):
            raise Unclear(f"nothing here shows {name}")
        return edits


def _is_picture(edit: Edit) -> bool:
    return "{% resized_" in edit.text


def _is_all(edit: Edit, start: int, shown: str) -> bool:
    """Whether a change covers all of a text but for spaces."""
    before, after = shown[: edit.start - start], shown[edit.end - start :]
    return not before.strip() and not after.strip()


def _applied(text: str, edits: Sequence[Edit]) -> str:
    parts, end = [], 0
    for edit in sorted(edits):
        parts += [text[end : edit.start], edit.text]
        end = edit.end
    return "".join([*parts, text[end:]])
