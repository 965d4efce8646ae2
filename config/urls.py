"""Variants under /img/. With a database, the gallery at / and the admin; in development, the originals too."""

from __future__ import annotations

import re

from django.apps import apps
from django.conf import settings
from django.conf.urls.static import static
from django.urls import URLPattern, URLResolver, include, path, re_path

urlpatterns: list[URLPattern | URLResolver] = [path("img/", include("resizer.urls"))]

if settings.ORIGINALS_URL:
    from config.svg import serve as serve_svg

    urlpatterns.append(
        re_path(rf"^{re.escape(settings.ORIGINALS_URL)}/(?P<name>.+\.svg)$", serve_svg)
    )

if apps.is_installed("django.contrib.admin"):
    from django.contrib import admin
    from django.contrib.staticfiles.views import serve

    urlpatterns += [
        path("", include("config.gallery.urls")),
        path("admin/", admin.site.urls),
        *static("/originals/", document_root=settings.DATA_DIR / "originals"),
    ]
    if settings.SERVE_STATIC:
        # `insecure` only means slow: few people load the admin's style sheets and scripts.
        urlpatterns.append(path("static/<path:path>", serve, {"insecure": True}))
else:
    from config.bare import admin_needs_database, home

    urlpatterns += [path("", home), re_path(r"^admin(/|$)", admin_needs_database)]
