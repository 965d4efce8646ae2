"""Variants are made by tasks: after a save, or for all rows; by several workers, too."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from django.core.checks import run_checks
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.management import CommandError, call_command
from django.db import connections, transaction

from config.gallery.models import Photo
from resizer import tasks
from resizer.maintenance import parts
from resizer.models import CachedVariant
from resizer.records import index, tables
from tests.maintenance.test_purging import kept
from tests.pictures import photograph

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django import Settings

    from tests.conftest import CountingEngine

PACKAGE = "django.tasks" if importlib.util.find_spec("django.tasks") else "django_tasks"
Dummy: Any = importlib.import_module(f"{PACKAGE}.backends.dummy").DummyBackend
FIELD = "gallery.Photo.image"

pytestmark = pytest.mark.django_db


class QueueBackend(Dummy):  # type: ignore[misc]  # its class is chosen above
    """Keeps tasks until `work`."""


@pytest.fixture
def queue(settings: Settings) -> list[Any]:
    """The tasks that were enqueued."""
    settings.TASKS = {"default": {"BACKEND": "tests.test_tasks.QueueBackend"}}
    backend: Any = tasks.task_backends["default"]
    backend.clear()
    results: list[Any] = backend.results
    return results


def work(result: Any) -> Any:
    """Do a task, as a worker does. Arguments come as JSON."""
    arguments, options = json.loads(json.dumps([result.args, result.kwargs]))
    try:
        return result.task.call(*arguments, **options)
    finally:
        if not transaction.get_connection().in_atomic_block:
            connections.close_all()


def add(name: str) -> Photo:
    photo = Photo(title=name, alt=name)
    photo.image.save(name, ContentFile(photograph((320, 240))))
    return photo


def test_nothing_is_enqueued_by_default(
    queue: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        add("a.jpg")
    assert queue == []


def test_saved_image_is_warmed_by_a_task_after_the_commit(
    queue: list[Any], settings: Settings, django_capture_on_commit_callbacks: Any
) -> None:
    settings.RESIZER = {"WARM_ON_SAVE": True}
    with django_capture_on_commit_callbacks(execute=True):
        photo = add("a.jpg")
        assert queue == []
    (result,) = queue
    assert kept() == []
    assert work(result)["made"] == 2
    assert {key.split("/")[1] for key in kept()} == {"a.jpg"}
    with django_capture_on_commit_callbacks(execute=True):
        # The same file.
        photo.title = "other"
        photo.save()
    assert len(queue) == 1


def test_presets_are_warmed(
    queue: list[Any], settings: Settings, django_capture_on_commit_callbacks: Any
) -> None:
    settings.RESIZER = {
        "PRESETS": {"card": {"width": 96, "ratio": "1/1"}},
        "WARM_ON_SAVE": ["card"],
    }
    with django_capture_on_commit_callbacks(execute=True):
        add("a.jpg")
    work(queue[0])
    assert {key.split("/")[3] for key in kept()} == {"1x1"}


def test_broker_that_is_down_does_not_stop_a_save(
    settings: Settings,
    django_capture_on_commit_callbacks: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(*_: Any) -> None:
        raise ConnectionError("no broker")

    settings.RESIZER = {"WARM_ON_SAVE": True}
    monkeypatch.setattr(tasks, "enqueue_warming", refuse)
    with django_capture_on_commit_callbacks(execute=True):
        add("a.jpg")
    assert Photo.objects.count() == 1
    assert "no broker" in caplog.text


def test_task_logs_what_cannot_be_made(
    queue: list[Any], settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    photo = add("a.jpg")
    storages["default"].delete(str(photo.image.name))
    tasks.enqueue_warming(Photo._meta.get_field("image"), [photo.pk], [{}])
    assert work(queue[0])["failed"] == 1
    assert "Not all variants could be made: photographs/a.jpg: " in caplog.text


def test_command_enqueues_tasks_of_some_files(
    queue: list[Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "FILES_PER_TASK", 2)
    for number in range(3):
        add(f"{number}.jpg")
    capsys.readouterr()
    call_command("resizer_warm", FIELD, "--enqueue", "--dry-run")
    assert capsys.readouterr().out == "Would enqueue 2 tasks for 3 originals.\n"
    assert queue == []
    call_command("resizer_warm", FIELD, "--enqueue", "--format", "json")
    told = json.loads(capsys.readouterr().out)
    assert (told["tasks"], told["originals"]) == (2, 3)
    assert [work(one)["made"] for one in queue] == [4, 2]
    assert len(kept()) == 6


@pytest.mark.django_db(transaction=True)
def test_several_workers_make_each_variant_once(
    queue: list[Any], engine: type[CountingEngine]
) -> None:
    photos = [add(f"{number}.jpg") for number in range(3)]
    for photo in photos:
        for _ in range(2):
            tasks.enqueue_warming(Photo._meta.get_field("image"), [photo.pk], [{}])
    with ThreadPoolExecutor(4) as workers:
        made = sum(one["made"] for one in workers.map(work, queue))
    assert made >= len(kept()) == CachedVariant.objects.count() == 6
    # Each original is looked at once more, for its colour and its focal point.
    assert engine.renders <= 6 + len(photos)


def test_command_enqueues_tasks_of_a_source(
    queue: list[Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "FILES_PER_TASK", 2)
    for number in range(3):
        add(f"{number}.jpg")
    capsys.readouterr()
    call_command("resizer_warm", "--source", "default", "--enqueue", "--dry-run")
    assert capsys.readouterr().out == "Would enqueue 2 tasks for 3 originals.\n"
    assert enqueue(capsys, "resizer_warm", "--source", "default") == 2
    assert [work(one)["made"] for one in queue] == [4, 2]


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "SIZE", 2)


@pytest.fixture
def three() -> list[Photo]:
    """Three photographs with two variants each."""
    photos = [add(f"{number}.jpg") for number in range(3)]
    call_command("resizer_warm", FIELD, "--jobs=1", verbosity=0)
    assert len(kept()) == 6
    return photos


def enqueue(capsys: pytest.CaptureFixture[str], *arguments: str) -> int:
    """The number of tasks, as a command told it."""
    capsys.readouterr()
    call_command(*arguments, "--enqueue", "--format", "json")
    return int(json.loads(capsys.readouterr().out)["tasks"])


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("order", [1, -1])
def test_workers_purge_parts_in_any_order(
    queue: list[Any], three: list[Photo], capsys: pytest.CaptureFixture[str], order: int
) -> None:
    for one in three[:1]:
        storages["default"].delete(str(one.image.name))
    # Three parts of files, and two of originals.
    assert enqueue(capsys, "resizer_purge") == len(queue) == 5
    assert len(kept()) == 6
    done = [work(one) for one in queue[::order]]
    assert sum(one["variants"] for one in done) == 2
    assert all(one["is_complete"] for one in done)
    assert len(kept()) == CachedVariant.objects.count() == 4


@pytest.mark.usefixtures("small_parts")
def test_part_is_purged_again_after_its_worker_was_killed(
    queue: list[Any], three: list[Photo], capsys: pytest.CaptureFixture[str]
) -> None:
    enqueue(capsys, "resizer_purge", "--all", "--yes")
    # Its last file has gone, so it ends within the next part.
    assert work(queue[0])["variants"] == 2
    assert work(queue[0])["variants"] == 4
    for one in queue:
        work(one)
    assert kept() == []
    assert not CachedVariant.objects.exists()


@pytest.mark.usefixtures("small_parts")
def test_workers_rebuild_the_index(
    queue: list[Any], three: list[Photo], capsys: pytest.CaptureFixture[str]
) -> None:
    lost = CachedVariant.objects.order_by("pk").first()
    assert lost is not None
    storages["resizer"].delete(lost.key)
    CachedVariant.objects.exclude(pk=lost.pk).delete()
    # Five files, and a row without one.
    assert enqueue(capsys, "resizer_sync") == 4
    done = [work(one) for one in queue]
    assert sum(one["added"] for one in done) == 5
    assert sum(one["removed"] for one in done) == 1
    assert sorted(kept()) == sorted(CachedVariant.objects.values_list("key", flat=True))


def test_nothing_is_enqueued_by_a_dry_run(
    queue: list[Any], three: list[Photo], capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    call_command("resizer_purge", "--enqueue", "--dry-run")
    call_command("resizer_sync", "--enqueue", "--dry-run")
    assert capsys.readouterr().out == 2 * "Would enqueue 2 tasks.\n"
    assert queue == []


def test_tasks_are_of_what_can_be_listed(
    queue: list[Any],
    settings: Settings,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    memory = {"BACKEND": "django.core.files.storage.InMemoryStorage"}
    settings.STORAGES = {**settings.STORAGES, "resizer": memory}
    add("a.jpg")
    call_command("resizer_warm", FIELD, "--jobs=1", verbosity=0)
    # A bucket is not listed if there is a database.
    assert enqueue(capsys, "resizer_purge") == 1
    monkeypatch.setattr(index, "is_available", lambda: False)
    monkeypatch.setattr(tables, "is_configured", lambda: False)
    assert enqueue(capsys, "resizer_purge") == 1
    assert [one.args[1][0] for one in queue] == ["rows", "files"]


def test_worker_says_what_it_cannot_tell(
    queue: list[Any],
    three: list[Photo],
    variants: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    enqueue(capsys, "resizer_purge")
    enqueue(capsys, "resizer_sync")
    for one in three:
        storages["default"].delete(str(one.image.name))
    for one in queue[:2]:
        assert work(one)["doubts"].keys() == {"default"}
    assert "A part of a purge is not done: Source 'default' " in caplog.text
    shutil.rmtree(variants)
    assert [work(one)["doubts"] for one in queue[2:]] == [
        {},
        {"variants storage": "is empty or missing"},
    ]
    assert "A part of a sync is not done: The variants storage is empty or missing" in caplog.text
    assert CachedVariant.objects.count() == 6
    with pytest.raises(CommandError, match="is empty or missing, so its rows stay"):
        call_command("resizer_sync", "--enqueue")


def test_backend_without_workers_is_told(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.TASKS = {"default": {"BACKEND": f"{PACKAGE}.backends.dummy.DummyBackend"}}
    call_command("resizer_purge", "--enqueue", "--from-storage")
    assert "TASKS['default'] is DummyBackend" in capsys.readouterr().err


def test_storage_that_fails_enqueues_nothing(queue: list[Any], settings: Settings) -> None:
    failing = {"BACKEND": "tests.test_store.FailingStorage"}
    settings.STORAGES = {**settings.STORAGES, "resizer": failing}
    for name in ("resizer_sync", "resizer_purge"):
        with pytest.raises(CommandError, match=r"^The variants storage failed: "):
            call_command(name, "--enqueue", *(["--from-storage"] if "purge" in name else []))
    assert queue == []


def test_database_that_fails_while_tasks_are_enqueued_is_told(
    queue: list[Any], three: list[Photo], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "list_originals", lambda *_: None)
    with pytest.raises(CommandError, match="Not all rows were checked"):
        call_command("resizer_purge", "--enqueue")


@pytest.mark.parametrize("option", ["--for=9", "--max-bytes=5G"])
def test_choices_of_all_variants_are_no_tasks(option: str) -> None:
    with pytest.raises(CommandError, match="--enqueue cannot be combined") as raised:
        call_command("resizer_purge", "--enqueue", option)
    assert raised.value.returncode == 2


def test_project_without_tasks_is_told(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resizer.tasks", None)
    with pytest.raises(CommandError, match=r"There are no tasks: .* pip install django-tasks"):
        call_command("resizer_warm", FIELD, "--enqueue")
    with pytest.raises(CommandError, match="There are no tasks: "):
        call_command("resizer_purge", "--enqueue")
    settings.RESIZER = {"WARM_ON_SAVE": True}
    assert [one.id for one in run_checks(tags=["resizer"])] == ["resizer.E010"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"WARM_ON_SAVE": False}, []),
        ({"WARM_ON_SAVE": True}, ["resizer.W011"]),
        ({"WARM_ON_SAVE": ["card"]}, ["resizer.E010", "resizer.W011"]),
        ({"WARM_ON_SAVE": "card"}, ["resizer.E002"]),
        ({"WARM_ON_SAVE": ["card"], "PRESETS": {"card": {}}}, ["resizer.W011"]),
    ],
)
def test_mistakes_are_found(
    settings: Settings, values: dict[str, Any], expected: list[str]
) -> None:
    settings.TASKS = {"default": {"BACKEND": f"{PACKAGE}.backends.immediate.ImmediateBackend"}}
    settings.RESIZER = values
    assert [one.id for one in run_checks(tags=["resizer"])] == expected


def test_backend_with_workers_is_in_order(queue: list[Any], settings: Settings) -> None:
    settings.RESIZER = {"WARM_ON_SAVE": True}
    assert run_checks(tags=["resizer"]) == []
