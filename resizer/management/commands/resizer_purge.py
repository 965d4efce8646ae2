"""manage.py resizer_purge"""

from __future__ import annotations

import argparse
import re
import time
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from django.template.defaultfilters import filesizeformat

from resizer import purging
from resizer.errors import StoreFailed
from resizer.sources import find_source

if TYPE_CHECKING:
    from django.core.management.base import CommandParser

_UNITS = {"h": 3600, "d": 86_400, "w": 604_800}  # seconds


def _age(text: str) -> int:
    """ "30d" in seconds."""
    match = re.fullmatch(r"([0-9]{1,5})([hdw])", text)
    if match is None:
        raise argparse.ArgumentTypeError("write a number and h, d or w: 12h, 30d, 8w")
    return int(match[1]) * _UNITS[match[2]]


class Command(BaseCommand):
    help = (
        "Removes cached variants of pictures that are no longer needed. Without options: those whose original was"
        " replaced or deleted. Originals are never touched, and what is asked for again is made again."
        " Several options narrow the choice: only what all of them say is removed. Where it looks through the storage"
        " it also removes rows of the database whose file is gone, and unfinished files that killed processes have"
        " left. Exits with 1 if anything failed."
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
            "--from-storage",
            action="store_true",
            help="look through the storage, not through the database: slower with a bucket, but finds files that"
            " were never recorded and rows whose file is gone (done by itself where there is no database, or the files are local)",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        age, source = options["older_than"], options["source"]
        if options["all"] and (options["stale"] or age is not None):
            raise CommandError("--all cannot be narrowed by --stale or --older-than.")
        choice = purging.Choice(
            source=source,
            made_before=None if age is None else time.time() - age,
            is_stale=options["stale"] or not (options["all"] or source or age is not None),
        )
        try:
            findings = purging.look(choice, from_storage=options["from_storage"])
            is_done = options["dry_run"] or purging.remove(findings)
        except StoreFailed as error:
            raise CommandError(
                f"The variants storage failed: {error}. Please try again."
            ) from error
        if not findings.variants and source and find_source(source) is None:
            raise CommandError(f"There is no source {source!r}, and no variant of it.")
        if not is_done:
            raise CommandError(
                "The files are removed, but rows may be left: the database failed. Please try again."
            )
        self._tell(findings, options)
        if findings.unclear:
            some = ", ".join(sorted(":".join(one) for one in findings.unclear)[:3])
            raise CommandError(
                f"{len(findings.unclear)} originals could not be asked for, such as {some}: their variants stay."
            )

    def _tell(self, findings: purging.Findings, options: dict[str, Any]) -> None:
        if options["verbosity"] > 1:
            for one in (*findings.variants, *findings.unfinished):
                self.stdout.write(one.name)
        counts = [
            (len(findings.variants), "cached variant", "cached variants"),
            (len(findings.unfinished), "unfinished file", "unfinished files"),
            (len(findings.rows), "row without a file", "rows without a file"),
        ]
        told = [
            f"{number} {one if number == 1 else many}"
            for place, (number, one, many) in enumerate(counts)
            if number or place == 0
        ]
        verb = "Would remove" if options["dry_run"] else "Removed"
        size = filesizeformat(findings.bytes).replace("\u00a0", " ")
        self.stdout.write(f"{verb} {', '.join(told)}: {size}.")
