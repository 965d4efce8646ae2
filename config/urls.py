"""The gallery at /, the admin, pictures under /img/ and, in development, the originals."""

from __future__ import annotations

from django.conf import settings
from django.conf.urls.static import static
from django.contrib import admin
from django.urls import include, path

from config.gallery.views import gallery

urlpatterns = [
    path("", gallery, name="gallery"),
    path("admin/", admin.site.urls),
    path("img/", include("resizer.urls")),
    *static("/originals/", document_root=settings.DATA_DIR / "originals"),
]
