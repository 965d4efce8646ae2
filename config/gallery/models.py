"""The photographs of the gallery."""

from __future__ import annotations

from django.db import models

from resizer.fields import FocalPointField


class Photo(models.Model):
    title = models.CharField(max_length=100)
    image = models.ImageField(upload_to="photographs")
    alt = models.CharField(
        "alternative text",
        max_length=200,
        help_text="Describe the picture, for people who cannot see it.",
    )
    focal = FocalPointField("focal point", help_text="Percent from the left and the top: 62,35.")
    credit = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.title
