"""`path("img/", include("resizer.urls"))`: one pattern, because a key and a short address are both a path."""

from __future__ import annotations

from django.urls import path

from resizer.views import serve

app_name = "resizer"
urlpatterns = [path("<path:path>", serve, name="picture")]
