"""The list of cached variants, and the page of one."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.utils import display_for_value
from django.core.exceptions import PermissionDenied
from django.http import HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.defaultfilters import filesizeformat
from django.urls import path, reverse
from django.utils import formats
from django.utils.html import format_html
from django.utils.timesince import timesince
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from resizer.admin import files, previews, removing, states
from resizer.admin.lists import note_states, with_rows
from resizer.admin.words import words_of
from resizer.errors import StoreFailed
from resizer.models import CachedVariant, Original

if TYPE_CHECKING:
    from django.contrib.admin.views.main import ChangeList
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern
    from django.utils.safestring import SafeString

    Base = admin.ModelAdmin[CachedVariant]
else:
    Base = object

logger = logging.getLogger(__name__)

#: The preview on the page of a variant, CSS px.
LARGE_BOX = (720, 540)
STYLES = {"all": ["resizer/admin/admin.css"]}


@admin.display(description=_("size, px"), ordering="width")
def size(row: CachedVariant | Original) -> str:
    return f"{row.width}\u00a0×\u00a0{row.height}"


@admin.display(description=_("file"), ordering="bytes")
def file_size(row: CachedVariant | Original) -> str:
    return filesizeformat(row.bytes)


@admin.display(description=_("saving"))
def saving(variant: CachedVariant) -> str:
    """How much smaller than the original's file, percent. Negative for a larger file."""
    percent = 100 - 100 * variant.bytes / max(1, variant.original.bytes)
    # Round down, so that nothing shows 100 %.
    return f"{math.floor(percent)}\u00a0%"


@admin.display(description=_("rendering"), ordering="render_ms")
def rendering(variant: CachedVariant) -> str:
    if variant.render_ms is None:
        return "–"
    return _("{n} ms").format(n=formats.number_format(variant.render_ms))


@admin.display(description=_("age"), ordering="-created_at")
def age(variant: CachedVariant) -> SafeString:
    moment = variant.created_at
    exact = display_for_value(moment, "")
    return format_html('<span title="{}">{}</span>', exact, timesince(moment, depth=1))


@admin.display(description=_("recipe"), ordering="recipe")
def recipe(variant: CachedVariant) -> SafeString:
    return format_html('<span title="{}">{}</span>', variant.recipe, words_of(variant.recipe))


@admin.display(description=_("state"))
def state(variant: Any) -> SafeString:
    return badge(variant.state)


def badge(found: states.State) -> SafeString:
    return format_html('<span class="resizer-state resizer-{}">{}</span>', found.value, found.label)


class WrittenByTheApp:
    """Rows are written by the app alone."""

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


class CachedVariantMixin(WrittenByTheApp, Base):
    """The admin of cached variants, for any base class."""

    list_display: Any = (
        "preview",
        "original_link",
        recipe,
        size,
        "format",
        file_size,
        saving,
        rendering,
        age,
        state,
    )
    list_display_links: Any = (size,)
    list_filter: ClassVar[Any] = ("format", "created_at", "original__source")
    list_per_page: ClassVar[int] = 50
    list_select_related = ("original",)
    search_fields = ("original__name", "key")
    search_help_text = _("Search the names of originals, and keys.")
    show_full_result_count = False
    actions: Any = ("delete_selected",)
    fields: ClassVar[Any] = (
        "large_preview",
        "original_link",
        "state",
        "recipe_in_words",
        size,
        "format",
        file_size,
        saving,
        rendering,
        "created_at",
        "used_at",
        "key",
    )
    readonly_fields: ClassVar[Any] = fields

    class Media:
        css = STYLES

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.file_view)
        own = [path("<int:pk>/file/", view, name="resizer_cachedvariant_file")]
        return [*own, *super().get_urls()]

    def file_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The variant's own file, also of a former version. Its public URL may lead to the current one."""
        variant = get_object_or_404(CachedVariant, pk=pk)
        if not self.has_view_permission(request, variant):
            raise PermissionDenied
        return files.send_variant(variant)

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[ChangeList]:
        return with_rows(super().get_changelist(request, **options), note_states)

    def has_remove_permission(self, request: HttpRequest) -> bool:
        return removing.may_remove(request)

    @admin.display(description=_("preview"))
    def preview(self, variant: CachedVariant) -> SafeString:
        link = reverse(
            "admin:resizer_cachedvariant_change",
            args=[variant.pk],
            current_app=self.admin_site.name,
        )
        return previews.draw(previews.of_variant(variant, self.admin_site.name), link=link)

    @admin.display(description=_("preview"))
    def large_preview(self, variant: CachedVariant) -> SafeString:
        preview = previews.of_variant(variant, self.admin_site.name)
        return previews.draw(preview, LARGE_BOX, link=preview.url)

    @admin.display(description=_("state"))
    def state(self, variant: CachedVariant) -> SafeString:
        return badge(states.state_of(variant, states.find_gone([variant.original])))

    @admin.display(description=_("recipe"))
    def recipe_in_words(self, variant: CachedVariant) -> SafeString:
        return format_html("{} <code>{}</code>", words_of(variant.recipe), variant.recipe)

    @admin.display(description=_("original"), ordering="original__name")
    def original_link(self, variant: CachedVariant) -> SafeString:
        name = str(variant.original)
        # A project may have its own admin site without originals.
        if not self.admin_site.is_registered(Original):
            return format_html('<span class="resizer-name">{}</span>', name)
        url = reverse(
            "admin:resizer_original_change",
            args=[variant.original_id],
            current_app=self.admin_site.name,
        )
        return format_html('<a class="resizer-name" href="{}">{}</a>', url, name)

    @admin.action(description=_("Remove cached variants"), permissions=["remove"])
    def delete_selected(
        self, request: HttpRequest, queryset: QuerySet[CachedVariant]
    ) -> HttpResponse | None:
        """In place of Django's own action of this name: this one says how many files and bytes it removes."""
        total = removing.sum_of(queryset)
        if "post" in request.POST:
            removing.carry_out(self, request, lambda: removing.remove(queryset), total)
            return None
        question = ngettext(
            "Remove this variant? It is made again when a visitor requests it.",
            "Remove these variants? They are made again when visitors request them.",
            total.variants,
        )
        selected = request.POST.getlist(admin.helpers.ACTION_CHECKBOX_NAME)
        return removing.confirm(
            self,
            request,
            action="delete_selected",
            question=question,
            total=total,
            selected=selected,
        )

    def delete_model(self, request: HttpRequest, obj: CachedVariant) -> None:
        """Raises StoreFailed."""
        removing.remove(CachedVariant.objects.filter(pk=obj.pk))

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().delete_view(request, *args, **kwargs)
        except StoreFailed as error:
            logger.warning("A variant could not be removed: %.500r", error)
        text = _("The variant was not removed, because the storage failed. Please try again.")
        self.message_user(request, text, messages.ERROR)
        name = "admin:resizer_cachedvariant_changelist"
        return HttpResponseRedirect(reverse(name, current_app=self.admin_site.name))


class CachedVariantAdmin(CachedVariantMixin, admin.ModelAdmin):  # type: ignore[type-arg]  # no runtime generics
    """The admin of cached variants."""
