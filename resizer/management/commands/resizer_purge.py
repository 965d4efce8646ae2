"""manage.py resizer_purge"""

from __future__ import annotations

import argparse
import math
import re
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from django.template.defaultfilters import filesizeformat

from resizer.errors import StoreFailed
from resizer.maintenance.purging import Choice, Purge
from resizer.management.ending import told_end
from resizer.sources import bulkhead, find_source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.core.management.base import CommandParser

    from resizer.maintenance.purging import Report

_UNITS = {"h": 3600, "d": 86_400, "w": 604_800}  # seconds


def _age(text: str) -> int:
    """Convert an age such as "30d" to seconds. Raises ArgumentTypeError."""
    match = re.fullmatch(r"([0-9]{1,5})([hdw])", text)
    if match is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not an age. Write a number and h, d or w, such as 12h, 30d or 8w"
        )
    return int(match[1]) * _UNITS[match[2]]


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a duration. Write a number of seconds above 0"
        )
    return seconds


class Command(BaseCommand):
    help = (
        "Removes cached variants. Without options, it removes the variants of replaced or deleted originals."
        " Several options narrow the choice: a variant has to match all of them. Originals are never touched,"
        " and a removed variant is made again when a page needs it."
        " --stale (the default) also removes database rows of originals without file and variants. When the command looks"
        " through the storage, it also removes rows without a file and unfinished files of killed processes."
        " If a source is empty or missing, or has lost more than half of its known originals (four or more) at once,"
        " its variants stay unless you give --force or --all."
        " The command deletes while it looks. If it is stopped or killed, run it again for the rest."
        " Exit status: 0 if all went well, also at the end of --for; 1 if a storage or the database failed,"
        " a source could not tell, or the output cannot be written; 130 after Ctrl-C; 141 if a pipe was closed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--stale",
            action="store_true",
            help="remove variants of replaced or deleted originals (the default)",
        )
        parser.add_argument(
            "--older-than",
            metavar="AGE",
            type=_age,
            help="remove variants made longer ago than this: 12h, 30d, 8w",
        )
        parser.add_argument(
            "--source",
            metavar="ALIAS",
            help="remove variants of originals in this source, such as default",
        )
        parser.add_argument("--all", action="store_true", help="remove every variant")
        parser.add_argument(
            "--dry-run", action="store_true", help="print what would be removed, but remove nothing"
        )
        parser.add_argument(
            "--force",
            action="store_true",
            help="also purge sources that seem to have lost their originals",
        )
        parser.add_argument(
            "--for",
            dest="seconds",
            metavar="SECONDS",
            type=_seconds,
            help="stop after this time. The next run with --for and the same options continues from there",
        )
        parser.add_argument(
            "--from-storage",
            action="store_true",
            help="list the storage instead of reading the database. Slower with a bucket, but finds files without a row"
            " and rows without a file. Always on for local files and without a database",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        with told_end(self), bulkhead.command():
            self._purge(options)

    def _purge(self, options: dict[str, Any]) -> None:
        age, source = options["older_than"], options["source"]
        if options["all"] and (options["stale"] or age is not None):
            raise CommandError("--all cannot be combined with --stale or --older-than. Remove one.")
        choice = Choice(
            source=source,
            older_than=age,
            is_stale=options["stale"] or not (options["all"] or source or age is not None),
        )
        purge = Purge(
            choice,
            from_storage=options["from_storage"],
            is_dry=options["dry_run"],
            is_forced=options["force"],
            seconds=options["seconds"],
            tell=self.stdout.write if options["verbosity"] > 1 else lambda name: None,
        )
        try:
            purge.run()
        except StoreFailed as error:
            self._tell(purge.report, options)
            raise CommandError(
                f"The variants storage failed: {error}. Run the command again for the rest."
            ) from error
        except KeyboardInterrupt:
            self._tell(purge.report, options)
            raise
        report = purge.report
        is_known = report.variants or report.rows or report.originals
        if not is_known and source and find_source(source) is None:
            raise CommandError(
                f"There is no source {source!r}, and no variant of it. Use an alias in SOURCES."
            )
        self._tell(report, options)
        if not report.is_complete:
            rest = (
                "The rest was not checked."
                if options["dry_run"]
                else "The next run with --for continues from here."
            )
            self.stdout.write(f"The time of --for is over. {rest}")
        if problems := list(_problems(report, is_dry=options["dry_run"])):
            raise CommandError("\n".join(problems))

    def _tell(self, report: Report, options: dict[str, Any]) -> None:
        counts = [
            (report.variants, "cached variant", "cached variants"),
            (report.unfinished, "unfinished file", "unfinished files"),
            (report.rows, "row without a file", "rows without a file"),
            (report.originals, "row of a missing original", "rows of missing originals"),
        ]
        told = [
            f"{number} {one if number == 1 else many}"
            for place, (number, one, many) in enumerate(counts)
            if number or place == 0
        ]
        verb = "Would remove" if options["dry_run"] else "Removed"
        size = filesizeformat(report.bytes).replace("\u00a0", " ")
        self.stdout.write(f"{verb} {', '.join(told)}: {size}.")


def _problems(report: Report, *, is_dry: bool) -> Iterator[str]:
    for alias, reason in report.doubts.items():
        yield f"Source {alias!r} {reason}. So its variants stay. To remove them, use --force."
    if report.unclear:
        some = ", ".join(":".join(one) for one in report.examples)
        yield f"{report.unclear} originals could not be checked, such as {some}. Their variants stay."
    if report.has_left_rows:
        left = (
            "Not all rows were checked"
            if is_dry
            else "The files are removed, but some rows may remain"
        )
        yield f"{left}, because the database failed. Run the command again."
