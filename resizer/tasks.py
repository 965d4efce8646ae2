"""Work for the background: `django.tasks`, or its backport `django-tasks` on Django 5.2.

Any number of workers can take tasks at once. A variant is made once, and a part of a purge or a sync may be done twice.
Importing this module raises ImportError without a framework of tasks.
"""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from django.apps import apps

from resizer.maintenance.parts import Part
from resizer.maintenance.purging import Choice, Purge
from resizer.maintenance.syncing import Sync
from resizer.maintenance.warming import Warm, files_of
from resizer.records.descriptions import Reference

try:
    from django.tasks import task, task_backends
except ImportError:  # pragma: no cover  # Django 5.2
    from django_tasks import task, task_backends  # type: ignore[no-redef]

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from django.db.models import FileField

    from resizer.originals import File

__all__ = [
    "backend_without_workers",
    "enqueue_originals",
    "enqueue_purge",
    "enqueue_sync",
    "enqueue_warming",
    "purge",
    "sync",
    "task_backends",
    "warm",
    "warm_originals",
]

logger = logging.getLogger(__name__)

#: How many files a task has. Workers share them, and one that is stopped loses little.
FILES_PER_TASK = 50
#: Backends without workers, by their class: the first one works in the request, the other one not at all.
WITHOUT_WORKERS = ("ImmediateBackend", "DummyBackend")


@task()
def warm(
    model: str, field: str, primary_keys: list[str], tags: list[dict[str, Any]]
) -> dict[str, Any]:
    """Make the variants that tags print for files of a model field. Returns the numbers of `resizer_warm`.

    `model` is "app.Model". `tags` are the options of tags. Raises StoreFailed if a variant cannot be kept.
    """
    found: Any = apps.get_model(model)._meta.get_field(field)
    return _warm(tags, files_of(found, primary_keys))


@task()
def warm_originals(originals: list[list[str]], tags: list[dict[str, Any]]) -> dict[str, Any]:
    """As `warm`, for originals of sources: each is an alias and a name."""
    return _warm(tags, (Reference(*one) for one in originals))


def _warm(tags: list[dict[str, Any]], files: Iterable[File]) -> dict[str, Any]:
    run = Warm(tags)
    run.run(files)
    for failure in run.report.examples:
        logger.warning("Not all variants could be made: %.1500s", failure)
    return asdict(run.report)


@task()
def purge(
    choice: dict[str, Any], part: list[Any], from_storage: bool, is_forced: bool
) -> dict[str, Any]:
    """Remove the chosen variants of one part. Returns the numbers of `resizer_purge`. Raises StoreFailed."""
    run = Purge(Choice(**choice), from_storage=from_storage, is_forced=is_forced)
    run.run_part(Part(*part))
    for problem in run.report.problems(is_dry=False):
        logger.warning("A part of a purge is not done: %.1500s", problem)
    return asdict(run.report)


@task()
def sync(part: list[Any], is_forced: bool) -> dict[str, Any]:
    """Compare one part of the storage and of the index. Returns the numbers of `resizer_sync`. Raises StoreFailed."""
    run = Sync(is_forced=is_forced)
    run.run_part(Part(*part))
    for problem in run.report.problems():
        logger.warning("A part of a sync is not done: %.1500s", problem)
    return asdict(run.report)


def enqueue_purge(choice: Choice, part: Part, *, from_storage: bool, is_forced: bool) -> None:
    """Have a worker purge a part."""
    purge.enqueue(asdict(choice), list(part), from_storage, is_forced)


def enqueue_sync(part: Part, *, is_forced: bool) -> None:
    """Have a worker compare a part with the index."""
    sync.enqueue(list(part), is_forced)


def enqueue_warming(
    field: FileField, primary_keys: Iterable[object], tags: Sequence[Mapping[str, Any]]
) -> None:
    """Have a worker make the variants of some rows."""
    keys = [str(one) for one in primary_keys]
    warm.enqueue(field.model._meta.label, field.name, keys, [dict(one) for one in tags])


def enqueue_originals(originals: Iterable[Reference], tags: Sequence[Mapping[str, Any]]) -> None:
    """Have a worker make the variants of some originals."""
    warm_originals.enqueue([list(one) for one in originals], [dict(one) for one in tags])


def backend_without_workers() -> str:
    """The name of the backend, if it does tasks in the process that enqueues them, or not at all. Else empty."""
    name = type(task_backends["default"]).__name__
    return name if name in WITHOUT_WORKERS else ""
