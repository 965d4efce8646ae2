"""manage.py resizer_purge"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError

from resizer.errors import StoreFailed
from resizer.maintenance.purging import Choice, Purge, holds
from resizer.management.console import (
    ResizerCommand,
    WrongArguments,
    age,
    count,
    seconds,
    size,
    statuses,
    told_bytes,
)
from resizer.sources import find_source

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.core.management.base import CommandParser

    from resizer.maintenance.purging import Report


class Command(ResizerCommand):
    help = (
        "Removes cached variants. Without options, it removes the variants of replaced or deleted originals."
        " Several options narrow the choice: a variant has to match all of them. Originals are never touched,"
        " and a removed variant is made again when a page needs it."
        " --stale (the default) also removes database rows of originals without file and variants. When the command looks"
        " through the storage, it also removes rows without a file and unfinished files of killed processes."
        " If a source is empty or missing, or has lost more than half of its known originals (four or more) at once,"
        " its variants stay unless you give --force or --all."
        " Before it removes variants that pages may still show, the command asks. Without a terminal, add --yes."
        " The command deletes while it looks. If it is stopped or killed, run it again for the rest."
        " "
        + statuses(
            "all went well, also at the end of --for",
            "a storage or the database failed, a source could not tell, or the output cannot be written",
        )
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--stale",
            action="store_true",
            help="remove variants of replaced or deleted originals (the default)",
        )
        parser.add_argument(
            "--older-than",
            metavar="AGE",
            type=age,
            help="remove variants made longer ago than this: 12h, 30d, 8w",
        )
        parser.add_argument(
            "--unused-for",
            metavar="AGE",
            type=age,
            help="remove variants that nobody has used for this time: 90d. A use is known to a day. Requests answered by"
            " a web server, a CDN or a bucket are no known use, except reads of local files",
        )
        parser.add_argument(
            "--max-bytes",
            metavar="SIZE",
            type=size,
            help="remove the least recently used variants, until the others have this size: 500M, 5G",
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
            "--yes", action="store_true", help="do not ask before variants are removed"
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
            type=seconds,
            help="stop after this time. The next run with --for and the same options continues from there",
        )
        parser.add_argument(
            "--from-storage",
            action="store_true",
            help="list the storage instead of reading the database. Slower with a bucket, but finds files without a row"
            " and rows without a file. Always on for local files and without a database",
        )
        parser.add_argument(
            "--enqueue",
            action="store_true",
            help="purge nothing here: enqueue tasks for workers of django.tasks, for some thousand files or originals each",
        )

    def work(self, options: Mapping[str, Any]) -> None:
        choice = _choice(options)
        _check_source(choice)
        if _is_shown(choice) or options["force"]:
            self.confirm(f"This removes {_tell(choice)}.", options)
        if options["enqueue"]:
            with self.told(lambda: None):
                self._enqueue(choice, options)
            return
        progress = self.progress("files and originals checked")
        purge = Purge(
            choice,
            from_storage=options["from_storage"],
            is_dry=options["dry_run"],
            is_forced=options["force"],
            seconds=options["seconds"],
            tell=self.name,
            advance=progress.advance,
        )
        with self.told(lambda: self._tell(purge.report, options)), progress:
            purge.run()
        if problems := list(purge.report.problems(is_dry=options["dry_run"])):
            raise CommandError("\n".join(problems))

    def _enqueue(self, choice: Choice, options: Mapping[str, Any]) -> None:
        tasks = self.tasks()
        purge = Purge(choice, from_storage=options["from_storage"])
        number = 0
        for part in purge.parts():
            number += 1
            if not options["dry_run"]:
                tasks.enqueue_purge(
                    choice, part, from_storage=options["from_storage"], is_forced=options["force"]
                )
        self.tell_enqueued(number, options)
        if problems := list(purge.report.problems(is_dry=True)):
            raise CommandError("\n".join(problems))

    def _tell(self, report: Report, options: Mapping[str, Any]) -> None:
        counts = [
            (report.variants, "cached variant", "cached variants"),
            (report.unfinished, "unfinished file", "unfinished files"),
            (report.rows, "row without a file", "rows without a file"),
            (report.originals, "row of a missing original", "rows of missing originals"),
        ]
        told = [count(*one) for place, one in enumerate(counts) if one[0] or place == 0]
        verb = "Would remove" if options["dry_run"] else "Removed"
        lines = [f"{verb} {', '.join(told)}: {told_bytes(report.bytes)}."]
        if report.is_stopped:
            rest = (
                "The rest was not checked."
                if options["dry_run"]
                else "The next run with --for continues from here."
            )
            lines.append(f"The time of --for is over. {rest}")
        facts = asdict(report) | {"examples": [":".join(one) for one in report.examples]}
        self.report({"dry_run": options["dry_run"], **facts}, lines)


def _choice(options: Mapping[str, Any]) -> Choice:
    """Raises WrongArguments."""
    times = {name: options[name] for name in ("older_than", "unused_for", "max_bytes")}
    is_by_time = any(one is not None for one in times.values())
    if options["all"] and (options["stale"] or is_by_time):
        raise WrongArguments(
            "--all cannot be combined with other choices than --source. Remove one."
        )
    if options["stale"] and times["max_bytes"] is not None:
        raise WrongArguments("--stale cannot be combined with --max-bytes. Run the command twice.")
    if options["enqueue"] and (options["seconds"] is not None or times["max_bytes"] is not None):
        raise WrongArguments(
            "--enqueue cannot be combined with --for or --max-bytes: no worker sees all variants. Remove one."
        )
    is_default = not (options["all"] or options["source"] or is_by_time)
    return Choice(source=options["source"], is_stale=options["stale"] or is_default, **times)


def _check_source(choice: Choice) -> None:
    """Raises CommandError for an unknown source, unless there are variants or rows of it."""
    alias = choice.source
    if alias is None or find_source(alias) is not None:
        return
    try:
        is_known = holds(alias)
    except StoreFailed as error:
        raise CommandError(
            f"There is no source {alias!r}, and the variants storage does not tell whether it has variants of it: {error}."
        ) from error
    if not is_known:
        raise WrongArguments(
            f"There is no source {alias!r}, and no variant of it. Use an alias in SOURCES."
        )


def _is_shown(choice: Choice) -> bool:
    """Whether pages may still show the variants."""
    return not choice.is_stale


def _tell(choice: Choice) -> str:
    """A choice in words."""
    words = "all cached variants"
    if choice.is_stale:
        words = "the cached variants of replaced and deleted originals"
    if choice.max_bytes is not None:
        words = f"the least recently used cached variants beyond {told_bytes(choice.max_bytes)}"
    if choice.source is not None:
        words += f" of source {choice.source!r}"
    for least, verb in ((choice.older_than, "made"), (choice.unused_for, "last used")):
        if least is not None:
            words += f", {verb} more than {least // 3600:,} hours ago"
    return words
