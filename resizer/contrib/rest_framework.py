"""Django REST Framework: a serializer field with a picture's candidates as data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models.fields.files import FieldFile
from rest_framework import serializers
from rest_framework.fields import SkipField

import resizer
from resizer import originals
from resizer.markup import picture
from resizer.markup.vocabulary import RESIZED_IMG

if TYPE_CHECKING:
    from collections.abc import Iterable

#: The options of the tag, without options of a serializer field, and without options for HTML only.
OPTIONS = RESIZED_IMG.options - {
    "absolute",
    "default",
    "priority",
}


class ResizedImageField(serializers.ImageField):
    """Reads a picture as an object, with the options of the tag `resized_img`. Takes an upload, as `ImageField` does.

    URLs have the host of the request, or that of `HOST`. In a list, one cache call finds all its originals.
    """

    def __init__(self, **kwargs: Any) -> None:
        """Raises ValueError for a wrong option."""
        self._options = {name: kwargs.pop(name) for name in OPTIONS & set(kwargs)}
        picture.check(**self._options)
        self._is_prefetched = False
        super().__init__(**kwargs)

    def to_representation(self, value: Any) -> dict[str, Any] | None:  # type: ignore[override]
        self._prefetch()
        made = resizer.picture(value, absolute=self.context.get("request"), **self._options)
        return made.as_dict() if made else None

    def _prefetch(self) -> None:
        many = getattr(self.parent, "parent", None)
        if self._is_prefetched or not isinstance(many, serializers.ListSerializer):
            return
        self._is_prefetched = True
        if many.instance is not None:
            originals.prefetch(self._files(many.instance))

    def _files(self, instances: Iterable[Any]) -> Iterable[FieldFile]:
        for instance in instances:
            try:
                file = self.get_attribute(instance)
            except (AttributeError, KeyError, SkipField):
                # The serializer itself reports the error, or skips the field.
                continue
            if isinstance(file, FieldFile):
                yield file
