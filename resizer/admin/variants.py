"""The list of cached variants, and the page of one."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from resizer.admin import files, making, overview, previews, removing, states
from resizer.admin.accents import without_accents
from resizer.admin.columns import age, badge, file, measures, name_of, recipe, rendering, state
from resizer.admin.filters import (
    AgeFilter,
    FormatFilter,
    RecipeFilter,
    SourceFilter,
    StateFilter,
    WidthFilter,
)
from resizer.admin.lists import note_states, with_rows
from resizer.admin.uses import find_titled
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
SCRIPTS = ["resizer/admin/focal.js"]
STYLES = {"all": ["resizer/admin/admin.css"]}


class WrittenByTheApp:
    """Rows are written by the app alone."""

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


class CachedVariantMixin(WrittenByTheApp, Base):
    """The admin of cached variants, for any base class."""

    list_display: Any = ("preview", "original_link", recipe, measures, file, rendering, age, state)
    list_display_links: Any = (measures,)
    list_filter: ClassVar[Any] = (
        StateFilter,
        FormatFilter,
        RecipeFilter,
        WidthFilter,
        AgeFilter,
        SourceFilter,
    )
    change_list_template = "admin/resizer/change_list.html"
    list_per_page: ClassVar[int] = 50
    list_select_related = ("original",)
    search_fields = ("original__name", "key")
    search_help_text = _("Names of files, keys, and titles of objects with the picture.")
    show_full_result_count = False
    actions: Any = ("delete_selected", "make_again")
    fields: ClassVar[Any] = (
        "large_preview",
        "original_link",
        "state",
        "recipe_in_words",
        measures,
        file,
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
        # Security: a project may limit the rows of an editor.
        variant = get_object_or_404(self.get_queryset(request), pk=pk)
        if not self.has_view_permission(request, variant):
            raise PermissionDenied
        return files.send_variant(variant)

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[ChangeList]:
        return with_rows(super().get_changelist(request, **options), note_states)

    def has_remove_permission(self, request: HttpRequest) -> bool:
        return removing.may_remove(request)

    def has_make_permission(self, request: HttpRequest) -> bool:
        # Both: the former file goes.
        return making.may_make(request) and removing.may_remove(request)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        cards = overview.cards(request, self.admin_site.name)
        context = {"resizer_cards": cards, "title": _("Cached variants"), **(extra_context or {})}
        return super().changelist_view(request, context)

    def get_search_fields(self, request: HttpRequest) -> Any:
        return without_accents(super().get_search_fields(request), CachedVariant.objects.db)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[CachedVariant], search_term: str
    ) -> tuple[QuerySet[CachedVariant], bool]:
        found, is_doubled = super().get_search_results(request, queryset, search_term)
        titled = find_titled(request, search_term, self.admin_site, "original__")
        return (found | queryset.filter(titled) if titled else found), is_doubled

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
        name = name_of(variant.original)
        # A project may have its own admin site without originals.
        if not self.admin_site.is_registered(Original):
            return name
        url = reverse(
            "admin:resizer_original_change",
            args=[variant.original_id],
            current_app=self.admin_site.name,
        )
        return format_html('<a href="{}">{}</a>', url, name)

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

    @admin.action(description=_("Make again"), permissions=["make"])
    def make_again(
        self, request: HttpRequest, queryset: QuerySet[CachedVariant]
    ) -> HttpResponse | None:
        if "post" in request.POST:
            making.tell(self, request, making.make_again(queryset))
            return None
        question = _("Make these variants again? Stale ones are made from the present original.")
        return removing.confirm(
            self,
            request,
            action="make_again",
            question=question,
            total=removing.sum_of(queryset),
            selected=request.POST.getlist(admin.helpers.ACTION_CHECKBOX_NAME),
            button=_("Make again"),
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
