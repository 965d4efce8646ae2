"""The header above both lists: totals, saved bytes, and the last day."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from django.db.models import Count, Max
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils import formats
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from resizer.admin import states
from resizer.admin.states import State
from resizer.keys.digests import digest_of
from resizer.models import CachedVariant, Original
from resizer.records import cache, tallies, totals

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from django.http import HttpRequest

#: How long sums are remembered, seconds. A change of the index is seen before, up to LARGE variants.
SECONDS = 60
LARGE = 150_000
LARGE_SECONDS = 600
DAY = 86_400  # seconds
#: Variants without a use for this time count as unused, seconds.
UNUSED_SECONDS = 30 * DAY
#: How many slow renders the header names.
SLOWEST = 3


class Card(NamedTuple):
    title: str
    figure: str
    bar: SafeString
    lines: list[SafeString | str]


def cards(request: HttpRequest, site: str, *, has_variants: bool = True) -> list[Card]:
    """Empty while the database fails. `has_variants`: whether the site has a list of cached variants."""
    found = _remembered("totals", _sums)
    if found is None:
        return []
    link = (
        reverse("admin:resizer_cachedvariant_changelist", current_app=site) if has_variants else ""
    )
    made = [_variants(request, found, link), _bytes(found), _saving(found), _requests()]
    return [*made, *_slowest(found, site, has_variants=has_variants)]


class States(NamedTuple):
    counts: dict[State, int]
    #: How many variants were compared, if not all.
    newest: int


def counts_of_states(request: HttpRequest) -> States:
    found = _remembered("scan", lambda: _count_states(request))
    return States({state: found[state.value] for state in State}, found["newest"])


def _count_states(request: HttpRequest) -> dict[str, int]:
    """As plain values, like `_sums`."""
    found = states.scan_for(request)
    counts = {state.value: number for state, number in found.counts().items()}
    return {**counts, "newest": found.variants if found.first else 0}


def _sums() -> dict[str, Any] | None:
    """The totals as plain values, because a cache may outlive a class."""
    found = totals.totals(UNUSED_SECONDS)
    if found is None:
        return None
    return {
        "originals": found.originals,
        "variants": found.variants,
        "bytes": found.bytes,
        "saved": found.saved_bytes,
        "formats": [(name, *share) for name, share in found.by_format.items()],
        "slowest": [tuple(one) for one in found.slowest[:SLOWEST]],
        "unused": tuple(found.unused),
    }


def _remembered(kind: str, ask: Any) -> Any:
    """The result of `ask`, until the index changes."""
    now = CachedVariant.objects.aggregate(n=Count("pk"), last=Max("pk"))
    originals = Original.objects.aggregate(n=Count("pk"), last=Max("checked_at"))
    is_large = now["n"] > LARGE
    version = "large" if is_large else f"{now} {originals}"
    key = cache.key_of(f"admin-{kind}", version)
    found = cache.read(key)
    if found is None:
        found = ask()
        cache.write(key, found, LARGE_SECONDS if is_large else SECONDS)
    return found


def _variants(request: HttpRequest, found: Mapping[str, Any], link: str) -> Card:
    counts, newest = counts_of_states(request)
    parts = [(f"resizer-bar-{state.value}", counts[state]) for state in State]
    lines: list[SafeString | str] = [
        _legend(
            f"resizer-bar-{state.value}",
            state.label,
            _number(counts[state]),
            f"{link}?state={state.value}" if link else "",
        )
        for state in State
        if counts[state]
    ]
    if newest:
        lines.append(_("States of the newest {n}.").format(n=_number(newest)))
    originals = ngettext("of {n} original", "of {n} originals", found["originals"])
    lines.append(originals.format(n=_number(found["originals"])))
    return Card(_("Variants"), _number(found["variants"]), bar(parts), lines)


def _bytes(found: Mapping[str, Any]) -> Card:
    shares = found["formats"]
    parts = [(f"resizer-bar-{place}", size) for place, (_name, _n, size) in enumerate(shares)]
    lines: list[SafeString | str] = [
        _legend(f"resizer-bar-{place}", name.upper(), f"{filesizeformat(size)} · {_number(n)}")
        for place, (name, n, size) in enumerate(shares)
    ]
    return Card(_("Stored"), filesizeformat(found["bytes"]), bar(parts), lines)


def _saving(found: Mapping[str, Any]) -> Card:
    saved, kept = max(0, found["saved"]), found["bytes"]
    share = 100 * saved // max(1, saved + kept)
    unused, unused_bytes = found["unused"]
    lines: list[SafeString | str] = [
        _("{bytes} less than the originals").format(bytes=filesizeformat(saved))
    ]
    if unused:
        text = ngettext(
            "{n} variant, {bytes}, not used for 30 days",
            "{n} variants, {bytes}, not used for 30 days",
            unused,
        )
        lines.append(text.format(n=_number(unused), bytes=filesizeformat(unused_bytes)))
    parts = [("resizer-bar-rest", kept), ("resizer-bar-saved", saved)]
    return Card(_("Saved"), f"{share}\u00a0%", bar(parts), lines)


def _requests() -> Card:
    counts = tallies.recent(DAY) or dict.fromkeys(tallies.NAMES, 0)
    names = {
        tallies.HIT: _("hits"),
        tallies.MISS: _("misses"),
        tallies.BUSY: _("busy"),
        tallies.FAILURE: _("failures"),
    }
    parts = [(f"resizer-bar-{name}", counts[name]) for name in names]
    lines: list[SafeString | str] = [
        _legend(f"resizer-bar-{name}", title, _number(counts[name]))
        for name, title in names.items()
    ]
    total = sum(counts.values())
    figure = f"{100 * counts[tallies.HIT] // total}\u00a0%" if total else "–"
    return Card(_("Hits in 24 hours"), figure, bar(parts), lines)


def _slowest(found: Mapping[str, Any], site: str, *, has_variants: bool) -> list[Card]:
    slowest = found["slowest"]
    if not slowest or not has_variants:
        return []
    digests = {digest_of(key): (key, ms) for key, ms in slowest}
    rows = CachedVariant.objects.filter(digest__in=digests).select_related("original")
    lines: list[SafeString | str] = []
    for row in sorted(rows, key=lambda row: -(row.render_ms or 0)):
        url = reverse("admin:resizer_cachedvariant_change", args=[row.pk], current_app=site)
        name = row.original.name.rpartition("/")[2]
        text = f"{name}, {row.width}\u00a0px {row.format.upper()}"
        lines.append(_legend("", text, milliseconds(row.render_ms or 0), url))
    return [Card(_("Slowest renders"), milliseconds(slowest[0][1]), SafeString(""), lines)]


def bar(parts: Iterable[tuple[str, int]]) -> SafeString:
    """A drawn bar of parts with a class each. An SVG, because a strict policy allows no style in HTML."""
    parts = [(name, size) for name, size in parts if size > 0]
    total = sum(size for _name, size in parts)
    left = 0.0
    drawn = []
    for name, size in parts:
        # Nothing that occurs is invisible.
        width = max(1.0, 100 * size / total)
        drawn.append((name, f"{left:.2f}", f"{width:.2f}"))
        left += width
    inside = format_html_join("", '<rect class="{}" x="{}" width="{}" height="4"/>', drawn)
    return format_html(
        '<svg class="resizer-bar" viewBox="0 0 {} 4" preserveAspectRatio="none" aria-hidden="true">{}</svg>',
        f"{max(left, 1):.2f}",
        inside,
    )


def _legend(kind: str, name: object, value: str, url: str = "") -> SafeString:
    dot = format_html('<i class="resizer-dot {}"></i>', kind) if kind else ""
    label = format_html('<a href="{}">{}</a>', url, name) if url else name
    return format_html("{}<span>{}</span> <b>{}</b>", dot, label, value)


def milliseconds(number: int) -> str:
    return _("{n} ms").format(n=_number(number))


def _number(number: int) -> str:
    return formats.number_format(number, use_l10n=True, force_grouping=True)
