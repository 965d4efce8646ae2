from django.db import models

from resizer.fields import FocalPointField


class Photo(models.Model):
    title = models.CharField(max_length=100)
    image = models.ImageField(upload_to="photos")
    # Both are read by the tag: it names neither.
    image_alt = models.CharField("alternative text", max_length=200, blank=True)
    image_focal = FocalPointField("focal point")

    def __str__(self) -> str:
        return self.title
