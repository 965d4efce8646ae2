from __future__ import annotations

from django.urls import include, path

urlpatterns = [
    path("img/", include("resizer.urls")),
    path("pictures/", include("pictures.urls")),
]
