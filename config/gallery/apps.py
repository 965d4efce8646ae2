"""The gallery: an example with a few photographs. Upload more in the admin."""

from __future__ import annotations

from django.apps import AppConfig


class GalleryConfig(AppConfig):
    name = "config.gallery"
    label = "gallery"
    default_auto_field = "django.db.models.BigAutoField"
