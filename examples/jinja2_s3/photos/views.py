from django.urls import reverse_lazy
from django.views.generic import CreateView

import resizer
from photos.models import Photo


class AddPhoto(CreateView):
    """A form, and all photos below it."""

    model = Photo
    fields = ["title", "image", "image_alt"]
    success_url = reverse_lazy("photos")
    template_name = "photos/photos.html"

    def get_context_data(self, **context):
        photos = Photo.objects.order_by("-pk")
        # One cache call for all pictures of the page.
        resizer.prefetch(photos, "image")
        return super().get_context_data(photos=photos, **context)
