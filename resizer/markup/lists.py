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

if TYPE_CHECKING:
    from collections.abc import Iterable


def prefetch(objects: Iterable[Any], *fields: str) -> None:
    """Look up the originals of these fields of all objects. Each field is a path, such as "image" or "author.avatar"."""
    owners = list(objects)
    found = [read_stored(one).file for field in fields for one in _follow(owners, field)]
    # A name in a text field can carry nothing.
    originals.prefetch([one for one in found if isinstance(one, FieldFile)])


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
