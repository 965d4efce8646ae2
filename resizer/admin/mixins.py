"""The mixin for the admin of a model with pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from resizer.admin.lists import with_rows
from resizer.admin.pictures import note_pictures
from resizer.admin.variants import STYLES
from resizer.admin.widgets import FocalPointWidget
from resizer.fields import FocalPointField

if TYPE_CHECKING:
    from django.contrib import admin
    from django.contrib.admin.views.main import ChangeList
    from django.http import HttpRequest

    Base = admin.ModelAdmin[Any]
else:
    Base = object


class PictureMixin(Base):
    """Focal points to drag in forms, and previews in lists by one query for all rows. For any base class."""

    class Media:
        css = STYLES

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        if isinstance(db_field, FocalPointField):
            options["widget"] = FocalPointWidget
            return db_field.formfield(**options)
        return super().formfield_for_dbfield(db_field, request, **options)

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[ChangeList]:
        note = note_pictures(self.get_list_display(request))
        return with_rows(super().get_changelist(request, **options), note)
