"""Columns of the lists, and rows of the page of a variant."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.utils import display_for_value
from django.template.defaultfilters import filesizeformat
from django.utils.html import format_html
from django.utils.timesince import timesince
from django.utils.translation import gettext_lazy as _

from resizer.admin import overview, states
from resizer.admin.words import words_of
from resizer.keys.variant import DEFAULT_SOURCE

if TYPE_CHECKING:
    from django.utils.safestring import SafeString

    from resizer.models import CachedVariant, Original


@admin.display(description=_("size, px"), ordering="width")
def size(row: CachedVariant | Original) -> str:
    return f"{row.width}\u00a0×\u00a0{row.height}"


@admin.display(description=_("size, px"), ordering="width")
def measures(variant: CachedVariant) -> SafeString:
    return _two_lines(size(variant), variant.get_format_display())


@admin.display(description=_("file"), ordering="bytes")
def file(variant: CachedVariant) -> SafeString:
    return _two_lines(filesizeformat(variant.bytes), saved(variant))


def saved(variant: CachedVariant) -> str:
    """The file against that of its original, such as "−87 %"."""
    percent = math.floor(100 - 100 * variant.bytes / max(1, variant.original.bytes))
    sign = "−" if percent >= 0 else "+"
    return f"{sign}{abs(percent)}\u00a0%"


def _two_lines(first: str, second: str) -> SafeString:
    return format_html('{}<span class="resizer-second">{}</span>', first, second)


@admin.display(description=_("rendering"), ordering="render_ms")
def rendering(variant: CachedVariant) -> str:
    if variant.render_ms is None:
        return "–"
    return overview.milliseconds(variant.render_ms)


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


def name_of(original: Original) -> SafeString:
    """The name of an original, below its source and folder."""
    folder, _slash, name = original.name.rpartition("/")
    place = original.source if original.source != DEFAULT_SOURCE else ""
    return format_html(
        '<span class="resizer-name"><span class="resizer-folder">{}</span> {}</span>',
        ":".join(filter(None, (place, folder))),
        name,
    )
