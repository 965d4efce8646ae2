"""manage.py resizer_stats"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError

from resizer.errors import StoreFailed
from resizer.maintenance.listing import variant_of
from resizer.management.console import ResizerCommand, age, count, statuses, told_bytes
from resizer.records import tables, tallies
from resizer.records.totals import Share, totals
from resizer.store import backends

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from django.core.management.base import CommandParser

    from resizer.records.totals import Totals

DAY = 86_400  # seconds


class Command(ResizerCommand):
    help = (
        "Prints totals: cached variants and bytes by format and source, bytes saved, the largest originals, the slowest"
        " renders, variants that nobody uses, and the hits, misses and failures of the last day."
        " It reads the database. Without one, it lists the variants storage, and knows less."
        f" {statuses()}"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--unused-for",
            metavar="AGE",
            type=age,
            default=90 * DAY,
            help="count variants that were not used for this time: 12h, 30d, 8w. Default: 90d",
        )

    def work(self, options: Mapping[str, Any]) -> None:
        if not tables.is_configured():
            self._tell_listing()
            return
        found = totals(options["unused_for"])
        requests = tallies.recent(DAY)
        if found is None or requests is None:
            raise CommandError(
                "The database does not respond, or lacks the tables. Run resizer_doctor."
            )
        self.report(_facts(found, requests), list(_lines(found, requests, options["unused_for"])))

    def _tell_listing(self) -> None:
        """What the storage alone tells."""
        shares: dict[str, dict[str, Share]] = {"by_format": {}, "by_source": {}}
        try:
            with self.progress("files") as progress:
                for name, source, size in _listed():
                    progress.advance()
                    for group, key in (("by_format", name), ("by_source", source)):
                        former = shares[group].get(key, Share(0, 0))
                        shares[group][key] = Share(former.variants + 1, former.bytes + size)
        except StoreFailed as error:
            raise CommandError(f"The variants storage failed: {error}.") from error
        sums = shares["by_format"].values()
        whole = Share(sum(one.variants for one in sums), sum(one.bytes for one in sums))
        facts = {**whole._asdict(), **{name: _dicts(one) for name, one in shares.items()}}
        lines = [_told("cached variants", whole), *_table("", shares["by_format"])]
        self.report(facts, [*lines, *_table("source ", shares["by_source"])])


def _listed() -> Iterator[tuple[str, str, int]]:
    """Format, source and bytes of each cached variant. Raises StoreFailed."""
    for file in backends.walk():
        variant = variant_of(file.name)
        if variant is not None:
            yield variant.format.name, variant.source, file.bytes


def _facts(found: Totals, requests: Mapping[str, int]) -> dict[str, object]:
    groups = {name: _dicts(getattr(found, name)) for name in ("by_format", "by_source", "largest")}
    return {
        **found._asdict(),
        **groups,
        "slowest": [one._asdict() for one in found.slowest],
        "unused": found.unused._asdict(),
        "last_day": dict(requests),
    }


def _dicts(shares: Mapping[str, Share]) -> dict[str, dict[str, int]]:
    return {name: one._asdict() for name, one in shares.items()}


def _lines(found: Totals, requests: Mapping[str, int], unused_seconds: int) -> Iterator[str]:
    originals = count(found.originals, "original", "originals")
    yield f"{_told('cached variants', Share(found.variants, found.bytes))}, of {originals}"
    yield from _table("", found.by_format)
    yield from _table("source ", found.by_source)
    if found.saved_bytes > 0:
        yield f"saved: {told_bytes(found.saved_bytes)}, against originals in their place"
    days = unused_seconds / DAY
    yield _told(f"not used for {days:g} {'day' if days == 1 else 'days'}", found.unused)
    if found.largest:
        yield "most bytes of variants:"
        yield from _table("", found.largest)
    if found.slowest:
        yield "slowest renders:"
        yield from (f"  {one.milliseconds:>6,} ms  {one.key}" for one in found.slowest)
    served = requests[tallies.HIT] + requests[tallies.MISS]
    share = f" ({requests[tallies.HIT] / served:.1%} hits)" if served else ""
    yield (
        f"requests of the last day: {requests[tallies.HIT]:,} hits, {requests[tallies.MISS]:,} misses{share},"
        f" {requests[tallies.BUSY]:,} busy, {requests[tallies.FAILURE]:,} failures"
    )


def _table(prefix: str, shares: Mapping[str, Share]) -> Iterator[str]:
    for name, one in shares.items():
        yield f"  {_told(prefix + name, one)}"


def _told(name: str, one: Share) -> str:
    return f"{name}: {one.variants:,}, {told_bytes(one.bytes)}"
