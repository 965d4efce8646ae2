"""What all commands share: the format of their output, progress, and the question before something is removed."""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
import time
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from django.template.defaultfilters import filesizeformat

from resizer.errors import StoreFailed
from resizer.management.ending import INTERRUPTED, TERMINATED, UNREAD, told_end
from resizer.sources import bulkhead

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import ModuleType

    from django.core.management.base import CommandParser

#: How often a command without a terminal tells its progress, seconds.
TELL_SECONDS = 30

_UNITS = {"h": 3600, "d": 86_400, "w": 604_800}  # seconds
_SIZES = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}  # bytes


def age(text: str) -> int:
    """Convert an age such as "30d" to seconds. Raises ArgumentTypeError."""
    match = re.fullmatch(r"([0-9]{1,5})([hdw])", text)
    if match is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not an age. Write a number and h, d or w, such as 12h, 30d or 8w"
        )
    return int(match[1]) * _UNITS[match[2]]


def size(text: str) -> int:
    """Convert a size such as "5G" to bytes. Raises ArgumentTypeError."""
    match = re.fullmatch(r"([0-9]{1,15})([KMGT]?)B?", text, re.IGNORECASE)
    if match is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a size. Write a number and K, M, G or T, such as 500M or 5G"
        )
    return int(match[1]) * _SIZES[match[2].upper()]


def seconds(text: str) -> float:
    """Read a duration. Raises ArgumentTypeError."""
    number = float(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a duration. Write a number of seconds above 0"
        )
    return number


def jobs(text: str) -> int:
    """Read a number of threads. Raises ArgumentTypeError."""
    number = int(text)
    if not 1 <= number <= 256:
        raise argparse.ArgumentTypeError(f"{text!r} is not from 1 to 256")
    return number


class WrongArguments(CommandError):
    """Ends a command as argparse does for wrong arguments."""

    STATUS = 2

    def __init__(self, problem: str) -> None:
        super().__init__(problem, returncode=self.STATUS)


def statuses(
    well: str = "all went well", failed: str = "something failed, and a line says what"
) -> str:
    """The exit statuses, for the help of a command. `well` and `failed` say what 0 and 1 mean."""
    return (
        f"Exit status: 0 if {well}; 1 if {failed}; {WrongArguments.STATUS} for wrong arguments;"
        f" {INTERRUPTED} after Ctrl-C; {UNREAD} if a pipe was closed; {TERMINATED} after SIGTERM."
    )


def count(number: int, one: str, many: str) -> str:
    """A number with its noun, such as 2,000 files."""
    return f"{number:,} {one if number == 1 else many}"


def told_bytes(number: float) -> str:
    return str(filesizeformat(number)).replace("\u00a0", " ")


class ResizerCommand(BaseCommand):
    """Runs `work` with a proper end. `work` prints with `report`, and shows how far it is with `progress`."""

    #: In JSON and for a terminal, set by `handle`.
    is_json = False
    verbosity = 1

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--format",
            choices=("text", "json"),
            default="text",
            help="json prints one object on standard output, also if something fails",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        self.is_json = options["format"] == "json"
        self.verbosity = options["verbosity"]
        with told_end(self), bulkhead.command():
            self.work(options)

    def work(self, options: Mapping[str, Any]) -> None:
        """What the command does."""

    def report(self, facts: Mapping[str, object], lines: Sequence[str]) -> None:
        """Print the result: the facts as JSON, or the lines as text."""
        if self.is_json:
            self.stdout.write(json.dumps(facts, ensure_ascii=False, indent=2))
        elif self.verbosity:
            for line in lines:
                self.stdout.write(line)

    def report_line(self, line: str, *, is_needed: bool) -> None:
        """Print a line of a text result as soon as it is known. With `-v 0`, only what is needed."""
        if not self.is_json and (self.verbosity or is_needed):
            self.stdout.write(line)

    def name(self, item: str) -> None:
        """Print what was done to one item, with `-v 2`."""
        if self.verbosity > 1 and not self.is_json:
            self.stdout.write(item)

    def confirm(self, what: str, options: Mapping[str, Any]) -> None:
        """Ask before something is done. Raises CommandError without "yes", and without a terminal and `--yes`."""
        if options["yes"] or options["dry_run"]:
            return
        if not sys.stdin or not sys.stdin.isatty():
            raise CommandError(
                f"{what} Nothing was done, because no terminal is there to ask. Add --yes, or look first with --dry-run."
            )
        self._ask(what)  # pragma: no cover  # as below

    def _ask(
        self, what: str
    ) -> None:  # pragma: no cover  # tests do so on a terminal of another process
        self.stderr.write(f"{what} (To look first, use --dry-run.)", self.style.WARNING)
        try:
            answer = input("Type 'yes' to continue: ")
        except EOFError:
            answer = ""
        if answer.strip().lower() != "yes":
            raise CommandError("Nothing was done.")

    def progress(self, unit: str, total: int | None = None) -> Progress:
        """Show how far the work is: a bar on a terminal, a line now and then elsewhere."""
        return Progress(self, unit, total)

    def tasks(self) -> ModuleType:
        """`resizer.tasks`. Raises CommandError without a framework of tasks."""
        try:
            return import_module("resizer.tasks")
        except ImportError as error:
            raise CommandError(
                f"There are no tasks: {error}. Use Django 6.0 or later, or run pip install django-tasks."
            ) from error

    def tell_enqueued(self, tasks: int, options: Mapping[str, Any], **facts: int) -> None:
        """`facts` are numbers of what the tasks are for, such as originals=3."""
        verb = "Would enqueue" if options["dry_run"] else "Enqueued"
        what = "".join(f" for {count(number, name[:-1], name)}" for name, number in facts.items())
        backend = self.tasks().backend_without_workers()
        if backend:
            self.stderr.write(
                f"No worker takes the tasks: TASKS['default'] is {backend}. Name a backend with workers there."
            )
        told = f"{verb} {count(tasks, 'task', 'tasks')}{what}."
        self.report({"dry_run": options["dry_run"], "tasks": tasks, **facts}, [told])

    @contextmanager
    def told(self, tell: Callable[[], None]) -> Iterator[None]:
        """Tell what was done, also if the work is interrupted or the storage fails. Raises CommandError then."""
        try:
            yield
        except StoreFailed as error:
            tell()
            raise CommandError(
                f"The variants storage failed: {error}. Run the command again for the rest."
            ) from error
        except (CommandError, KeyboardInterrupt):
            tell()
            raise
        tell()


class Progress:
    """Counts items. With `-v 2` the items themselves show how far the work is."""

    def __init__(self, command: ResizerCommand, unit: str, total: int | None) -> None:
        self._command = command
        self._unit = unit
        self._total = total
        self._done = 0
        self._told_at = time.monotonic()
        self._bar: Any = None

    def __enter__(self) -> Progress:
        command = self._command
        if command.verbosity == 1 and command.stderr.isatty():  # pragma: no cover  # as above
            # Only here: a project without commands has no use for it.
            from tqdm import tqdm

            unit = f" {self._unit}"
            self._bar = tqdm(
                total=self._total, unit=unit, file=sys.stderr, leave=False, dynamic_ncols=True
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:  # pragma: no cover  # as above
            self._bar.close()

    def advance(self, number: int = 1) -> None:
        self._done += number
        if self._bar is not None:  # pragma: no cover  # as above
            self._bar.update(number)
            return
        now = time.monotonic()
        if self._command.verbosity == 0 or self._command.is_json:
            return
        if now - self._told_at >= TELL_SECONDS:
            self._told_at = now
            of = "" if self._total is None else f" of {self._total:,}"
            self._command.stdout.write(f"{self._done:,}{of} {self._unit} …")
