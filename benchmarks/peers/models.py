"""One photograph, in the fields that each package needs."""

from __future__ import annotations

from django.db import models
from imagekit.models import ImageSpecField
from imagekit.processors import ResizeToFit
from pictures.models import PictureField

from resizer.fields import FocalPointField


class Photo(models.Model):
    # An ImageField too: the other packages take it as one.
    image = PictureField(upload_to="photos")
    image_focal = FocalPointField(blank=True)
    small = ImageSpecField(source="image", processors=[ResizeToFit(600)], format="JPEG")
