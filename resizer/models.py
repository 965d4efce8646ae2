"""The tables: originals with editors' fields, cached variants, and tallies of requests.

Originals and cached variants are an index of the storages. Lost rows are written again. Only editors' focal points and
alternative texts are lost with a row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models.query_utils import DeferredAttribute
from django.utils.translation import gettext_lazy as _

from resizer.formats import FORMATS
from resizer.keys.digests import digest_of
from resizer.keys.names import MAX_NAME_BYTES
from resizer.keys.variant import DEFAULT_SOURCE, MAX_KEY_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

_FORMAT_CHOICES = [(row.name, row.name.upper()) for row in FORMATS]
_WRITTEN_CHOICES = [(row.name, row.name.upper()) for row in FORMATS if row.is_written]

# Not in fixtures: it is computed from other fields.
_DIGEST: Any = {"max_length": 32, "unique": True, "editable": False, "serialize": False}


class _Computed(DeferredAttribute):
    """Computes the digest from the other fields, and ignores an assigned value. So no fixture can make it wrong."""

    field: DigestField

    def __get__(self, instance: models.Model | None, cls: Any = None) -> Any:
        if instance is None:
            return self
        return digest_of(*(getattr(instance, name) for name in self.field.of))

    def __set__(self, instance: models.Model, value: object) -> None:
        # Without a value, Django takes the field for a deferred one, and does not save it.
        instance.__dict__[self.field.attname] = value


class DigestField(models.CharField):  # type: ignore[type-arg]  # no runtime generics
    """A unique key for the fields named in `of`, however long they are."""

    descriptor_class = _Computed

    def __init__(self, *, of: Sequence[str] = (), **options: Any) -> None:
        self.of = of
        super().__init__(**options)

    def deconstruct(self) -> Any:
        # Migrations see a column of text, so that this class can be moved.
        name, _, positional, options = super().deconstruct()
        return name, "django.db.models.CharField", positional, options


class NameIndex(models.Index):
    """An index of names. On MySQL and MariaDB it holds only their beginnings: InnoDB's indexes are too short for a name."""

    #: A name has up to 800 characters of 4 bytes, an index of InnoDB up to 3,072 bytes.
    CHARACTERS = 255

    def create_sql(self, model: Any, schema_editor: Any, using: str = "", **options: Any) -> Any:
        statement: Any = super().create_sql(model, schema_editor, using, **options)
        if schema_editor.connection.vendor == "mysql":
            column = schema_editor.quote_name("name")
            statement = str(statement).replace(f"{column})", f"{column}({self.CHARACTERS}))")
        return statement


def _percent(verbose_name: Any, help_text: Any = "") -> Any:
    return models.PositiveSmallIntegerField(
        verbose_name,
        null=True,
        blank=True,
        validators=[MaxValueValidator(100)],
        help_text=help_text,
    )


class _Originals(models.Manager["Original"]):
    def get_by_natural_key(self, source: str, name: str) -> Original:
        return self.get(digest=digest_of(source, name))


class _CachedVariants(models.Manager["CachedVariant"]):
    def get_by_natural_key(self, key: str) -> CachedVariant:
        return self.get(digest=digest_of(key))


class _Tallies(models.Manager["Tally"]):
    def get_by_natural_key(self, hour: datetime, name: str) -> Tally:
        return self.get(hour=hour, name=name)


class Original(models.Model):
    """One image file in a source."""

    #: One row has these values.
    UNIQUE: ClassVar = ("digest",)

    source = models.CharField(_("source"), max_length=64, default=DEFAULT_SOURCE)
    name = models.CharField(_("name"), max_length=MAX_NAME_BYTES)
    digest = DigestField(of=("source", "name"), **_DIGEST)
    #: The source's fingerprint of the file at the time its header was read.
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
    #: None: the file may have changed. The next request reads the header again.
    checked_at = models.DateTimeField(_("checked"), null=True)

    #: Fields edited in the admin. Reading the header again does not change them.
    OF_EDITORS = frozenset({"focal_x", "focal_y", "alt"})

    focal_x = _percent(_("focal point, across"), _("Percent from the left."))
    focal_y = _percent(_("focal point, down"), _("Percent from the top."))
    alt = models.TextField(_("alternative text"), blank=True)

    # Found when the file is first decoded. A new file empties these fields.
    auto_focal_x = _percent(_("automatic focal point, across"))
    auto_focal_y = _percent(_("automatic focal point, down"))
    #: "#rrggbb"
    placeholder_color = models.CharField(_("placeholder color"), max_length=7, blank=True)
    #: A data URI of some hundred bytes.
    placeholder_blur = models.TextField(_("placeholder blur"), blank=True)

    objects = _Originals()

    class Meta:
        verbose_name = _("original")
        verbose_name_plural = _("originals")
        ordering = ["source", "name"]
        indexes = [NameIndex(fields=["source", "name"], name="resizer_original_names")]

    def __str__(self) -> str:
        return self.name if self.source == DEFAULT_SOURCE else f"{self.source}:{self.name}"

    def natural_key(self) -> tuple[str, ...]:
        return self.source, self.name


class CachedVariant(models.Model):
    """A variant with a file in the variants storage."""

    #: One row has these values.
    UNIQUE: ClassVar = ("digest",)

    original = models.ForeignKey(
        Original,
        verbose_name=_("original"),
        related_name="cached_variants",
        on_delete=models.CASCADE,
    )
    #: The path of its URL after the mount path, and of its file in the storage.
    key = models.CharField(_("key"), max_length=MAX_KEY_BYTES)
    digest = DigestField(of=("key",), **_DIGEST)
    recipe = models.CharField(_("recipe"), max_length=128, blank=True)
    width = models.PositiveIntegerField(_("width"))
    height = models.PositiveIntegerField(_("height"))
    format = models.CharField(_("format"), max_length=8, choices=_WRITTEN_CHOICES)
    bytes = models.PositiveBigIntegerField(_("bytes"))
    created_at = models.DateTimeField(_("created"), db_index=True)
    render_ms = models.PositiveIntegerField(
        _("render time"), null=True, blank=True, help_text=_("In milliseconds.")
    )
    #: Exact to a day. None: no known use.
    used_at = models.DateTimeField(_("last used"), null=True, blank=True, db_index=True)

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


class Tally(models.Model):
    """The count of an event in one hour, over all processes."""

    #: One row has these values.
    UNIQUE: ClassVar = ("hour", "name")

    #: The beginning of the hour.
    hour = models.DateTimeField(_("hour"))
    name = models.CharField(_("name"), max_length=64)
    count = models.PositiveBigIntegerField(_("count"))

    objects = _Tallies()

    class Meta:
        verbose_name = _("tally")
        verbose_name_plural = _("tallies")
        ordering = ["-hour", "name"]
        constraints = [
            models.UniqueConstraint(fields=["hour", "name"], name="resizer_tally_unique")
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.hour:%Y-%m-%d %H}"

    def natural_key(self) -> tuple[datetime, str]:
        return self.hour, self.name
