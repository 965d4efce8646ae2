"""The list of originals, and the page of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.defaultfilters import filesizeformat
from django.urls import path, reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from resizer import store
from resizer.admin import files, previews, removing
from resizer.admin.lists import NOTHING, Made, find_made, note_made, with_rows
from resizer.admin.variants import (
    STYLES,
    WrittenByTheApp,
    age,
    file_size,
    recipe,
    rendering,
    saving,
    size,
)
from resizer.models import CachedVariant, Original
from resizer.originals import locate

if TYPE_CHECKING:
    from django.contrib.admin.views.main import ChangeList
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern
    from django.utils.safestring import SafeString

    from resizer.admin.removing import Total

    Base = admin.ModelAdmin[Original]
else:
    Base = object

#: Of how many originals the storage is listed when their variants are removed.
MOST_LISTED = 100


class CachedVariantInline(WrittenByTheApp, admin.TabularInline):  # type: ignore[type-arg]  # no runtime generics
    model = CachedVariant
    fields: ClassVar[Any] = (size, "format", recipe, file_size, saving, rendering, age)
    readonly_fields: ClassVar[Any] = fields
    can_delete = False
    show_change_link = True
    ordering = ("recipe", "width", "format")

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


class OriginalMixin(WrittenByTheApp, Base):
    """The admin of originals, for any base class."""

    list_display: Any = ("preview", "name", "source", size, "format", file_size, "made")
    list_display_links: Any = ("name",)
    list_filter: ClassVar[Any] = ("source", "format", "has_alpha")
    list_per_page = 50
    search_fields = ("name",)
    search_help_text = _("Search names.")
    show_full_result_count = False
    actions: Any = ("remove_variants",)
    fields: ClassVar[Any] = ("preview", "source", "name", size, "format", file_size, "checked_at")
    readonly_fields: ClassVar[Any] = fields
    inlines: ClassVar[Any] = (CachedVariantInline,)

    class Media:
        css = STYLES

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        # The file would stay, and the row would come back.
        return False

    def has_remove_permission(self, request: HttpRequest) -> bool:
        return removing.may_remove(request)

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(
                "<int:pk>/variant/<int:variant>/",
                self.admin_site.admin_view(self.variant_view),
                name="resizer_original_variant",
            ),
            path(
                "<int:pk>/remove/",
                self.admin_site.admin_view(self.remove_view),
                name="resizer_original_remove",
            ),
        ]
        return [*own, *super().get_urls()]

    def variant_view(self, request: HttpRequest, pk: int, variant: int) -> HttpResponse:
        """The file of a variant, for a preview."""
        found = get_object_or_404(CachedVariant, pk=variant, original=pk)
        if not self.has_view_permission(request, found.original):
            raise PermissionDenied
        return files.send_variant(found)

    def remove_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask, then remove all variants of one original."""
        if not (self.has_view_permission(request) and self.has_remove_permission(request)):
            raise PermissionDenied
        originals = Original.objects.filter(pk=get_object_or_404(Original, pk=pk).pk)
        answer = self.remove_variants(request, originals)
        if answer is not None:
            return answer
        name = "admin:resizer_original_change"
        return HttpResponseRedirect(reverse(name, args=[pk], current_app=self.admin_site.name))

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[ChangeList]:
        return with_rows(super().get_changelist(request, **options), note_made)

    @admin.display(description=_("preview"))
    def preview(self, original: Any) -> SafeString:
        made = _made(original)
        preview = previews.of_original(original, made.shown, self.admin_site.name)
        return previews.draw(preview)

    @admin.display(description=_("variants"))
    def made(self, original: Any) -> str:
        return _told(_made(original).total)

    @admin.action(description=_("Remove cached variants"), permissions=["remove"])
    def remove_variants(
        self, request: HttpRequest, queryset: QuerySet[Original]
    ) -> HttpResponse | None:
        variants = CachedVariant.objects.filter(original__in=queryset.order_by().values("pk"))
        total = removing.sum_of(variants)
        if "post" in request.POST:
            removing.carry_out(self, request, lambda: _forget(queryset, variants), total)
            return None
        question = ngettext(
            "Remove all variants of this original? The original stays. Variants are made again when visitors request them.",
            "Remove all variants of these originals? The originals stay. Variants are made again when visitors request them.",
            queryset.count(),
        )
        selected = request.POST.getlist(admin.helpers.ACTION_CHECKBOX_NAME)
        return removing.confirm(
            self,
            request,
            action="remove_variants",
            question=question,
            total=total,
            selected=selected,
        )


class OriginalAdmin(OriginalMixin, admin.ModelAdmin):  # type: ignore[type-arg]  # no runtime generics
    """The admin of originals."""


def _made(original: Any) -> Made:
    made = getattr(original, "made", None)
    return made if made is not None else find_made([original]).get(original.pk, NOTHING)


def _told(total: Total) -> str:
    if not total.variants:
        return "–"
    number = ngettext("{n} variant", "{n} variants", total.variants)
    return f"{number.format(n=f'{total.variants:,}')}, {filesizeformat(total.bytes)}"


def _forget(originals: QuerySet[Original], variants: QuerySet[CachedVariant]) -> Total:
    """Remove all variants of originals. Raises StoreFailed."""
    done = removing.remove(variants)
    # Of a few originals, also files without a row. Each takes a listing.
    for original in originals[:MOST_LISTED]:
        store.forget(locate(original))
    return done
