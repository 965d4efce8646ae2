"""Locate an original: the source and name that a file, a row or a text means."""

from __future__ import annotations

from typing import Any, TypeAlias

from django.core.files.base import File as DjangoFile
from django.db.models import FileField, Model
from django.db.models.fields.files import FieldFile
from django.utils.functional import Promise

from resizer.conf import get_settings
from resizer.errors import OriginalNotFound
from resizer.keys.variant import DEFAULT_SOURCE
from resizer.models import Original
from resizer.records.descriptions import Description, Reference
from resizer.sources import get_source, source_of

#: Anything that names an original. An empty field or string names none.
File: TypeAlias = "DjangoFile[Any] | Original | Reference | Description | str | None"


def locate(file: File) -> Reference:
    """Find the source and name of a model's file, a row of Original, or a string "name" or "alias:name".

    The name is empty for an empty field. It is also empty for an unsaved upload, because another file may have its name.
    Raises OriginalNotFound for a file in a storage without a source, TypeError for any other type.
    """
    if isinstance(file, Promise):
        # A lazy translation, such as `_("hero.jpg")` in a template.
        file = str(file)
    if isinstance(file, Reference):
        return file
    if isinstance(file, Description):
        return file.reference
    if isinstance(file, Original):
        return Reference(file.source, file.name)
    if not file or not getattr(file, "_committed", not isinstance(file, DjangoFile)):
        return Reference(DEFAULT_SOURCE, "")
    if isinstance(file, FieldFile):
        found = source_of(file.storage)
        if found is None:
            raise OriginalNotFound(
                f"No source has the storage of {file.field}. Add a source for it to RESIZER['SOURCES']."
            )
        alias, source = found
        return Reference(alias, source.spell(str(file.name)))
    if isinstance(file, str):
        alias, colon, name = file.partition(":")
        # Accept only the aliases in the settings. The string may come from an attacker, who can compute the alias of a
        # private storage.
        if not (colon and alias in get_settings().SOURCES):
            # Exactly a str: pathlib of Python 3.11 refuses a template's SafeString.
            alias, name = DEFAULT_SOURCE, str.__str__(file)
        _refuse_text(alias)
        return Reference(alias, get_source(alias).spell(name))
    raise TypeError(_advice(file))


def _advice(value: object) -> str:
    """What to pass instead of a wrong object. Names its type only: the text of a queryset costs a query."""
    kind = type(value).__name__
    columns = value._meta.fields if isinstance(value, Model) else ()
    names = [one.name for one in columns if isinstance(one, FileField)]
    if names:
        return f"{kind} is no original. Pass its file, such as .{names[0]}."
    return f"{kind} is no original. Pass a model's file, or a name such as 'photo.jpg'."


def _refuse_text(alias: str) -> None:
    """Raise OriginalNotFound for a private source without `ALLOW`: anybody with a link would see its pictures."""
    source = get_settings().SOURCES[alias]
    if source.PRIVATE and source.ALLOW is None:
        # Security: the text may come from an attacker, and the page would print a link for it.
        raise OriginalNotFound(
            f"A text cannot name an original of {alias!r}, which is private. Pass a model's file, or set ALLOW"
        )
