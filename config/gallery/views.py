"""The gallery page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.shortcuts import render

import resizer
from config.gallery.models import Photo

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse


def gallery(request: HttpRequest) -> HttpResponse:
    photos = list(Photo.objects.all())
    resizer.prefetch(photos, "image")
    hero = photos[0] if photos else None
    return render(request, "gallery/gallery.html", {"hero": hero, "photos": photos[1:]})
