"""The list of originals, and the page of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.defaultfilters import filesizeformat
from django.urls import path, reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from resizer import store
from resizer.admin import files, making, overview, previews, removing, sheet
from resizer.admin.accents import without_accents
from resizer.admin.columns import name_of, size
from resizer.admin.filters import (
    AltFilter,
    BrokenFilter,
    FormatFilter,
    OriginalSourceFilter,
    TransparencyFilter,
)
from resizer.admin.lists import note_made, with_rows
from resizer.admin.uses import find_titled, find_uses
from resizer.admin.variants import SCRIPTS, STYLES, WrittenByTheApp
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

#: The preview in a card, CSS px.
CARD_BOX = (240, 180)
#: Of how many originals the storage is listed when their variants are removed.
MOST_LISTED = 100


class OriginalForm(forms.ModelForm):  # type: ignore[type-arg]  # no runtime generics
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # The admin makes the widget, and another package may replace it. A viewer has no fields.
        if "alt" in self.fields:
            self.fields["alt"].widget.attrs["rows"] = 2

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        point = cleaned.get("focal_x"), cleaned.get("focal_y")
        if None in point and point != (None, None):
            raise forms.ValidationError(_("Fill in both numbers of the focal point, or none."))
        return cleaned


class OriginalMixin(WrittenByTheApp, Base):
    """The admin of originals, for any base class."""

    list_display: Any = ("preview", "title", "facts", "made")
    list_display_links: Any = ("title",)
    list_filter: ClassVar[Any] = (
        BrokenFilter,
        AltFilter,
        FormatFilter,
        TransparencyFilter,
        OriginalSourceFilter,
    )
    list_per_page = 60
    search_fields = ("name",)
    search_help_text = _("Names of files, and titles of objects with the picture.")
    show_full_result_count = False
    actions: Any = ("remove_variants",)
    change_list_template = "admin/resizer/change_list.html"
    change_form_template = "admin/resizer/original/change_form.html"
    fields: ClassVar[Any] = (("focal_x", "focal_y"), "alt")
    form = OriginalForm
    # The other buttons are below all variants.
    save_on_top = True

    class Media:
        css = STYLES
        js = SCRIPTS

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        # The file would stay, and the row would come back.
        return False

    def has_make_permission(self, request: HttpRequest) -> bool:
        return making.may_make(request)

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
            path(
                "<int:pk>/make/",
                self.admin_site.admin_view(self.make_view),
                name="resizer_original_make",
            ),
            path(
                "<int:pk>/file/",
                self.admin_site.admin_view(self.file_view),
                name="resizer_original_file",
            ),
        ]
        return [*own, *super().get_urls()]

    def variant_view(self, request: HttpRequest, pk: int, variant: int) -> HttpResponse:
        """The file of a variant, for a preview."""
        original = self._find(request, pk)
        return files.send_variant(get_object_or_404(original.cached_variants, pk=variant))

    def file_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The original's own file, for an editor who chooses a focal point before there is a variant."""
        return files.send_original(self._find(request, pk))

    def make_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Make all widths of an original."""
        original = self._find(request, pk)
        if not self.has_make_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            uses = find_uses(request, original, self.admin_site)
            recipes = original.cached_variants.order_by().values_list("recipe", flat=True)
            made = making.make_all(original, recipes.distinct(), [use.file for use in uses])
            making.tell(self, request, made)
        return self._back(pk)

    def remove_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask, then remove all variants of one original."""
        original = self._find(request, pk)
        if not self.has_remove_permission(request):
            raise PermissionDenied
        originals = Original.objects.filter(pk=original.pk)
        answer = self.remove_variants(request, originals)
        if answer is not None:
            return answer
        return self._back(pk)

    def _find(self, request: HttpRequest, pk: int) -> Original:
        """Security: a project may limit rows by `get_queryset`. Raises Http404 outside of it, PermissionDenied."""
        original = get_object_or_404(self.get_queryset(request), pk=pk)
        if not self.has_view_permission(request, original):
            raise PermissionDenied
        return original

    def _back(self, pk: int) -> HttpResponse:
        name = "admin:resizer_original_change"
        return HttpResponseRedirect(reverse(name, args=[pk], current_app=self.admin_site.name))

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        has_variants = self.admin_site.is_registered(CachedVariant)
        cards = overview.cards(request, self.admin_site.name, has_variants=has_variants)
        context = {"resizer_cards": cards, "title": _("Originals"), **(extra_context or {})}
        return super().changelist_view(request, context)

    def get_search_fields(self, request: HttpRequest) -> Any:
        return without_accents(super().get_search_fields(request), Original.objects.db)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Original], search_term: str
    ) -> tuple[QuerySet[Original], bool]:
        found, is_doubled = super().get_search_results(request, queryset, search_term)
        titled = find_titled(request, search_term, self.admin_site, "")
        return (found | queryset.filter(titled) if titled else found), is_doubled

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        # There is always one: originals are not added here.
        context.update(sheet.context_of(self, request, context["original"]))
        return super().render_change_form(request, context, *args, **kwargs)

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[ChangeList]:
        return with_rows(super().get_changelist(request, **options), note_made)

    @admin.display(description=_("preview"))
    def preview(self, original: Any) -> SafeString:
        stored = previews.of_original(original, original.made.shown, self.admin_site.name)
        link = reverse(
            "admin:resizer_original_change",
            args=[original.pk],
            current_app=self.admin_site.name,
        )
        preview = stored or previews.of_placeholder(original)
        return previews.draw(preview, CARD_BOX, link=link)

    @admin.display(description=_("name"), ordering="name")
    def title(self, original: Original) -> SafeString:
        return name_of(original)

    @admin.display(description=_("size"), ordering="bytes")
    def facts(self, original: Original) -> str:
        return f"{size(original)} · {original.format.upper()} · {filesizeformat(original.bytes)}"

    @admin.display(description=_("variants"))
    def made(self, original: Any) -> str:
        return _told(original.made.total)

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
