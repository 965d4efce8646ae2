from __future__ import annotations

from typing import Any

import pytest
from django.apps.registry import Apps
from django.core import serializers
from django.core.exceptions import ValidationError
from django.db import connection, models
from django.forms import modelform_factory

from config.gallery.models import Photo
from resizer.fields import FocalPoint, FocalPointField

pytestmark = pytest.mark.django_db


def model(**fields: Any) -> Any:
    """A model of no app, with these fields."""
    meta = type("Meta", (), {"app_label": "nowhere", "apps": Apps()})
    return type("Page", (models.Model,), {"__module__": __name__, "Meta": meta, **fields})


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("62,35", (62, 35)),
        (" 62.5 , 34.4 ", (63, 34)),
        ((0, 100), (0, 100)),
        ([12.0, 7], (12, 7)),
        (FocalPoint(1, 2), (1, 2)),
        ("", None),
        (None, None),
    ],
)
def test_point_is_kept_as_percent(given: Any, kept: tuple[int, int] | None) -> None:
    photo = Photo.objects.create(title="a", image="a.jpg", focal=given)
    assert Photo.objects.get().focal == kept
    assert Photo.objects.filter(focal=given).exists() or kept is None
    (copy,) = serializers.deserialize("json", serializers.serialize("json", [photo]))
    copy.save()
    assert Photo.objects.get().focal == kept


@pytest.mark.parametrize("given", ["62", "101,0", "a,b", "1,2,3", (1,), "-1,5"])
def test_wrong_point_is_refused(given: Any) -> None:
    with pytest.raises(
        ValidationError, match=r"is no point\. Write two percentages, such as 62,35"
    ):
        Photo(title="a", image="a.jpg", focal=given).full_clean()


def test_form_shows_and_takes_a_point() -> None:
    photo = Photo.objects.create(title="a", image="a.jpg", focal="62,35")
    form_class = modelform_factory(Photo, fields=["focal"])
    assert 'value="62,35"' in str(form_class(instance=photo)["focal"])
    form_class({"focal": "10, 20"}, instance=photo).save()
    assert str(Photo.objects.get().focal) == "10,20"
    form_class({"focal": ""}, instance=photo).save()
    assert Photo.objects.get().focal is None
    assert not form_class({"focal": "7"}, instance=photo).is_valid()


def test_nonsense_in_the_column_is_no_point() -> None:
    photo = Photo.objects.create(title="a", image="a.jpg")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE gallery_photo SET focal = 'middle' WHERE id = %s", [photo.pk])
    assert Photo.objects.get().focal is None


@pytest.mark.parametrize(
    ("fields", "image"),
    [
        ({"hero": models.ImageField(), "hero_focal": FocalPointField()}, "hero"),
        ({"hero": models.ImageField(), "point": FocalPointField()}, "hero"),
        (
            {
                "hero": models.ImageField(),
                "logo": models.ImageField(),
                "logo_focal": FocalPointField(),
            },
            "logo",
        ),
        (
            {
                "hero": models.ImageField(),
                "logo": models.ImageField(),
                "point": FocalPointField(image_field="logo"),
            },
            "logo",
        ),
    ],
)
def test_point_belongs_to_an_image(fields: dict[str, Any], image: str) -> None:
    page = model(**fields)
    (field,) = (one for one in page._meta.get_fields() if isinstance(one, FocalPointField))
    assert field.image_name() == image
    assert field.check() == []
    _name, path, positional, options = field.deconstruct()
    assert path == "resizer.fields.FocalPointField"
    assert FocalPointField(*positional, **options).image_field == field.image_field


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"point": FocalPointField()}, "belongs to no image."),
        (
            {"hero": models.ImageField(), "logo": models.ImageField(), "focal": FocalPointField()},
            "belongs to no image.",
        ),
        (
            {"hero": models.ImageField(), "focal": FocalPointField(image_field="hreo")},
            "belongs to 'hreo', which is no image.",
        ),
    ],
)
def test_point_without_an_image_is_an_error(fields: dict[str, Any], text: str) -> None:
    (field,) = (
        one for one in model(**fields)._meta.get_fields() if isinstance(one, FocalPointField)
    )
    (error,) = field.check()
    assert error.id == "resizer.E020"
    assert text in error.msg
