from django.urls import include, path
from photos.views import AddPhoto

urlpatterns = [
    path("", AddPhoto.as_view(), name="photos"),
    path("img/", include("resizer.urls")),
]
