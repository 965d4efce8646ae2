"""`resizer_purge --unused-for` and `--max-bytes`: what nobody uses goes first."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.management import CommandError, call_command
from django.test import override_settings

from resizer.maintenance import purging
from resizer.markup import picture
from resizer.models import CachedVariant
from resizer.records import rows, tables, tallies
from resizer.storages import publishing
from resizer.storages.kinds import kind_of
from resizer.store import backends
from tests.conftest import save
from tests.maintenance.test_purging import kept, lose, make, purge, way  # noqa: F401  # two are fixtures
from tests.pictures import photograph
from tests.records.test_index import database  # noqa: F401  # a fixture

if TYPE_CHECKING:
    from pathlib import Path

    from django.test import Client
    from pytest_django import Settings

pytestmark = pytest.mark.django_db

DAY = 86_400
#: Somewhat more than a year ago, POSIX seconds.
LONG_AGO = time.time() - 400 * DAY


def age(key: str, made_at: float, used_at: float | None = None) -> None:
    """Have a variant made and used at times, for its file and for its row."""
    row = CachedVariant.objects.get(key=key)
    row.created_at = datetime.fromtimestamp(made_at, UTC)
    row.used_at = datetime.fromtimestamp(used_at, UTC) if used_at else None
    row.save()
    storage: Any = backends.public_storage()
    if kind_of(storage).is_local:
        os.utime(storage.path(key), (made_at, made_at))
        return
    storage._resolve(key).modified_time = datetime.fromtimestamp(made_at, UTC)


@pytest.fixture
def three(make: Any) -> list[str]:  # noqa: F811
    """Variants of long ago, of long ago but used yesterday, and of today."""
    save("a.jpg")
    keys = [make("a.jpg", width) for width in (320, 480, 640)]
    age(keys[0], LONG_AGO)
    age(keys[1], LONG_AGO, time.time() - DAY)
    return keys


def test_unused_variants_go(
    capsys: pytest.CaptureFixture[str],
    way: list[str],  # noqa: F811
    three: list[str],
) -> None:
    assert purge(capsys, "--unused-for", "90d", "--dry-run", *way).startswith("Would remove 1 ")
    assert purge(capsys, "--unused-for", "90d", *way).startswith("Removed 1 cached variant: ")
    assert kept() == sorted(three[1:])
    assert purge(capsys, "--unused-for", "12h", *way).startswith("Removed 1 cached variant: ")
    assert kept() == [three[2]]


def test_least_recently_used_variants_go_until_the_rest_is_small(
    capsys: pytest.CaptureFixture[str],
    way: list[str],  # noqa: F811
    three: list[str],
) -> None:
    sizes = {one.name: one.bytes for one in publishing.walk(backends.public_storage())}
    whole = sum(sizes.values())
    assert purge(capsys, "--max-bytes", str(whole), *way).startswith("Removed 0 ")
    told = purge(capsys, "--max-bytes", str(whole - 1), "--dry-run", *way)
    assert told.startswith("Would remove 1 cached variant: ")
    assert purge(capsys, "--max-bytes", str(whole - 1), *way).startswith("Removed 1 ")
    assert kept() == sorted(three[1:])
    assert purge(capsys, "--max-bytes", str(sizes[three[2]]), *way).startswith("Removed 1 ")
    assert kept() == [three[2]]
    assert purge(capsys, "--max-bytes", "0", *way).startswith("Removed 1 ")
    assert kept() == []


def test_of_variants_used_at_the_same_time_no_more_go_than_needed(
    capsys: pytest.CaptureFixture[str],
    make: Any,  # noqa: F811
    way: list[str],  # noqa: F811
) -> None:
    for number in range(6):
        save(f"{number}.jpg")
        age(make(f"{number}.jpg"), LONG_AGO)
    (size,) = {one.bytes for one in publishing.walk(backends.public_storage())}
    assert purge(capsys, "--max-bytes", str(4 * size), *way).startswith("Removed 2 ")
    assert len(kept()) == 4


def test_other_sources_are_left_alone(
    capsys: pytest.CaptureFixture[str],
    way: list[str],  # noqa: F811
    make: Any,  # noqa: F811
    three: list[str],
) -> None:
    assert purge(capsys, "--max-bytes", "0", "--source", "press", *way).startswith("Removed 0 ")
    storages["press"].save("b.jpg", ContentFile(photograph()))
    stays = make("press:b.jpg")
    assert purge(capsys, "--max-bytes", "0", "--source", "default", *way).startswith("Removed 3 ")
    assert kept() == [stays]


def test_read_of_a_local_file_is_a_use(
    capsys: pytest.CaptureFixture[str], three: list[str], variants: Path
) -> None:
    # As a web server before the app does.
    os.utime(variants / three[0], (time.time(), LONG_AGO))
    CachedVariant.objects.all().delete()
    assert purge(capsys, "--unused-for", "90d").startswith("Removed 1 cached variant")
    assert kept() == sorted([three[0], three[2]])


def test_request_is_a_use(
    capsys: pytest.CaptureFixture[str],
    client: Client,
    three: list[str],
    variants: Path,
) -> None:
    assert client.get(f"/img/{three[0]}").status_code == 200
    tallies.flush()
    os.utime(variants / three[0], (LONG_AGO, LONG_AGO))
    assert purge(capsys, "--unused-for", "90d").startswith("Removed 0 ")


def test_without_a_database_the_storage_tells_the_age(
    capsys: pytest.CaptureFixture[str],
    three: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tables, "is_configured", lambda: False)
    assert purge(capsys, "--unused-for", "90d").startswith("Removed 2 ")
    assert kept() == [three[2]]


def test_index_that_fails_meanwhile_tells_no_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import OperationalError

    def refuse(*_: Any) -> Any:
        raise OperationalError("gone away")

    monkeypatch.setattr(rows, "_uses_of", refuse)
    assert rows.uses(["a.jpg"]) == {}


@pytest.mark.parametrize("option", [["--unused-for", "90d"], ["--max-bytes", "0"]])
def test_media_directory_that_is_away_loses_nothing(
    capsys: pytest.CaptureFixture[str], three: list[str], tmp_path: Path, option: list[str]
) -> None:
    lose(tmp_path / "originals", "absent")
    with pytest.raises(CommandError, match=r"Source 'default' .* So its variants stay"):
        purge(capsys, *option)
    assert kept() == sorted(three)
    assert not purge(capsys, *option, "--force").startswith("Removed 0 ")


def test_eviction_in_many_batches(
    capsys: pytest.CaptureFixture[str],
    make: Any,  # noqa: F811
    way: list[str],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(purging, "BATCH", 2)
    monkeypatch.setattr(tables, "BATCH", 2)
    for number in range(5):
        save(f"{number}.jpg")
        age(make(f"{number}.jpg"), LONG_AGO + number * DAY)
    (size,) = {one.bytes for one in publishing.walk(backends.public_storage())}
    purge(capsys, "--max-bytes", str(2 * size), *way)
    assert [key.split(".")[0] for key in kept()] == ["3", "4"]


# --- questions


@pytest.mark.parametrize(
    "arguments",
    [
        ["--all"],
        ["--older-than", "0h"],
        ["--unused-for", "0h"],
        ["--max-bytes", "0"],
        ["--source", "default"],
        ["--force"],
    ],
)
def test_nothing_that_pages_show_is_removed_without_a_terminal_and_without_yes(
    capsys: pytest.CaptureFixture[str], three: list[str], arguments: list[str]
) -> None:
    with pytest.raises(CommandError, match=r"Nothing was done, .* Add --yes, .* --dry-run\.$"):
        call_command("resizer_purge", *arguments)
    assert kept() == sorted(three)
    call_command("resizer_purge", *arguments, "--dry-run")
    assert kept() == sorted(three)


def test_question_says_what_goes(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, told in {
        ("--all", "--source", "default"): "This removes all cached variants of source 'default'.",
        ("--max-bytes", "5G"): "the least recently used cached variants beyond 4.7 GB.",
        ("--unused-for", "90d"): "all cached variants, last used more than 2,160 hours ago.",
        ("--stale", "--force"): "the cached variants of replaced and deleted originals.",
    }.items():
        with pytest.raises(CommandError) as raised:
            call_command("resizer_purge", *arguments)
        assert told in str(raised.value)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--all", "--unused-for", "9d"],
        ["--all", "--max-bytes", "9"],
        ["--stale", "--max-bytes", "9"],
        ["--max-bytes", "-1"],
        ["--max-bytes", "much"],
        ["--unused-for", "9 days"],
    ],
)
def test_choices_that_contradict_are_refused(arguments: list[str]) -> None:
    with pytest.raises(CommandError) as raised:
        call_command("resizer_purge", *arguments, "--yes")
    # What argparse itself finds has its status only in a shell.
    is_by_argparse = str(raised.value).startswith("Error: argument ")
    assert raised.value.returncode == (1 if is_by_argparse else 2)


def test_unknown_source_is_a_wrong_argument_before_any_question(
    capsys: pytest.CaptureFixture[str], settings: Settings
) -> None:
    with pytest.raises(CommandError, match=r"^There is no source 'nope', and no variant") as raised:
        call_command("resizer_purge", "--source", "nope")
    assert raised.value.returncode == 2
    failing = {"BACKEND": "tests.test_store.FailingStorage"}
    settings.STORAGES = {**settings.STORAGES, "resizer": failing}
    with pytest.raises(CommandError, match=r"^There is no source .* not tell .*lunch") as raised:
        call_command("resizer_purge", "--source", "nope", "--yes", "--from-storage")
    assert raised.value.returncode == 1


def test_variants_of_a_former_source_can_be_removed(
    capsys: pytest.CaptureFixture[str],
    client: Client,
    settings: Settings,
) -> None:
    memory = {"BACKEND": "django.core.files.storage.InMemoryStorage"}
    settings.STORAGES = {**settings.STORAGES, "press": memory}
    settings.RESIZER = {"SOURCES": {"press": {"OPTIONS": {"storage": "press"}}}}
    storages["press"].save("a.jpg", ContentFile(photograph()))
    assert client.get(picture.url("press:a.jpg", width=320)).status_code == 200
    settings.RESIZER = {}
    assert purge(capsys, "--source", "press").startswith("Removed 1 cached variant: ")


@pytest.mark.parametrize(
    ("text", "number"), [("12", 12), ("5k", 5000), ("500M", 500 * 10**6), ("2GB", 2 * 10**9)]
)
def test_sizes_are_read(text: str, number: int, three: list[str]) -> None:
    # As many bytes as there are go.
    call_command("resizer_purge", "--max-bytes", text, "--yes", verbosity=0)
    left = sum(one.bytes for one in publishing.walk(backends.public_storage()))
    assert left <= number


def test_json_has_the_numbers(capsys: pytest.CaptureFixture[str], three: list[str]) -> None:
    told = json.loads(purge(capsys, "--unused-for", "90d", "--format", "json"))
    assert (told["variants"], told["is_complete"], told["dry_run"]) == (1, True, False)


@override_settings(USE_TZ=False)
def test_times_without_zones_are_compared(
    capsys: pytest.CaptureFixture[str],
    three: list[str],
    client: Client,
    variants: Path,
) -> None:
    CachedVariant.objects.update(used_at=None)
    client.get(f"/img/{three[0]}")
    tallies.flush()
    used_at = CachedVariant.objects.get(key=three[0]).used_at
    assert used_at is not None
    assert abs(used_at - datetime.now()) < timedelta(minutes=1)
