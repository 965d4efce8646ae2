"""`FocalPointField`: the focal point of an image, on the model of the image."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from django import forms
from django.core import checks
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from collections.abc import Sequence

#: The longest text: "100,100".
MAX_LENGTH = 7
_SUFFIX = "_focal"
_NUMBER = r"\s*([0-9]{1,3}(?:\.[0-9]{1,10})?)\s*"
_PAIR = re.compile(f"{_NUMBER},{_NUMBER}")


class FocalPoint(NamedTuple):
    """Percent from the left and from the top, 0 to 100."""

    x: int
    y: int

    def __str__(self) -> str:
        return f"{self.x},{self.y}"


def read_point(value: object) -> FocalPoint | None:
    """Read "62,35", or a pair of numbers. None for an empty value. Raises ValueError."""
    if value is None or value == "":
        return None
    text = ",".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)
    match = _PAIR.fullmatch(text)
    if match is None or max(float(match[1]), float(match[2])) > 100:
        raise ValueError(f'{value!r} is no point. Write two percentages, such as "62,35".')
    # Halves round up, as in the tag.
    return FocalPoint(*(int(float(number) + 0.5) for number in match.groups()))


class FocalPointFormField(forms.CharField):
    """Tells its widget the image of the form's object, if the widget can show it."""

    def __init__(self, *, image_name: str | None = None, **options: Any) -> None:
        self.image_name = image_name
        super().__init__(**options)

    def get_bound_field(self, form: Any, field_name: str) -> Any:
        show = getattr(self.widget, "show", None)
        instance = getattr(form, "instance", None)
        if show is not None and self.image_name and instance is not None:
            image_id = form.auto_id and form.auto_id % form.add_prefix(self.image_name)
            show(getattr(instance, self.image_name), image_id or "")
        return super().get_bound_field(form, field_name)


class FocalPointField(models.CharField):  # type: ignore[type-arg]  # no runtime generics
    """The focal point of a picture in the same model, such as "62,35". None if nobody has chosen one.

    Tags read it without naming it. It belongs to `image_field`. Without that, `hero_focal` belongs to `hero`; a field of
    any other name belongs to the model's only image.
    """

    # django-stubs takes from them what an instance holds.
    _pyi_private_set_type: FocalPoint | str | tuple[float, float] | None  # type: ignore[assignment]
    _pyi_private_get_type: FocalPoint | None  # type: ignore[assignment]

    description = _("Focal point of an image")
    default_error_messages = {
        "invalid": _("“%(value)s” is no point. Write two percentages, such as 62,35.")
    }

    def __init__(self, *arguments: Any, image_field: str = "", **options: Any) -> None:
        self.image_field = image_field
        usual = {"null": True, "blank": True, "max_length": MAX_LENGTH}
        super().__init__(*arguments, **usual | options)

    def deconstruct(self) -> Any:
        name, path, arguments, options = super().deconstruct()
        if self.image_field:
            options["image_field"] = self.image_field
        return name, path, arguments, options

    def formfield(self, **options: Any) -> Any:
        ours = {"form_class": FocalPointFormField, "image_name": self.image_name()}
        return super().formfield(**{**ours, **options})

    def to_python(self, value: object) -> FocalPoint | None:
        try:
            return read_point(value)
        except ValueError as error:
            raise ValidationError(
                self.error_messages["invalid"], code="invalid", params={"value": value}
            ) from error

    def from_db_value(self, value: str | None, *_: object) -> FocalPoint | None:
        try:
            return read_point(value)
        except ValueError:
            # Others may write the column. A page must not fail because of it.
            return None

    def get_prep_value(self, value: object) -> str | None:
        point = self.to_python(super().get_prep_value(value))
        return None if point is None else str(point)

    def value_to_string(self, obj: models.Model) -> str:
        return self.get_prep_value(self.value_from_object(obj)) or ""

    def image_name(self) -> str | None:
        """The name of the point's image field. None if there are several candidates, or none."""
        if self.image_field:
            return self.image_field
        images = [one.name for one in image_fields(self.model)]
        named = self.name.removesuffix(_SUFFIX)
        if self.name.endswith(_SUFFIX) and named in images:
            return named
        return images[0] if len(images) == 1 else None

    def check(self, **options: Any) -> list[checks.CheckMessage]:
        return [*super().check(**options), *self._check_image()]

    def _check_image(self) -> list[checks.CheckMessage]:
        name = self.image_name()
        if name in {one.name for one in image_fields(self.model)}:
            return []
        text = (
            f"{self} belongs to {name!r}, which is no image."
            if name
            else f"{self} belongs to no image."
        )
        hint = 'Write FocalPointField(image_field="…") with the name of an ImageField of the model.'
        return [checks.Error(text, hint=hint, obj=self, id="resizer.E020")]


def image_fields(model: type[models.Model]) -> Sequence[models.ImageField]:
    """In the order of the model."""
    return [one for one in model._meta.get_fields() if isinstance(one, models.ImageField)]
