"""Filters of cached variants. Each offers only choices that occur."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from datetime import timedelta
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from django.contrib.admin import SimpleListFilter
from django.db import connections
from django.db.models import BooleanField, Count, Max, Min, Q
from django.db.models.expressions import RawSQL
from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from resizer.admin import overview, states
from resizer.admin.states import State
from resizer.admin.words import side_of, words_of
from resizer.errors import InvalidOption
from resizer.formats import BY_NAME
from resizer.keys.variant import parse_recipe, write_recipe
from resizer.models import CachedVariant, Original

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from django.contrib.admin import ModelAdmin
    from django.db.models import QuerySet
    from django.http import HttpRequest

    Rows = QuerySet[CachedVariant]

#: The most recipes to choose from.
MOST_RECIPES = 15
#: The limits of the width bands, px: of a phone, a column, a page, a large screen.
BANDS = (0, 320, 640, 1080, 1920, 100_000)
#: In the URL, for the recipe without a text.
WHOLE = "whole"


class Age(NamedTuple):
    title: Any
    days: float
    is_older: bool = False

    @property
    def begin(self) -> datetime:
        return timezone.now() - timedelta(days=self.days)


AGES = {
    "hour": Age(gettext_lazy("past hour"), 1 / 24),
    "day": Age(gettext_lazy("past day"), 1),
    "week": Age(gettext_lazy("past 7 days"), 7),
    "month": Age(gettext_lazy("past 30 days"), 30),
    "over-month": Age(gettext_lazy("more than 30 days"), 30, is_older=True),
    "over-year": Age(gettext_lazy("more than a year"), 365, is_older=True),
}


class _Filter(SimpleListFilter):
    def has_output(self) -> bool:
        # One choice is none. But a filter in use must be seen, and applied.
        return len(self.lookup_choices) > 1 or self.value() is not None


class SourceFilter(_Filter):
    title = gettext_lazy("source")
    parameter_name = "source"
    #: The path from the list's model to the original.
    path = "original__"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[str, str]]:
        found = Original.objects.order_by("source").values_list("source", flat=True).distinct()
        return [(one, one) for one in found]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        value = self.value()
        return None if value is None else queryset.filter(**{f"{self.path}source": value})


class OriginalSourceFilter(SourceFilter):
    path = ""


class _EitherFilter(_Filter):
    """Originals with a property, or without it. No choice if all have it, or none."""

    has_it: Q
    titles: tuple[Any, Any]

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[str, Any]]:
        rows = Original.objects.order_by()
        if rows.filter(self.has_it).exists() and rows.exclude(self.has_it).exists():
            return list(zip(("yes", "no"), self.titles, strict=True))
        return []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        chosen = {"yes": self.has_it, "no": ~self.has_it}.get(self.value() or "")
        return None if chosen is None else queryset.filter(chosen)


class AltFilter(_EitherFilter):
    title = gettext_lazy("alternative text")
    parameter_name = "no-alt"
    has_it = Q(alt="")
    titles = gettext_lazy("missing"), gettext_lazy("present")


class BrokenFilter(_EitherFilter):
    title = gettext_lazy("file")
    parameter_name = "broken"
    has_it = Q(frames=0)
    titles = gettext_lazy("broken"), gettext_lazy("readable")


class TransparencyFilter(_EitherFilter):
    title = gettext_lazy("transparency")
    parameter_name = "transparent"
    has_it = Q(has_alpha=True)
    titles = gettext_lazy("yes"), gettext_lazy("no")


class FormatFilter(_Filter):
    title = gettext_lazy("format")
    parameter_name = "format"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[str, str]]:
        rows = model_admin.model._default_manager.order_by("format")
        found = rows.values_list("format", flat=True).distinct()
        return [(one, one.upper()) for one in found if one in BY_NAME]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        value = self.value()
        return None if value is None else queryset.filter(format=value)


class WidthFilter(_Filter):
    title = gettext_lazy("width")
    parameter_name = "width"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[str, str]]:
        # There are few widths: those of the settings, and own ones of originals.
        widths = list(CachedVariant.objects.order_by().values_list("width", flat=True).distinct())
        return [
            (f"{low}-{high}", self._name(low, high))
            for low, high in pairwise(BANDS)
            if any(low < width <= high for width in widths)
        ]

    def _name(self, low: int, high: int) -> str:
        if not low:
            return _("up to {high} px").format(high=high)
        if high == BANDS[-1]:
            return _("above {low} px").format(low=low)
        return _("{low} to {high} px").format(low=low + 1, high=high)

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows | None:
        low, _minus, high = (self.value() or "").partition("-")
        if not (low.isdecimal() and high.isdecimal()):
            return None
        return queryset.filter(width__gt=int(low), width__lte=int(high))


class AgeFilter(_Filter):
    title = gettext_lazy("age")
    parameter_name = "age"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[str, Any]]:
        rows = CachedVariant.objects.order_by()
        oldest, newest = rows.aggregate(old=Min("created_at"), new=Max("created_at")).values()
        if oldest is None:
            return []
        return [
            (name, age.title)
            for name, age in AGES.items()
            if (oldest < age.begin if age.is_older else newest >= age.begin)
        ]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows | None:
        age = AGES.get(self.value() or "")
        if age is None:
            return None
        return queryset.filter(**{f"created_at__{'lt' if age.is_older else 'gte'}": age.begin})


class RecipeFilter(_Filter):
    """By the words of recipes: all focal points on the right are one choice."""

    title = gettext_lazy("recipe")
    parameter_name = "recipe"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[str, str]]:
        rows = CachedVariant.objects.values_list("recipe").annotate(n=Count("pk")).order_by()
        counts: Counter[str] = Counter()
        self._recipes: dict[str, list[str]] = defaultdict(list)
        for recipe, number in rows:
            group = _group_of(recipe)
            counts[group] += number
            self._recipes[group].append(recipe)
        return [
            (group or WHOLE, words_of(self._recipes[group][0]))
            for group, _number in counts.most_common(MOST_RECIPES)
        ]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows | None:
        value = self.value()
        if value is None:
            return None
        group = "" if value == WHOLE else value
        return queryset.filter(recipe__in=self._recipes.get(group, []))


class StateFilter(_Filter):
    title: Any = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[str, Any]]:
        counts, newest = overview.counts_of_states(request)
        if newest:
            self.title = _("state of the newest {n}").format(n=formats.number_format(newest))
        return [
            (state.value, f"{state.label} ({formats.number_format(counts[state])})")
            for state in State
            if counts[state]
        ]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows | None:
        value = self.value()
        if value not in State.values:
            return None
        found = states.scan_for(request)
        if value == State.CURRENT:
            others = _one_of(queryset, chain(found.stale, found.orphaned))
            return queryset.filter(pk__gte=found.first).exclude(others)
        is_stale = value == State.STALE
        return queryset.filter(_one_of(queryset, found.stale if is_stale else found.orphaned))


def _group_of(recipe: str) -> str:
    """A recipe with its focal point moved to the middle of its side."""
    try:
        known = parse_recipe(recipe)
    except InvalidOption:
        return recipe
    across, down = map(side_of, known.focal)
    return write_recipe(replace(known, focal=(50 + 50 * across, 50 + 50 * down)))


def _one_of(rows: Rows, pks: Iterable[int]) -> RawSQL:
    """Rows with one of many primary keys, as text: databases limit the number of parameters."""
    quote = connections[rows.db].ops.quote_name
    column = f"{quote(CachedVariant._meta.db_table)}.{quote('id')}"
    numbers = ",".join(str(int(pk)) for pk in pks) or "-1"
    # Security: these are numbers.
    return RawSQL(f"{column} IN ({numbers})", (), output_field=BooleanField())
