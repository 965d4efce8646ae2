"""The admin of the gallery, to upload photographs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin

from config.gallery.models import Photo
from resizer.markup import picture

if TYPE_CHECKING:
    from django.utils.safestring import SafeString


@admin.display(description="preview")
def preview(photo: Photo) -> SafeString:
    return picture.build(photo.image, alt=photo.alt, height=60).__html__()


@admin.register(Photo)
class PhotoAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # no runtime generics
    list_display = (preview, "title", "credit")
    list_display_links = (preview, "title")
    search_fields = ("title", "alt", "credit")
