"""A widget for `FocalPointField`, in the form of any model with an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from resizer.admin import crops, pictures
from resizer.admin.sheet import STAGE_WIDTH, Editor
from resizer.fields import read_point

if TYPE_CHECKING:
    from django.db.models.fields.files import FieldFile

    from resizer.records.descriptions import Point


class FocalPointWidget(forms.TextInput):
    """The picture with a point to drag, or to move with the arrow keys, and live crops.

    `FocalPointField` tells it the image. A file that was just chosen is shown before it is saved.
    """

    class Media:
        css = {"all": ["resizer/admin/admin.css"]}
        js = ["resizer/admin/focal.js"]

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__({"size": 8, "autocomplete": "off", **(attrs or {})})
        self._file: FieldFile | None = None
        self._image_input = ""

    def show(self, file: FieldFile | None, image_input: str) -> None:
        """Show an image. `image_input` is the id of its file input."""
        self._file, self._image_input = file, image_input

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        field = super().render(name, value, attrs, renderer)
        editor = self._editor((attrs or {}).get("id", ""), _read(value))
        beside = render_to_string("admin/resizer/focal.html", {"editor": editor})
        return SafeString(field + beside)

    def _editor(self, input_id: str, point: Point | None) -> Editor:
        inputs = [("input", input_id), ("image", self._image_input)]
        if not self._file:
            return Editor(url="", width=0, height=0, inputs=inputs)
        reference = pictures.reference_of(self._file)
        known = pictures.find([self._file], STAGE_WIDTH, is_whole=True).get(reference)
        original = known.original if known else pictures.original_at(reference)
        url = known.preview.url if known else pictures.plain_url(self._file)
        editor = Editor(url=url, width=0, height=0, inputs=inputs)
        if original is not None:
            size = editor.width, editor.height = original.width, original.height
            editor.suggestion = pictures.suggestion_of(original)
            in_use = crops.crops_in_use([]) if url else []
            editor.crops = [crops.draw(one, url, size, point) for one in in_use]
        return editor


def _read(value: object) -> Point | None:
    try:
        return read_point(value)
    except ValueError:
        # The form shows the error.
        return None
