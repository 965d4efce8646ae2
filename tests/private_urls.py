"""The project's URLs, and a page with nothing but the link of a private picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import HttpResponse
from django.urls import path

from config.urls import urlpatterns as of_the_project
from resizer.markup import picture
from resizer.records.descriptions import Reference

if TYPE_CHECKING:
    from django.http import HttpRequest


def link(request: HttpRequest, name: str) -> HttpResponse:
    width = int(request.GET.get("width", "320"))
    return HttpResponse(picture.url(Reference("members", name), width=width, format="jpeg"))


urlpatterns = [path("link/<path:name>", link), *of_the_project]
