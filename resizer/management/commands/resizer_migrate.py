"""manage.py resizer_migrate"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.core.management.base import CommandError
from django.db.models import FileField, Model

from resizer.maintenance.rewriting.files import diff, find_templates, read, write
from resizer.maintenance.rewriting.pieces import Unclear
from resizer.maintenance.rewriting.rewrite import Models, Note, rewrite
from resizer.management.console import ResizerCommand, WrongArguments, count, statuses

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.core.management.base import CommandParser


class Command(ResizerCommand):
    help = (
        "Rewrites templates: pictures of sorl-thumbnail, easy-thumbnails, django-imagekit, django-pictures,"
        " django-versatileimagefield and Wagtail, and plain images of models, become resized_img and resized_url."
        " Prints the changes as a diff, and with --write makes them. What it does not understand stays as it is: a line"
        " names the file, the line and the reason."
        f" {statuses()}"
    )
    # It changes templates alone. A project between two packages may have errors elsewhere.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "paths",
            nargs="+",
            type=Path,
            help="templates, or directories of templates (.html, .htm, .djhtml)",
        )
        parser.add_argument(
            "--write", action="store_true", help="change the files; without it, only print the diff"
        )

    def work(self, options: Mapping[str, Any]) -> None:
        models = _models()
        facts: list[dict[str, Any]] = []
        try:
            for path in find_templates(options["paths"]):
                fact = self._migrate(path, models, is_written=options["write"])
                if fact is not None:
                    facts.append(fact)
        except FileNotFoundError as error:
            raise WrongArguments(
                f"There is no file and no directory {str(error.filename)!r}."
            ) from error
        left = sum(len(one["left"]) for one in facts)
        rewritten = sum(one["rewritten"] for one in facts)
        verb = "Rewrote" if options["write"] else "Would rewrite"
        summary = f"{verb} {count(rewritten, 'picture', 'pictures')}. {count(left, 'place is', 'places are')} left."
        if rewritten and not options["write"]:
            summary += " To change the files, add --write."
        self.report(
            {"rewritten": rewritten, "left": left, "is_written": options["write"], "files": facts},
            [summary],
        )
        if left:
            raise CommandError(
                f"{count(left, 'place', 'places')} left. See the lines with the reasons above."
            )

    def _migrate(self, path: Path, models: Models, *, is_written: bool) -> dict[str, Any] | None:
        """Rewrite one template. None if nothing is to be said of it."""
        try:
            before = read(path)
            made = rewrite(before, models)
            if is_written and made.pictures:
                write(path, made.text)
        except (OSError, Unclear) as problem:
            return self._told(path, 0, "", [Note(1, "", str(problem))], [])
        if not (made.pictures or made.left):
            return None
        changes = diff(path, before, made.text) if made.pictures else ""
        if changes and not is_written:
            self.report_line(changes.removesuffix("\n"), is_needed=True)
        return self._told(path, made.pictures, changes, made.left, made.remarks)

    def _told(
        self, path: Path, number: int, changes: str, left: Sequence[Note], remarks: Sequence[Note]
    ) -> dict[str, Any]:
        if number:
            self.name(f"{path}: {count(number, 'picture', 'pictures')}")
        for one in left:
            self.report_line(f"{path}:{one.line}: left: {one.text} ({one.reason})", is_needed=True)
        for one in remarks:
            self.report_line(
                f"{path}:{one.line}: look at: {one.text} ({one.reason})", is_needed=False
            )
        return {
            "path": str(path),
            "rewritten": number,
            "diff": changes,
            "left": [one._asdict() for one in left],
            "remarks": [one._asdict() for one in remarks],
        }


def _models() -> Models:
    """What all models of the project have for pictures."""
    files: set[str] = set()
    specs: dict[str, str] = {}
    for model in apps.get_models():
        files |= {one.name for one in model._meta.get_fields() if isinstance(one, FileField)}
        for name, source in _specs(model).items():
            specs[name] = source if specs.get(name, source) == source else ""
    return Models(frozenset(files), specs)


def _specs(model: type[Model]) -> dict[str, str]:
    """The specs of django-imagekit, each with the field of its original. Without an import of a package that is to go."""
    values = [pair for one in reversed(model.__mro__) for pair in vars(one).items()]
    return {
        name: value.source_field_name
        for name, value in values
        if type(value).__name__ == "ImageSpecFileDescriptor"
    }
