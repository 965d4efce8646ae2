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
    """ "30d" in seconds."""
    match = re.fullmatch(r"([0-9]{1,5})([hdw])", text)
    if match is None:
        raise argparse.ArgumentTypeError("write a number and h, d or w: 12h, 30d, 8w")
    return int(match[1]) * _UNITS[match[2]]


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError("write a number of seconds, more than 0")
    return seconds


class Command(BaseCommand):
    help = (
        "Removes cached variants of pictures that are no longer needed. Without options: those whose original was"
        " replaced or deleted. Originals are never touched, and what is asked for again is made again."
        " Several options narrow the choice: only what all of them say is removed. Rows of the database go as well:"
        " of variants whose file is gone (where it looks through the storage), and of originals that have neither file"
        " nor variants. So do unfinished files that killed processes have left."
        " A source that is empty or not there, or that has lost more than half of four or more known originals at once, cannot"
        " tell what has gone: its variants stay, unless you say --force or --all. Deletes while it looks, so that"
        " a run that is stopped or killed has done a part, and can be repeated."
        " Exits with 0 if all went well, also where --for has ended it in time; with 1 if a storage or the database"
        " failed, if a source could not tell, or if the output cannot be written; with 130 after Ctrl-C, and with 141 if nobody reads its output."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--stale", action="store_true", help="whose original was replaced or deleted"
        )
        parser.add_argument(
            "--older-than", metavar="AGE", type=_age, help="made longer ago than: 12h, 30d, 8w"
        )
        parser.add_argument(
            "--source", metavar="ALIAS", help="of originals of this source, such as default"
        )
        parser.add_argument("--all", action="store_true", help="every one")
        parser.add_argument(
            "--dry-run", action="store_true", help="only say what would be removed; remove nothing"
        )
        parser.add_argument(
            "--force",
            action="store_true",
            help="believe a source that seems to have lost everything, and remove its variants",
        )
        parser.add_argument(
            "--for",
            dest="seconds",
            metavar="SECONDS",
            type=_seconds,
            help="stop after so long; the next run with --for and the same options goes on from there",
        )
        parser.add_argument(
            "--from-storage",
            action="store_true",
            help="look through the storage, not through the database: slower with a bucket, but finds files that"
            " were never recorded and rows whose file is gone (done by itself where there is no database, or the files are local)",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        with told_end(self), bulkhead.command():
            self._purge(options)

    def _purge(self, options: dict[str, Any]) -> None:
        age, source = options["older_than"], options["source"]
        if options["all"] and (options["stale"] or age is not None):
            raise CommandError("--all cannot be narrowed by --stale or --older-than.")
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
                f"The variants storage failed: {error}. Please try again."
            ) from error
        except KeyboardInterrupt:
            self._tell(purge.report, options)
            raise
        report = purge.report
        is_known = report.variants or report.rows or report.originals
        if not is_known and source and find_source(source) is None:
            raise CommandError(f"There is no source {source!r}, and no variant of it.")
        self._tell(report, options)
        if not report.is_complete:
            rest = (
                "The rest was not looked at."
                if options["dry_run"]
                else "The next run with --for goes on from here."
            )
            self.stdout.write(f"The time is over. {rest}")
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
        yield f"Source {alias!r} {reason}. It cannot tell what has gone, so its variants stay; --force removes them."
    if report.unclear:
        some = ", ".join(":".join(one) for one in report.examples)
        yield f"{report.unclear} originals could not be asked for, such as {some}: their variants stay."
    if report.has_left_rows:
        left = (
            "Not all rows were looked at"
            if is_dry
            else "The files are removed, but rows may be left"
        )
        yield f"{left}: the database failed. Please try again."
