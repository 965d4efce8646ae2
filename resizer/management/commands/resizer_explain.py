"""manage.py resizer_explain"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError

from resizer.maintenance.explaining import explain
from resizer.management.console import ResizerCommand, statuses

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.core.management.base import CommandParser


class Command(ResizerCommand):
    help = (
        "Explains a picture's URL: its source, original, recipe and signature, whether its file and its row exist, and"
        " what a visitor gets, and why. It asks the source, and changes no file."
        " " + statuses("a visitor gets a picture", "not")
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "picture",
            help="a URL of a variant or of an original, its path, or a key; the name of an original, such as photos/a.jpg"
            " or web:a.jpg; or the path of a local original or variant",
        )

    def work(self, options: Mapping[str, Any]) -> None:
        found = explain(options["picture"])
        width = max(map(len, [*found.facts, "visitor gets"])) + 2
        told = {**found.facts, "visitor gets": f"{found.status}: {found.verdict}"}
        facts = {**found.facts, "status": found.status, "verdict": found.verdict}
        self.report(facts, [f"{name + ':':<{width}}{text}" for name, text in told.items()])
        if found.status >= 400:
            raise CommandError(f"A visitor gets {found.status}.")
