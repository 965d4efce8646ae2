"""The storages of model fields: each that is a directory or a bucket is a source, also where no setting says so."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db.models import FileField

from resizer.sources.identity import own_alias, unwrap
from resizer.sources.storage import StorageSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from django.core.files.storage import Storage
    from django.db.models import Model


def field_sources() -> Mapping[str, StorageSource]:
    """By the alias that each storage has of its own.

    Told anew each time: a place may depend on settings, or on whose site it is.
    """
    sources = {}
    for lazy in _storages():
        try:
            storage = unwrap(lazy)
        except ImproperlyConfigured:
            # The files of one field cannot be had; those of the others can.
            continue
        alias = own_alias(storage)
        if alias is not None:
            sources[alias] = StorageSource(storage)
    return sources


def _storages() -> Iterator[Storage]:
    for field in _file_fields(tuple(apps.get_models())):
        yield field.storage
        # django-filer has several for a field, and chooses by the row.
        yield from getattr(field, "storages", {}).values()


@functools.lru_cache(maxsize=1)
def _file_fields(models: tuple[type[Model], ...]) -> tuple[FileField, ...]:
    return tuple(
        field for one in models for field in one._meta.get_fields() if isinstance(field, FileField)
    )
