"""manage.py resizer_warm"""

from __future__ import annotations

import argparse
import difflib
from dataclasses import asdict
from itertools import chain
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.core.management.base import CommandError
from django.db.models import FileField, ImageField
from django.urls import NoReverseMatch

from resizer.batched import batched
from resizer.concurrency import machine
from resizer.conf import get_settings
from resizer.errors import ResizerError
from resizer.links.mount import mount_path
from resizer.maintenance.warming import Warm, count_of, files_of, originals_in, primary_keys_of
from resizer.management.console import (
    ResizerCommand,
    WrongArguments,
    count,
    jobs,
    statuses,
    told_bytes,
)
from resizer.markup import picture
from resizer.sources import find_source

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from django.core.management.base import CommandParser

    from resizer.maintenance.warming import Report
    from resizer.records.descriptions import Reference

#: Threads for each core. Variants of one original that are wanted at once are made of one decoding.
JOBS_PER_CORE = 4


def _options(text: str) -> dict[str, str]:
    """Read the options of a tag, such as "width=600 ratio=16/9". Raises ArgumentTypeError."""
    pairs = [one.partition("=") for one in text.split()]
    if not pairs or not all(name and value for name, _, value in pairs):
        raise argparse.ArgumentTypeError(
            f"{text!r} has no options of a tag. Write it like 'width=600 ratio=16/9'"
        )
    return {name: value for name, _, value in pairs}


class Command(ResizerCommand):
    help = (
        "Makes variants before anybody asks for them: those that {% resized_img %} prints for the files of model"
        " fields, or for the originals of a source. Variants that exist are left alone, so you can stop the command and run it again for the rest."
        " While many visitors wait for new variants, it waits too."
        f" {statuses()}"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "fields",
            nargs="*",
            metavar="app.Model.field",
            help="file fields, such as gallery.Photo.image. app.Model means all image fields of the model",
        )
        parser.add_argument("--all", action="store_true", help="all image fields of all models")
        parser.add_argument(
            "--source",
            action="append",
            default=[],
            metavar="ALIAS",
            help="all pictures in this source, such as static. A web server has no list: then those that pages have shown"
            " before. Can be repeated",
        )
        parser.add_argument(
            "--preset",
            action="append",
            default=[],
            metavar="NAME",
            help="make the variants of tags with this preset. Can be repeated",
        )
        parser.add_argument(
            "--options",
            action="append",
            default=[],
            type=_options,
            metavar="OPTIONS",
            help="make the variants of tags with these options, such as 'width=600 ratio=16/9'. Can be repeated",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="print what would be made, but make nothing"
        )
        parser.add_argument(
            "--enqueue",
            action="store_true",
            help="make nothing here, but enqueue tasks for the workers of django.tasks",
        )
        parser.add_argument(
            "--jobs",
            metavar="N",
            type=jobs,
            default=JOBS_PER_CORE * machine.cores(),
            help="threads to work with. Default: four for each core. MAX_RENDERS limits how many render at once",
        )

    def work(self, options: Mapping[str, Any]) -> None:
        fields = list(_fields(options))
        tags = [{"preset": name} for name in options["preset"]] + options["options"] or [{}]
        _check(tags)
        if options["enqueue"]:
            with self.told(lambda: None):
                self._enqueue(fields, tags, options)
            return
        # Nobody knows how many originals a source has.
        total = None if options["source"] else sum(map(count_of, fields))
        progress = self.progress("originals", total)
        warm = Warm(
            tags,
            is_dry=options["dry_run"],
            jobs=options["jobs"],
            tell=self.name,
            advance=progress.advance,
        )
        with self.told(lambda: self._tell(warm.report, options)), progress:
            warm.run(chain(*map(files_of, fields), *map(_originals_in, options["source"])))
        if warm.report.failed:
            failures = count(warm.report.failed, "failure", "failures")
            some = "\n".join(warm.report.examples)
            raise CommandError(f"{failures}, such as:\n{some}")

    def _enqueue(
        self, fields: list[FileField], tags: list[dict[str, str]], options: Mapping[str, Any]
    ) -> None:
        tasks = self.tasks()
        number = rows = 0
        for field in fields:
            for some in batched(primary_keys_of(field), tasks.FILES_PER_TASK):
                if not options["dry_run"]:
                    tasks.enqueue_warming(field, some, tags)
                number, rows = number + 1, rows + len(some)
        for names in map(_originals_in, options["source"]):
            for found in batched(names, tasks.FILES_PER_TASK):
                if not options["dry_run"]:
                    tasks.enqueue_originals(found, tags)
                number, rows = number + 1, rows + len(found)
        self.tell_enqueued(number, options, originals=rows)

    def _tell(self, report: Report, options: Mapping[str, Any]) -> None:
        made = count(report.made, "variant", "variants")
        present = count(report.present, "variant exists", "variants exist")
        done = f"Would make {made}" if options["dry_run"] else f"Made {made}"
        size = "" if options["dry_run"] else f": {told_bytes(report.bytes)}"
        lines = [
            f"{done} of {count(report.originals, 'original', 'originals')}{size}. {present} already."
        ]
        if report.skipped:
            kept = count(report.skipped, "original is", "originals are")
            lines.append(f"{kept} shown without resizing, such as SVG.")
        self.report({"dry_run": options["dry_run"], **asdict(report)}, lines)


def _check(tags: list[dict[str, str]]) -> None:
    """Raises WrongArguments for what cannot be made of any original, and CommandError if nothing can."""
    try:
        mount_path()
    except NoReverseMatch as error:
        raise CommandError(
            "No URL leads to the app. Include resizer.urls in the root URLconf."
        ) from error
    for tag in tags:
        try:
            picture.check(**tag)
        except (TypeError, ValueError) as error:
            raise WrongArguments(str(error)) from error


def _originals_in(alias: str) -> Iterator[Reference]:
    """Raises CommandError if the source cannot be listed."""
    try:
        yield from originals_in(alias)
    except ResizerError as error:
        raise CommandError(f"Source {alias!r} cannot be listed: {error}.") from error


def _fields(options: Mapping[str, Any]) -> list[FileField]:
    """Raises WrongArguments, for an unknown source too."""
    for alias in options["source"]:
        if find_source(alias) is None:
            known = ", ".join(get_settings().SOURCES)
            raise WrongArguments(f"There is no source {alias!r}. The sources are: {known}.")
    is_named = bool(options["fields"] or options["source"])
    if (options["all"] and options["fields"]) or not (options["all"] or is_named):
        known = ", ".join(map(str, _all(ImageField)))
        raise WrongArguments(
            f"Name fields or sources, or use --all. The image fields are: {known}."
        )
    if options["all"]:
        return _all(ImageField)
    return [one for name in options["fields"] for one in _named(name)]


def _named(name: str) -> list[FileField]:
    label, _dot, last = name.rpartition(".")
    try:
        if "." not in label:
            return _in(apps.get_model(name), ImageField)
        found = apps.get_model(label)._meta.get_field(last)
    except (LookupError, ValueError, FieldDoesNotExist) as error:
        close = difflib.get_close_matches(name, map(str, _all(FileField)), n=1)
        advice = f"Did you mean {close[0]}?" if close else "Write it like app.Model.field."
        raise WrongArguments(f"There is no field {name!r}. {advice}") from error
    if not isinstance(found, FileField):
        raise WrongArguments(f"{name!r} holds no files. Name a field for files.")
    return [found]


def _all(kind: type[FileField]) -> list[FileField]:
    return [one for model in apps.get_models() for one in _in(model, kind)]


def _in(model: Any, kind: type[FileField]) -> list[FileField]:
    return [one for one in model._meta.get_fields() if isinstance(one, kind)]
