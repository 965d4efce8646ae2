"""manage.py resizer_sync"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError

from resizer.concurrency import machine
from resizer.maintenance.syncing import Sync
from resizer.management.console import (
    ResizerCommand,
    count,
    jobs,
    statuses,
    told_bytes,
)
from resizer.records import index, tables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.core.management.base import CommandParser

    from resizer.maintenance.syncing import Report


class Command(ResizerCommand):
    help = (
        "Rebuilds the database's index of cached variants from the variants storage: adds missing rows, and removes"
        " rows without a file. Files are never touched. Use it after the database was lost, restored or emptied, and"
        " after files were copied or deleted by hand."
        " If it is stopped or killed, run it again for the rest."
        f" {statuses()}"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--dry-run", action="store_true", help="print what would be changed, but change nothing"
        )
        parser.add_argument(
            "--force",
            action="store_true",
            help="remove rows even if the storage has no file at all, as if a disk were not mounted",
        )
        parser.add_argument(
            "--jobs",
            metavar="N",
            type=jobs,
            default=machine.cores(),
            help="threads to read originals with. Default: one for each core",
        )
        parser.add_argument(
            "--enqueue",
            action="store_true",
            help="change nothing here: enqueue tasks for workers of django.tasks, for some thousand files or rows each",
        )

    def work(self, options: Mapping[str, Any]) -> None:
        if not tables.is_configured():
            raise CommandError("This project has no database, so there is no index to rebuild.")
        if not index.is_available():
            raise CommandError(
                "The database does not respond, or lacks the tables. Run resizer_doctor."
            )
        if options["enqueue"]:
            with self.told(lambda: None):
                self._enqueue(options)
            return
        progress = self.progress("files")
        sync = Sync(
            is_dry=options["dry_run"],
            is_forced=options["force"],
            jobs=options["jobs"],
            tell=self.name,
            advance=progress.advance,
        )
        with self.told(lambda: self._tell(sync.report, options)), progress:
            sync.run()
        if problems := list(sync.report.problems()):
            raise CommandError("\n".join(problems))

    def _enqueue(self, options: Mapping[str, Any]) -> None:
        tasks = self.tasks()
        sync = Sync(is_forced=options["force"])
        number = 0
        for part in sync.parts():
            number += 1
            if not options["dry_run"]:
                tasks.enqueue_sync(part, is_forced=options["force"])
        self.tell_enqueued(number, options)
        if problems := list(sync.report.problems()):
            raise CommandError("\n".join(problems))

    def _tell(self, report: Report, options: Mapping[str, Any]) -> None:
        verbs = ("Would add", "would remove") if options["dry_run"] else ("Added", "removed")
        found = count(report.variants, "cached variant", "cached variants")
        added = count(report.added, "row", "rows")
        lines = [
            f"Found {found}: {told_bytes(report.bytes)}.",
            f"{verbs[0]} {added}, {verbs[1]} {count(report.removed, 'row', 'rows')} without a file.",
        ]
        if report.orphaned:
            have = count(report.orphaned, "variant has", "variants have")
            lines.append(
                f"{have} no row, because the original is missing. resizer_purge --from-storage removes them."
            )
        self.report({"dry_run": options["dry_run"], **asdict(report)}, lines)
