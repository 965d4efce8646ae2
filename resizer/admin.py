"""The admin of cached variants and of originals. Deleting a row also deletes its variants from the storage."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin, messages
from django.db.models import Count, Sum
from django.http import HttpResponseRedirect
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.html import format_html
from django.utils.timesince import timesince
from django.utils.translation import gettext_lazy as _

from resizer import store
from resizer.errors import StoreFailed
from resizer.links.addresses import url_for
from resizer.markup import picture
from resizer.models import CachedVariant, Original
from resizer.originals import locate

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.utils.safestring import SafeString

logger = logging.getLogger(__name__)

PREVIEW_HEIGHT = 48  # CSS px


@admin.display(description=_("preview"))
def variant_preview(cached_variant: CachedVariant) -> SafeString:
    width = max(1, round(PREVIEW_HEIGHT * cached_variant.width / cached_variant.height))
    url = url_for(cached_variant.key)
    return format_html(
        '<a href="{}"><img src="{}" alt="" width="{}" height="{}" loading="lazy"></a>',
        url,
        url,
        width,
        PREVIEW_HEIGHT,
    )


@admin.display(description=_("preview"))
def original_preview(original: Original) -> SafeString:
    return picture.build(original, alt="", height=PREVIEW_HEIGHT).__html__()


@admin.display(description=_("size, px"), ordering="width")
def size(row: CachedVariant | Original) -> str:
    return f"{row.width}\u00a0×\u00a0{row.height}"


@admin.display(description=_("file"), ordering="bytes")
def file_size(row: CachedVariant | Original) -> str:
    return filesizeformat(row.bytes)


@admin.display(description=_("saving"))
def saving(cached_variant: CachedVariant) -> str:
    """How much smaller than the original's file, percent. Negative for a larger file."""
    percent = 100 - 100 * cached_variant.bytes / max(1, cached_variant.original.bytes)
    # Round down, so that nothing shows 100 %.
    return f"{math.floor(percent)}\u00a0%"


@admin.display(description=_("age"), ordering="-created_at")
def age(cached_variant: CachedVariant) -> str:
    return timesince(cached_variant.created_at, depth=1)


# Typed as Any: the annotations of OriginalAdmin.get_queryset have no type.
@admin.display(description=_("variants"), ordering="variant_count")
def variant_count(original: Any) -> int:
    return int(original.variant_count)


@admin.display(description=_("their files"), ordering="variant_bytes")
def variant_bytes(original: Any) -> str:
    return filesizeformat(original.variant_bytes or 0)


class _WrittenByTheApp:
    """Rows can be viewed and deleted, but not added or changed."""

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


class _DeletedWithFiles(_WrittenByTheApp, admin.ModelAdmin):  # type: ignore[type-arg]  # no runtime generics
    """If the storage fails while deleting, show the editor an error instead of a success message."""

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().delete_view(request, *args, **kwargs)
        except StoreFailed as error:
            return self._tell(request, error)

    def response_action(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().response_action(request, *args, **kwargs)
        except StoreFailed as error:
            return self._tell(request, error)

    def _tell(self, request: HttpRequest, error: StoreFailed) -> HttpResponse:
        logger.warning("Some variants could not be deleted: %.500r", error)
        message = _("Some variants were not deleted, because the storage failed. Please try again.")
        self.message_user(request, message, messages.ERROR)
        path = reverse(
            f"admin:resizer_{self.opts.model_name}_changelist", current_app=self.admin_site.name
        )
        return HttpResponseRedirect(path)


@admin.register(CachedVariant)
class CachedVariantAdmin(_DeletedWithFiles):
    list_display = (
        variant_preview,
        "original_link",
        size,
        "format",
        file_size,
        saving,
        age,
        "recipe",
    )
    list_display_links = (size,)
    list_filter = ("format", "created_at", "original__source")
    list_per_page = 50
    list_select_related = ("original",)
    search_fields = ("original__name", "key")
    search_help_text = _("Search the names of originals, and keys.")
    show_full_result_count = False
    fields: ClassVar[Any] = (  # the stubs do not allow callables here
        variant_preview,
        "original_link",
        "key",
        size,
        "format",
        "recipe",
        file_size,
        saving,
        "created_at",
    )
    readonly_fields: ClassVar[Any] = fields

    @admin.display(description=_("original"), ordering="original__name")
    def original_link(self, cached_variant: CachedVariant) -> SafeString | str:
        # A project may have its own admin site without originals.
        if not self.admin_site.is_registered(Original):
            return str(cached_variant.original)
        url = reverse(
            "admin:resizer_original_change",
            args=[cached_variant.original_id],
            current_app=self.admin_site.name,
        )
        return format_html('<a href="{}">{}</a>', url, cached_variant.original)

    def delete_model(self, request: HttpRequest, obj: CachedVariant) -> None:
        self.delete_queryset(request, CachedVariant.objects.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[CachedVariant]) -> None:
        """Delete files and rows. A deleted variant is made again when it is requested. Raises StoreFailed."""
        store.delete(queryset)


class CachedVariantInline(_WrittenByTheApp, admin.TabularInline):  # type: ignore[type-arg]  # no runtime generics
    model = CachedVariant
    fields: ClassVar[Any] = (  # the stubs do not allow callables here
        variant_preview,
        size,
        "format",
        "recipe",
        file_size,
        saving,
        age,
    )
    readonly_fields: ClassVar[Any] = fields
    can_delete = False
    show_change_link = True
    ordering = ("recipe", "width", "format")


@admin.register(Original)
class OriginalAdmin(_DeletedWithFiles):
    list_display: Any = (
        original_preview,
        "name",
        "source",
        size,
        "format",
        file_size,
        variant_count,
        variant_bytes,
    )
    list_display_links = ("name",)
    list_filter = ("source", "format", "has_alpha")
    list_per_page = 50
    search_fields = ("name",)
    search_help_text = _("Search names.")
    show_full_result_count = False
    fields: ClassVar[Any] = (  # the stubs do not allow callables here
        original_preview,
        "source",
        "name",
        size,
        "format",
        file_size,
        "orientation",
        "checked_at",
    )
    readonly_fields: ClassVar[Any] = fields
    inlines = (CachedVariantInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Original]:
        originals: QuerySet[Original] = super().get_queryset(request)
        return originals.annotate(
            variant_count=Count("cached_variants"), variant_bytes=Sum("cached_variants__bytes")
        )

    def delete_model(self, request: HttpRequest, obj: Original) -> None:
        self.delete_queryset(request, Original.objects.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Original]) -> None:
        """Delete the rows of originals and all their variants. The originals' files stay. Raises StoreFailed."""
        for original in queryset:
            store.forget(locate(original))
            original.delete()
