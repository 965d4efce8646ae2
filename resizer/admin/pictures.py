"""Pictures of any model: previews in its lists, and the mixin that brings them and the widget of focal points."""

from __future__ import annotations

from collections import defaultdict
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from resizer.admin import previews
from resizer.admin.lists import MAX_READ
from resizer.admin.previews import CARD_WIDTH, Preview
from resizer.admin.states import State, state_of
from resizer.conf import get_settings
from resizer.errors import OriginalNotFound, ResizerError
from resizer.keys.digests import digest_of
from resizer.keys.variant import parse_key
from resizer.links.private import url_of
from resizer.models import CachedVariant, Original
from resizer.originals import locate
from resizer.records.descriptions import Reference, from_row
from resizer.sources.files import storage_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from django.db.models.fields.files import FieldFile
    from django.utils.safestring import SafeString

    from resizer.keys.variant import ParsedKey

#: Attribute of a row of a list: the pictures found for the whole page.
_NOTED = "_resizer_pictures"


class Picture(NamedTuple):
    preview: Preview
    original: Original


def preview(path: str) -> Callable[[Any], SafeString]:
    """A column for `list_display`, with the picture at a path such as "image" or "author.avatar"."""
    read = attrgetter(path)

    @admin.display(description=_("preview"))
    def show(row: Any) -> SafeString:
        file = read(row)
        found = row.__dict__.get(_NOTED)
        if found is None:
            found = find([file])
        picture = found.get(reference_of(file))
        return previews.draw(picture.preview if picture else None)

    show.read = read  # type: ignore[attr-defined]  # for `note_pictures`
    return show


def note_pictures(columns: Iterable[object]) -> Callable[[list[Any]], None]:
    """A function that finds the pictures of all rows of a page, for the columns made by `preview`."""
    readers = [column.read for column in columns if hasattr(column, "read")]

    def note(rows: list[Any]) -> None:
        found = find([read(row) for row in rows for read in readers]) if readers else {}
        for row in rows:
            row.__dict__[_NOTED] = found

    return note


def find(
    files: Iterable[FieldFile], least: int = CARD_WIDTH, *, is_whole: bool = False
) -> dict[Reference, Picture]:
    """The pictures with a current variant, by one query. `least` and `is_whole` are those of `choose`."""
    digests = {digest_of(*one) for one in map(reference_of, files) if one.name}
    rows = CachedVariant.objects.order_by().filter(original__digest__in=digests)
    variants: dict[Original, list[CachedVariant]] = defaultdict(list)
    for row in rows.select_related("original")[:MAX_READ] if digests else ():
        if state_of(row, set()) is State.CURRENT:
            variants[row.original].append(row)
    pictures = {}
    for original, some in variants.items():
        chosen = previews.choose(some, least, is_whole=is_whole)
        if chosen is not None:
            shown = Preview(_url_of(chosen), chosen.width, chosen.height)
            pictures[locate(original)] = Picture(shown, original)
    return pictures


def _url_of(row: CachedVariant) -> str:
    """An editor sees a private picture under the same conditions as a visitor."""
    return url_of(cast("ParsedKey", parse_key(row.key)).variant)


def original_at(reference: Reference) -> Original | None:
    """The row of an original. None if there is none."""
    return Original.objects.filter(digest=digest_of(*reference)).first()


def suggestion_of(original: Original) -> str:
    """The automatic focal point, such as "62,35". Empty if it is unknown."""
    description = from_row(original)
    sketch = description.sketch if description else None
    return "{},{}".format(*sketch.focal) if sketch else ""


def reference_of(file: FieldFile) -> Reference:
    """Its name is empty for an empty field, and for a storage without a source."""
    try:
        return locate(file)
    except OriginalNotFound:
        return Reference("", "")


def plain_url(file: FieldFile) -> str:
    """The URL of the file itself. Empty if its storage has none, or fails, and for a private original."""
    if get_settings().is_private(reference_of(file).source):
        return ""
    try:
        with storage_errors(str(file)):
            return str(file.url)
    except ResizerError:
        return ""
