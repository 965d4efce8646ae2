from django.conf import settings
from django.conf.urls.static import static
from django.contrib import admin
from django.urls import include, path
from photos.views import PhotoList

urlpatterns = [
    path("", PhotoList.as_view()),
    path("admin/", admin.site.urls),
    path("img/", include("resizer.urls")),
    *static(settings.MEDIA_URL, document_root=settings.MEDIA_ROOT),
]
