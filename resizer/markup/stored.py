"""What is stored beside a picture: its focal point and its alternative text.

A model has them in fields beside the image: a `FocalPointField`, and a text field such as `hero_alt` beside `hero`.
Images of Wagtail and django-filer are models of their own, and are told by their attributes.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from django.conf import settings as django_settings
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Model
from django.db.models.fields.files import FieldFile
from django.utils.safestring import SafeString

from resizer.fields import FocalPoint, FocalPointField, image_fields, read_point
from resizer.markup.html import escape
from resizer.markup.mistakes import tell_once

if TYPE_CHECKING:
    from resizer.originals import File
    from resizer.records.descriptions import Point, Words

#: Of a model with one image only, beside the usual name with the image's own.
_ALT_NAMES = ("alt", "alt_text")


#: The `alt` of a tag without one.
STORED: Final = object()
#: The same without a complaint if there is none: for pictures as data, and in an editor's HTML.
STORED_IF_ANY: Final = object()


class Stored(NamedTuple):
    """An original, and what is stored beside it."""

    file: File
    focal: Point | None = None
    #: None if there is no field for it.
    alt: str | None = None


class _Names(NamedTuple):
    """Fields of a model beside one of its images; empty if there are none."""

    focal: str = ""
    alt: str = ""


def read_stored(original: Any) -> Stored:
    """Find the file of an argument of a tag, and the focal point and text beside it. Makes no query."""
    if isinstance(original, FieldFile):
        return _beside(original)
    file = getattr(original, "file", None) if isinstance(original, Model) else None
    if not isinstance(file, FieldFile):
        return Stored(original)
    near = _beside(file)
    return Stored(file, near.focal or _focal_of(original), _first(_alt_of(original), near.alt))


def read_alt(given: object, stored: Stored, words: Words) -> str:
    """The alternative text of a tag, else the stored one.

    Text, or HTML without quotes: `{{ picture.alt }}` may stand in an attribute, too. Raises ValueError with DEBUG if
    there is neither a text nor a field for one.
    """
    if given is STORED or given is STORED_IF_ANY:
        is_needed = given is STORED
        given = stored.alt or words.alt or stored.alt
        if given is None and is_needed:
            _miss_alt(stored.file)
    if given is None:
        return ""
    text = given if isinstance(given, str) else str(given)
    return SafeString(escape(text)) if hasattr(text, "__html__") else text


def _miss_alt(file: File) -> None:
    beside = ""
    if isinstance(file, FieldFile):
        name = f"{file.field.name}_alt"
        beside = f" Or add a text field {name} to {file.instance._meta.object_name}."
    problem = (
        f"{str(file)[:200]!r} has no alternative text."
        f' Write alt="…", or alt="" for decoration.{beside} Or fill it in at the original\'s row in the admin.'
    )
    if django_settings.DEBUG:
        raise ValueError(problem)
    tell_once(problem)


def _beside(file: FieldFile) -> Stored:
    names = _names(type(file.instance), file.field.name)
    # Not by attributes: a field that was left out of the query would cost one more for each picture.
    values = file.instance.__dict__
    alt = values.get(names.alt)
    return Stored(file, _read_point(values.get(names.focal)), None if alt is None else str(alt))


def _read_point(value: object) -> Point | None:
    # Of a row that was not loaded, it may be anything.
    try:
        return value if isinstance(value, FocalPoint) else read_point(value)
    except ValueError:
        return None


def fields_beside(model: type[Model], image: str) -> list[str]:
    """The fields of a model that `read_stored` reads for one of its images. A query has to load them."""
    return [name for name in _names(model, image) if name]


@functools.lru_cache(maxsize=1024)
def _names(model: type[Model], image: str) -> _Names:
    focal = next((one.attname for one in _points(model) if one.image_name() == image), "")
    is_alone = len(image_fields(model)) <= 1
    names = [f"{image}_alt", *(_ALT_NAMES if is_alone else ())]
    return _Names(focal, next((name for name in names if _has_field(model, name)), ""))


def _points(model: type[Model]) -> list[FocalPointField]:
    return [one for one in model._meta.get_fields() if isinstance(one, FocalPointField)]


def _has_field(model: type[Model], name: str) -> bool:
    try:
        return bool(model._meta.get_field(name).concrete)
    except FieldDoesNotExist:
        return False


def _focal_of(image: Any) -> Point | None:
    """The point of an image of Wagtail, or of django-filer. Both give px of the original."""
    pixels: list[Any] = [getattr(image, name, None) for name in ("focal_point_x", "focal_point_y")]
    location = getattr(image, "subject_location", None)
    if location:
        pixels = str(location).split(",")
    try:
        x, y = map(float, pixels)
        point = [100 * x / image.width, 100 * y / image.height]
        return read_point([f"{percent:.4f}" for percent in point])
    except (ArithmeticError, AttributeError, TypeError, ValueError):
        # Nothing is chosen, or the size of the image is not known.
        return None


def _alt_of(image: Any) -> str | None:
    """The text that the owner of the image would print for it."""
    if getattr(image, "decorative", False):
        # Wagtail's ImageBlock.
        return ""
    names = ("contextual_alt_text", "default_alt_text")
    found = [getattr(image, name, None) for name in names]
    return str(_first(*found)) if any(one is not None for one in found) else None


def _first(*values: Any) -> Any:
    return next((one for one in values if one is not None), None)
