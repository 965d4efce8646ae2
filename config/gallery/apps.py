"""The gallery: a few photographs to look at, and to upload more."""

from __future__ import annotations

from django.apps import AppConfig


class GalleryConfig(AppConfig):
    name = "config.gallery"
    label = "gallery"
    default_auto_field = "django.db.models.BigAutoField"
