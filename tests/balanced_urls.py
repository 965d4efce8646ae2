"""Variants under /img/, and a page with the picture of a static file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import HttpResponse
from django.urls import include, path

from resizer import picture

if TYPE_CHECKING:
    from django.http import HttpRequest


def show(_request: HttpRequest, name: str) -> HttpResponse:
    return HttpResponse(str(picture(f"static:{name}", formats=[])))


urlpatterns = [path("img/", include("resizer.urls")), path("page/<name>", show)]
