"""The admin of the gallery, to upload photographs."""

from __future__ import annotations

from django.contrib import admin

from config.gallery.models import Photo
from resizer.admin import PictureMixin, preview


@admin.register(Photo)
class PhotoAdmin(PictureMixin, admin.ModelAdmin):  # type: ignore[type-arg]  # no runtime generics
    list_display = (preview("image"), "title", "credit")
    list_display_links = ("title",)
    search_fields = ("title", "alt", "credit")
