"""Lists of pictures: what is known of all their originals, at once."""

from __future__ import annotations

from contextlib import suppress
from itertools import groupby
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Model, prefetch_related_objects
from django.db.models.fields.files import FieldFile
from django.db.models.manager import BaseManager

from resizer import originals
from resizer.markup.stored import read_stored
from resizer.models import Original

if TYPE_CHECKING:
    from collections.abc import Iterable

    from resizer.originals import File


def prefetch(objects: Iterable[Any], *fields: str) -> None:
    """Look up the originals of these fields of all objects. Each field is a path, such as "image" or "author.avatar".

    Raises AttributeError for an unknown field, TypeError for one without files.
    """
    owners = list(objects)
    found = [file for field in fields for file in _files(owners, field)]
    originals.prefetch([one for one in found if isinstance(one, FieldFile)])


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
        with suppress(ValueError):
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
