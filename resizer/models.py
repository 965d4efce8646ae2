"""What the database knows: originals that have been described, and the variants made of them.

Both tables are an index. The storages are the truth: rows that are lost are written again.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models.query_utils import DeferredAttribute
from django.utils.translation import gettext_lazy as _

from resizer.formats import FORMATS
from resizer.keys.variant import DEFAULT_SOURCE, MAX_KEY_BYTES, MAX_NAME_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

_FORMAT_CHOICES = [(row.name, row.name.upper()) for row in FORMATS]
_WRITTEN_CHOICES = [(row.name, row.name.upper()) for row in FORMATS if row.is_written]

# Fixtures need not have it: it follows from what they have.
_DIGEST: Any = {"max_length": 32, "unique": True, "editable": False, "serialize": False}


def digest_of(*texts: str) -> str:
    """32 hexadecimal digits that stand for exactly these texts.

    A collation may take `IMG_1.JPG` for `img_1.jpg`, or `résumé` for `resume`; it tells these digits apart. And a unique
    key of names is longer than the 3,072 bytes that InnoDB allows.
    """
    text = "\n".join(texts)
    return hashlib.blake2s(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


class _Computed(DeferredAttribute):
    """Reads what follows from the other fields, whatever it was set to: no fixture makes a digest wrong."""

    field: DigestField

    def __get__(self, instance: models.Model | None, cls: Any = None) -> Any:
        if instance is None:
            return self
        return digest_of(*(getattr(instance, name) for name in self.field.of))

    def __set__(self, instance: models.Model, value: object) -> None:
        # Without it Django takes the field for one that is not loaded, and saves the others alone.
        instance.__dict__[self.field.attname] = value


class DigestField(models.CharField):  # type: ignore[type-arg]  # no runtime generics
    """A unique key for other fields, as long as their texts may be."""

    descriptor_class = _Computed

    def __init__(self, *, of: Sequence[str] = (), **options: Any) -> None:
        self.of = of
        super().__init__(**options)

    def deconstruct(self) -> Any:
        # Migrations see a column of text, so that this class can be moved.
        name, _, positional, options = super().deconstruct()
        return name, "django.db.models.CharField", positional, options


class _Originals(models.Manager["Original"]):
    def get_by_natural_key(self, source: str, name: str) -> Original:
        return self.get(digest=digest_of(source, name))


class _CachedVariants(models.Manager["CachedVariant"]):
    def get_by_natural_key(self, key: str) -> CachedVariant:
        return self.get(digest=digest_of(key))


class Original(models.Model):
    """One picture in a source."""

    source = models.CharField(_("source"), max_length=64, default=DEFAULT_SOURCE)
    name = models.CharField(_("name"), max_length=MAX_NAME_BYTES)
    digest = DigestField(of=("source", "name"), **_DIGEST)
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
    #: 0 if its pixels turned out to be broken, at `checked_at`.
    frames = models.PositiveIntegerField(_("frames"), default=1)
    bytes = models.PositiveBigIntegerField(_("bytes"))
    #: None after the file may have changed: the next one who needs it reads the header again.
    checked_at = models.DateTimeField(_("checked"), null=True)

    objects = _Originals()

    class Meta:
        verbose_name = _("original")
        verbose_name_plural = _("originals")
        ordering = ["source", "name"]

    def __str__(self) -> str:
        return self.name if self.source == DEFAULT_SOURCE else f"{self.source}:{self.name}"

    def natural_key(self) -> tuple[str, ...]:
        return self.source, self.name


class CachedVariant(models.Model):
    """A variant that exists: a file in the variants storage."""

    original = models.ForeignKey(
        Original,
        verbose_name=_("original"),
        related_name="cached_variants",
        on_delete=models.CASCADE,
    )
    #: The path of its URL after the mount, and of its file in the storage.
    key = models.CharField(_("key"), max_length=MAX_KEY_BYTES)
    digest = DigestField(of=("key",), **_DIGEST)
    recipe = models.CharField(_("recipe"), max_length=128, blank=True)
    width = models.PositiveIntegerField(_("width"))
    height = models.PositiveIntegerField(_("height"))
    format = models.CharField(_("format"), max_length=8, choices=_WRITTEN_CHOICES)
    bytes = models.PositiveBigIntegerField(_("bytes"))
    created_at = models.DateTimeField(_("created"), db_index=True)

    objects = _CachedVariants()

    class Meta:
        verbose_name = _("cached variant")
        verbose_name_plural = _("cached variants")
        ordering = ["-created_at", "-pk"]

    def __str__(self) -> str:
        return self.key

    def natural_key(self) -> tuple[str, ...]:
        return (self.key,)

    natural_key.dependencies = ["resizer.original"]  # type: ignore[attr-defined]  # as Django has it
