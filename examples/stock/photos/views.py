from django.views.generic import ListView

import resizer
from photos.models import Photo


class PhotoList(ListView):
    model = Photo
    ordering = ["-pk"]

    def get_context_data(self, **context):
        context = super().get_context_data(**context)
        # One cache call for all pictures of the page.
        resizer.prefetch(context["object_list"], "image")
        return context
