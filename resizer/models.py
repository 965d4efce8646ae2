"""What the database knows: originals that have been described, and the variants made of them.

Both tables are an index. The storages are the truth: rows that are lost are written again.
"""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from resizer.formats import FORMATS
from resizer.names import MAX_NAME_BYTES
from resizer.variant import DEFAULT_SOURCE, MAX_KEY_BYTES

_FORMAT_CHOICES = [(row.name, row.name.upper()) for row in FORMATS]
_WRITTEN_CHOICES = [(row.name, row.name.upper()) for row in FORMATS if row.is_written]


class Original(models.Model):
    """One picture in a source."""

    source = models.CharField(_("source"), max_length=64, default=DEFAULT_SOURCE)
    name = models.CharField(_("name"), max_length=MAX_NAME_BYTES)
    #: What the source said of the file when its header was read.
    fingerprint = models.CharField(_("fingerprint"), max_length=128)
    width = models.PositiveIntegerField(_("width"), help_text=_("Upright, in pixels."))
    height = models.PositiveIntegerField(_("height"), help_text=_("Upright, in pixels."))
    orientation = models.PositiveSmallIntegerField(_("EXIF orientation"), default=1)
    format = models.CharField(_("format"), max_length=8, choices=_FORMAT_CHOICES)
    has_alpha = models.BooleanField(_("has transparency"), default=False)
    is_shrinkable = models.BooleanField(_("can be decoded small"), default=False)
    is_graphic = models.BooleanField(_("is a graphic"), default=False)
    has_palette = models.BooleanField(_("has a palette"), default=False)
    frames = models.PositiveIntegerField(_("frames"), default=1)
    bytes = models.PositiveBigIntegerField(_("bytes"))
    #: None after the file may have changed: the next one who needs it reads the header again.
    checked_at = models.DateTimeField(_("checked"), null=True)

    class Meta:
        verbose_name = _("original")
        verbose_name_plural = _("originals")
        ordering = ["source", "name"]
        constraints = [
            models.UniqueConstraint(fields=["source", "name"], name="resizer_original_unique")
        ]

    def __str__(self) -> str:
        return self.name if self.source == DEFAULT_SOURCE else f"{self.source}:{self.name}"


class CachedVariant(models.Model):
    """A variant that exists: a file in the variants storage."""

    original = models.ForeignKey(
        Original,
        verbose_name=_("original"),
        related_name="cached_variants",
        on_delete=models.CASCADE,
    )
    #: The path of its URL after the mount, and of its file in the storage.
    key = models.CharField(_("key"), max_length=MAX_KEY_BYTES, unique=True)
    recipe = models.CharField(_("recipe"), max_length=128, blank=True)
    width = models.PositiveIntegerField(_("width"))
    height = models.PositiveIntegerField(_("height"))
    format = models.CharField(_("format"), max_length=8, choices=_WRITTEN_CHOICES)
    bytes = models.PositiveBigIntegerField(_("bytes"))
    created_at = models.DateTimeField(_("created"), db_index=True)

    class Meta:
        verbose_name = _("cached variant")
        verbose_name_plural = _("cached variants")
        ordering = ["-created_at", "-pk"]

    def __str__(self) -> str:
        return self.key
