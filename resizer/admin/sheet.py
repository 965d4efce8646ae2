"""What the page of an original shows beside its form."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.translation import gettext as _

from resizer.admin import crops, files, overview, previews, states, visitors, words
from resizer.admin.pictures import suggestion_of
from resizer.admin.removing import sum_of
from resizer.admin.uses import find_uses
from resizer.models import CachedVariant
from resizer.originals import locate
from resizer.records.descriptions import from_row

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin
    from django.http import HttpRequest
    from django.utils.safestring import SafeString

    from resizer.admin.uses import Use
    from resizer.models import Original

#: The most variants on the page. The list has the others.
MOST_VARIANTS = 120
#: The width of the picture to choose a focal point in, px.
STAGE_WIDTH = 900


@dataclass(slots=True, kw_only=True)
class Editor:
    """What `focal.html` needs. Without `inputs`, the point cannot be moved."""

    url: str
    #: Of the original, px. 0 if unknown.
    width: int
    height: int
    alt: str = ""
    #: Names of data attributes, and their values: ids of inputs.
    inputs: list[tuple[str, str]] = field(default_factory=list)
    #: Such as "62,35".
    suggestion: str = ""
    crops: list[SafeString] = field(default_factory=list)


class Row(NamedTuple):
    """One variant in the table."""

    variant: CachedVariant
    words: str
    state: states.State
    url: str
    preview: SafeString


class Visitor(NamedTuple):
    load: visitors.Load
    bar: SafeString


def context_of(
    model_admin: ModelAdmin[Any], request: HttpRequest, original: Original
) -> dict[str, Any]:
    site = model_admin.admin_site.name
    rows = list(original.cached_variants.order_by("recipe", "format", "width")[: MOST_VARIANTS + 1])
    for row in rows:
        row.original = original
    uses = find_uses(request, original, model_admin.admin_site)
    gone = states.find_gone([original])
    has_pages = model_admin.admin_site.is_registered(CachedVariant)
    shown = rows[:MOST_VARIANTS]
    return {
        "editor": _editor(model_admin, request, original, rows),
        "is_gone": original.pk in gone,
        "facts": _facts(original),
        "variants": [_row(one, gone, site, has_pages=has_pages) for one in shown],
        "has_more": len(rows) > MOST_VARIANTS,
        "total": sum_of(original.cached_variants.all()),
        "visitors": [] if original.pk in gone else _visitors(original, uses),
        "original_size": filesizeformat(original.bytes),
        "uses": uses,
        "has_variants": bool(rows),
        "may_make": model_admin.has_make_permission(request),  # type: ignore[attr-defined]
        "may_remove": model_admin.has_remove_permission(request),  # type: ignore[attr-defined]
        "make_url": reverse("admin:resizer_original_make", args=[original.pk], current_app=site),
        "remove_url": reverse(
            "admin:resizer_original_remove", args=[original.pk], current_app=site
        ),
        "list_url": reverse("admin:resizer_cachedvariant_changelist", current_app=site)
        if has_pages
        else "",
    }


def _editor(
    model_admin: ModelAdmin[Any],
    request: HttpRequest,
    original: Original,
    rows: list[CachedVariant],
) -> Editor:
    site = model_admin.admin_site.name
    current = [one for one in rows if states.state_of(one, set()) is states.State.CURRENT]
    chosen = previews.choose(current, STAGE_WIDTH, is_whole=True)
    preview = previews.of_original(original, chosen, site)
    url = preview.url if preview else ""
    if not url and files.can_show(original):
        url = reverse("admin:resizer_original_file", args=[original.pk], current_app=site)
    inputs = []
    if model_admin.has_change_permission(request, original):
        inputs = [("across", "id_focal_x"), ("down", "id_focal_y")]
    description = from_row(original)
    focal = description.words.focal if description else None
    size = original.width, original.height
    drawn = []
    if url:
        in_use = crops.crops_in_use(row.recipe for row in rows)
        drawn = [crops.draw(one, url, size, focal) for one in in_use]
    return Editor(
        url=url,
        width=original.width,
        height=original.height,
        alt=original.alt,
        inputs=inputs,
        suggestion=suggestion_of(original),
        crops=drawn,
    )


def _facts(original: Original) -> list[tuple[str, str]]:
    size = f"{original.width}\u00a0×\u00a0{original.height}\u00a0px"
    return [
        (_("Source"), original.source),
        (_("Name"), original.name),
        (_("File"), f"{size} · {original.format.upper()} · {filesizeformat(original.bytes)}"),
    ]


def _row(one: CachedVariant, gone: set[int], site: str, *, has_pages: bool) -> Row:
    name = "admin:resizer_cachedvariant_change"
    url = reverse(name, args=[one.pk], current_app=site) if has_pages else ""
    preview = previews.draw(previews.of_original(one.original, one, site), (64, 48))
    return Row(one, words.words_of(one.recipe), states.state_of(one, gone), url, preview)


def _visitors(original: Original, uses: list[Use]) -> list[Visitor]:
    # An object may have a focal point of its own.
    file = uses[0].file if uses else locate(original)
    return [Visitor(load, _bar(load, original)) for load in visitors.loads_of(file)]


def _bar(load: visitors.Load, original: Original) -> SafeString:
    size = load.variant.bytes if load.variant else 0
    parts = [("resizer-bar-saved", size), ("resizer-bar-rest", max(0, original.bytes - size))]
    return overview.bar(parts)
