"""Lists of pictures: what is known of all their originals, at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import groupby
from typing import TYPE_CHECKING, Any

from django.conf import settings as django_settings
from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Model, prefetch_related_objects
from django.db.models.fields.files import FieldFile
from django.db.models.manager import BaseManager

from resizer import originals
from resizer.markup.mistakes import tell_once
from resizer.markup.stored import read_stored
from resizer.models import Original

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resizer.originals import File

#: The name of the tag.
PREFETCH = "resized_prefetch"


def prefetch(objects: Iterable[Any], *fields: str) -> None:
    """Look up the originals of these fields of all objects. Each field is a path, such as "image" or "author.avatar".

    Raises AttributeError for an unknown field. Raises TypeError for a field without files, and if `objects` are no list.
    """
    owners = _read(objects)
    found = [file for field in fields for file in _files(owners, field)]
    originals.prefetch([one for one in found if isinstance(one, FieldFile)])


def prefetch_for_template(objects: Any, fields: Sequence[Any], place: str = "") -> None:
    """`prefetch` for a page, which may have no list. In production a mistake is logged once: the page is right, but slower.

    Raises ValueError with DEBUG.
    """
    if objects is None or objects == "":
        return
    names = [one for one in fields if one and isinstance(one, str)]
    try:
        if len(names) < len(fields):
            raise TypeError(f"the name of a field is empty, or no text. {prefetch_usage()}")
        prefetch(objects, *names)
    except (AttributeError, TypeError) as error:
        problem = f"{PREFETCH}{place} cannot look up the originals of a list: {str(error)[:500]}"
        if django_settings.DEBUG:
            raise ValueError(problem) from error
        tell_once(problem)


def prefetch_usage() -> str:
    """What to write instead of a tag without a list, or without fields."""
    return f'{PREFETCH} needs a list, and the names of its fields with images. Write {PREFETCH} photos "image".'


def _read(objects: Any) -> list[Any]:
    if isinstance(objects, str) or not isinstance(objects, Iterable):
        raise TypeError(
            f"{type(objects).__name__} is no list. Pass a list, a queryset or a page of a paginator."
        )
    if isinstance(objects, Iterator):
        raise TypeError(
            f"{type(objects).__name__} can be read only once. Make it a list before, so that the page can show it."
        )
    return list(objects)


def _files(owners: list[Any], path: str) -> list[File]:
    found = [read_stored(one).file for one in _follow(owners, path)]
    for one in found:
        # A name in a text field can carry nothing.
        if not isinstance(one, FieldFile | Original):
            raise TypeError(
                f"{path!r} is no field for files: it holds {type(one).__name__}. Name a file field, such as 'image'."
            )
    return found


def _follow(owners: list[Any], path: str) -> list[Any]:
    for name in path.split("."):
        _fetch_related(owners, name)
        owners = [value for owner in owners for value in _values(owner, name)]
    return owners


def _fetch_related(owners: list[Any], name: str) -> None:
    """Have related rows fetched by one query for each model, unless they are there. An image is no relation."""
    models = sorted((one for one in owners if isinstance(one, Model)), key=_label)
    for _, same in groupby(models, key=_label):
        with suppress(AttributeError, ValueError):
            prefetch_related_objects(list(same), name)


def _label(one: Model) -> str:
    return one._meta.label


def _values(owner: Any, name: str) -> list[Any]:
    try:
        value = getattr(owner, name)
    except ObjectDoesNotExist:
        return []
    if isinstance(value, BaseManager):
        return list(value.all())
    return [] if value is None else [value]
