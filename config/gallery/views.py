"""The pages of the gallery."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

import resizer
from config.gallery.models import Photo
from config.gallery.recipes import RECIPES, cook
from resizer import originals, store

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

#: As load_gallery keeps them.
AWKWARD = (
    ("Missing", "awkward/missing.jpg", "Nothing is there. The box stays, and the log says why."),
    ("Broken", "awkward/broken.jpg", "It is named a picture and holds text. Visitors see its alt."),
    ("SVG", "awkward/drawing.svg", "Linked as it is, in the box that the tag asks for."),
    ("Tiny", "awkward/tiny.jpg", "48 px wide. It is never made larger than it is."),
    ("Animated", "awkward/moving.gif", "Still for those who want less motion."),
)
#: How many pictures the cold cache makes.
COLD = 4


def gallery(request: HttpRequest) -> HttpResponse:
    photos = _photos()
    return render(request, "gallery/gallery.html", {"hero": photos[:1], "photos": photos[1:]})


def recipes(request: HttpRequest) -> HttpResponse:
    cooked = [cook(recipe, photo, request) for photo in _photos()[:1] for recipe in RECIPES]
    return render(request, "gallery/recipes.html", {"cooked": cooked})


def placeholders(request: HttpRequest) -> HttpResponse:
    return render(request, "gallery/placeholders.html", {"photos": _photos()[1:4]})


def text(request: HttpRequest) -> HttpResponse:
    photos = _photos()
    return render(request, "gallery/text.html", {"hero": photos[1:2], "photos": photos[4:7]})


def awkward(request: HttpRequest) -> HttpResponse:
    cut_out = [photo for photo in _photos() if str(photo.image).endswith(".png")][:1]
    return render(request, "gallery/awkward.html", {"awkward": AWKWARD, "cut_out": cut_out})


def cold(request: HttpRequest) -> HttpResponse:
    context = {"photos": _photos()[:COLD], "may_delete": _may_delete(request)}
    return render(request, "gallery/cold.html", context)


@require_POST
def delete_variants(request: HttpRequest) -> HttpResponse:
    """Make the cache cold for the pictures of that page. Not for strangers: new variants cost time."""
    if not _may_delete(request):
        raise PermissionDenied
    for photo in _photos()[:COLD]:
        store.forget(originals.locate(photo.image))
    return redirect("gallery-cold")


def _may_delete(request: HttpRequest) -> bool:
    return settings.DEBUG or request.user.is_staff


def _photos() -> list[Photo]:
    photos = list(Photo.objects.all())
    resizer.prefetch(photos, "image")
    return photos
