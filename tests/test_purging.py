from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import pytest
from django.core.cache import caches
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage, storages
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.db.models import QuerySet

from resizer import originals, picture, publishing, purging, store
from resizer.models import CachedVariant, Original
from tests.conftest import files, save
from tests.pictures import photograph
from tests.test_originals import raising  # noqa: F401  # a fixture

if TYPE_CHECKING:
    from pathlib import Path

    from django.test import Client
    from pytest_django import Settings

pytestmark = pytest.mark.django_db


@pytest.fixture(params=["local", "listing", "index"])
def way(request: pytest.FixtureRequest, settings: Settings) -> list[str]:
    """Arguments for the three ways: local files, another storage's listing, and the index of one."""
    if request.param != "local":
        memory = {"BACKEND": "django.core.files.storage.InMemoryStorage"}
        settings.STORAGES = {**settings.STORAGES, "resizer": memory}
    settings.RESIZER = {"SOURCES": {"press": {"OPTIONS": {"storage": "press"}}}}
    settings.STORAGES = {
        **settings.STORAGES,
        "press": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    }
    return ["--from-storage"] if request.param == "listing" else []


@pytest.fixture
def make(client: Client) -> Any:
    """Make a variant; gives its key."""

    def make(name: str, width: int = 320) -> str:
        url = picture.url(name, width=width, format="jpeg")
        assert client.get(url).status_code == 200
        return url.removeprefix("/img/")

    return make


def purge(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    call_command("resizer_purge", *arguments)
    return capsys.readouterr().out


def kept() -> list[str]:
    return sorted(one.name for one in publishing.walk(store.variants_storage()))


def rows() -> list[str]:
    return sorted(CachedVariant.objects.values_list("key", flat=True))


def test_stale_variants_go_and_present_ones_stay(
    capsys: pytest.CaptureFixture[str], make: Any, way: list[str]
) -> None:
    for name in ("same.jpg", "replaced.jpg", "deleted.jpg"):
        save(name)
    stays = make("same.jpg")
    make("replaced.jpg")
    make("deleted.jpg")
    make("deleted.jpg", 640)
    save("replaced.jpg", photograph((800, 600)))
    originals.check(originals.locate("replaced.jpg"))
    new = make("replaced.jpg")
    storages["default"].delete("deleted.jpg")
    assert "Would remove 3 cached variants: " in purge(capsys, "--dry-run", *way)
    assert len(kept()) == 5
    told = purge(capsys, *way)
    assert told.startswith("Removed 3 cached variants: ")
    assert told.strip().endswith("KB.")
    assert kept() == rows() == sorted([stays, new])
    assert purge(capsys, *way).startswith("Removed 0 cached variants: 0 bytes.")


def test_variants_go_by_age(capsys: pytest.CaptureFixture[str], make: Any, way: list[str]) -> None:
    save("a.jpg")
    key = make("a.jpg")
    assert purge(capsys, "--older-than", "1h", *way).startswith("Removed 0 ")
    assert purge(capsys, "--older-than", "0h", *way).startswith("Removed 1 cached variant: ")
    assert key not in kept()
    assert rows() == []


def test_variants_go_by_source(
    capsys: pytest.CaptureFixture[str], make: Any, way: list[str]
) -> None:
    save("a.jpg")
    storages["press"].save("b.jpg", ContentFile(photograph()))
    stays = make("a.jpg")
    gone = make("press:b.jpg")
    assert purge(capsys, "--source", "press", "--stale", *way).startswith("Removed 0 ")
    told = purge(capsys, "--source", "press", "-v", "2", *way)
    assert told.startswith(f"{gone}\nRemoved 1 cached variant: ")
    assert kept() == rows() == [stays]
    assert purge(capsys, "--source", "default", "--all", *way).startswith("Removed 1 ")
    assert kept() == rows() == []


def test_all_variants_go_and_nothing_else(
    capsys: pytest.CaptureFixture[str], make: Any, variants: Path, client: Client
) -> None:
    save("a.jpg")
    keys = [make("a.jpg"), make("a.jpg", 640)]
    key = keys[0]
    strangers = [
        "index.html",
        "a.jpg/notes.txt",
        key.rpartition("/")[0] + "/0320.jpg",
        key.rpartition("/")[0] + "/320.tiff",
        key.replace("/320.", "/fit-none/320."),
        ".hidden.tmp",
        f"a.jpg/.notes.txt.{'0' * 16}.tmp",
    ]
    for stranger in strangers:
        (variants / stranger).parent.mkdir(parents=True, exist_ok=True)
        (variants / stranger).write_bytes(b"not ours")
        os.utime(variants / stranger, (0, 0))
    assert purge(capsys, "--all").startswith("Removed 2 cached variants: ")
    assert files(variants) == sorted(strangers)
    # No memory of them is left either.
    assert client.get("/img/" + key).status_code == 200


def test_unfinished_files_of_killed_processes_go_after_an_hour(
    capsys: pytest.CaptureFixture[str], make: Any, variants: Path, settings: Settings
) -> None:
    settings.RESIZER = {"SOURCES": {"press": {}}}
    save("a.jpg")
    key = make("a.jpg")
    directory, _, name = key.rpartition("/")
    unfinished = [variants / directory / f".{name}.{number * 16}.tmp" for number in "01"]
    for path in unfinished:
        path.write_bytes(b"half a file")
    an_hour_ago = time.time() - purging.UNFINISHED_SECONDS
    os.utime(unfinished[0], (an_hour_ago, an_hour_ago))
    assert purge(capsys, "--source", "press", "--dry-run", "--all").count("unfinished") == 0
    told = purge(capsys)
    assert told.startswith("Removed 0 cached variants, 1 unfinished file: ")
    assert files(variants) == sorted([key, str(unfinished[1].relative_to(variants))])


def test_rows_without_a_file_go(
    capsys: pytest.CaptureFixture[str], make: Any, variants: Path
) -> None:
    save("a.jpg")
    keys = [make("a.jpg"), make("a.jpg", 640), make("a.jpg", 480)]
    for key in keys[:2]:
        (variants / key).unlink()
    assert "2 rows without a file" in purge(capsys, "--dry-run")
    assert len(rows()) == 3
    assert "2 rows without a file" in purge(capsys)
    assert rows() == kept() == [keys[2]]


def test_rows_that_could_not_be_deleted_are_told(
    capsys: pytest.CaptureFixture[str], make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    save("a.jpg")
    key = make("a.jpg")

    def refuse(*_: Any) -> Any:
        raise OperationalError("permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(QuerySet, "delete", refuse)
        with pytest.raises(CommandError, match="rows may be left: the database failed"):
            purge(capsys, "--all")
    assert (kept(), rows()) == ([], [key])
    assert "1 row without a file" in purge(capsys, "--all")
    assert rows() == []


def test_unrecorded_files_are_found_in_the_listing(
    capsys: pytest.CaptureFixture[str], make: Any, settings: Settings
) -> None:
    memory = {"BACKEND": "django.core.files.storage.InMemoryStorage"}
    settings.STORAGES = {**settings.STORAGES, "resizer": memory}
    save("a.jpg")
    make("a.jpg")
    CachedVariant.objects.all().delete()
    assert purge(capsys, "--all").startswith("Removed 0 ")
    assert purge(capsys, "--all", "--from-storage").startswith("Removed 1 cached variant")


def test_many_variants_go_in_batches(
    capsys: pytest.CaptureFixture[str], make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purging, "BATCH", 2)
    save("a.jpg")
    for width in (320, 480, 640):
        make("a.jpg", width)
    assert purge(capsys, "--all").startswith("Removed 3 cached variants")
    assert kept() == rows() == []


def test_source_that_is_down_loses_nothing(
    capsys: pytest.CaptureFixture[str],
    make: Any,
    raising: Any,  # noqa: F811  # the fixture
) -> None:
    save("a.jpg")
    save("b.jpg")
    keys = [make("a.jpg"), make("a.jpg", 640), make("b.jpg")]
    raising()
    with pytest.raises(
        CommandError, match=r"2 originals could not be asked for, such as default:a"
    ):
        purge(capsys)
    assert kept() == sorted(keys)


class ForbiddingStorage(InMemoryStorage):
    """As S3 without the permission to list."""

    def size(self, name: str) -> int:
        raise PermissionError("403")


def test_lost_permission_loses_nothing(
    capsys: pytest.CaptureFixture[str],
    make: Any,
    settings: Settings,
) -> None:
    save("a.jpg")
    key = make("a.jpg")
    forbidding = {"BACKEND": "tests.test_purging.ForbiddingStorage"}
    settings.STORAGES = {**settings.STORAGES, "default": forbidding}
    with pytest.raises(CommandError, match="their variants stay"):
        purge(capsys)
    assert kept() == [key]


def test_storage_that_fails_is_one_sentence(
    capsys: pytest.CaptureFixture[str], settings: Settings
) -> None:
    settings.STORAGES = {
        **settings.STORAGES,
        "resizer": {"BACKEND": "tests.test_store.FailingStorage"},
    }
    with pytest.raises(CommandError, match=r"failed: .*gone for lunch.* try again\."):
        purge(capsys, "--from-storage")


def test_source_that_nobody_knows(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CommandError, match="no source 'pres'"):
        purge(capsys, "--source", "pres")


def test_variants_of_a_source_that_is_no_longer_configured_are_stale(
    capsys: pytest.CaptureFixture[str], make: Any, settings: Settings
) -> None:
    settings.RESIZER = {"SOURCES": {"press": {}}}
    save("a.jpg")
    make("press:a.jpg")
    settings.RESIZER = {}
    assert purge(capsys, "--source", "press").startswith("Removed 1 ")
    assert not Original.objects.filter(cached_variants__isnull=False).exists()


@pytest.mark.parametrize("age", ["30", "d", "1y", "-1d", "1.5d"])
def test_age_that_is_none_is_told(capsys: pytest.CaptureFixture[str], age: str) -> None:
    with pytest.raises(CommandError, match="a number and h, d or w"):
        purge(capsys, f"--older-than={age}")


@pytest.mark.parametrize("narrow", [["--stale"], ["--older-than", "1d"]])
def test_all_is_all(capsys: pytest.CaptureFixture[str], narrow: list[str]) -> None:
    with pytest.raises(CommandError, match="cannot be narrowed"):
        purge(capsys, "--all", *narrow)


def test_nothing_to_do_in_an_empty_place(capsys: pytest.CaptureFixture[str]) -> None:
    caches["default"].clear()
    assert purge(capsys) == "Removed 0 cached variants: 0 bytes.\n"
