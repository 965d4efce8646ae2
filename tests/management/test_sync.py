"""`resizer_sync`: an emptied index comes back from the storage alone."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from django.core.cache import caches
from django.core.files.storage import storages
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.db.models import QuerySet

from resizer import originals
from resizer.engines import get_engine
from resizer.keys.variant import parse_key
from resizer.maintenance import syncing
from resizer.models import CachedVariant, Original
from resizer.originals import Freshness
from resizer.records import index, rows
from tests.conftest import files, save
from tests.maintenance.test_purging import Impatient, kept, make  # noqa: F401  # make is a fixture
from tests.pictures import photograph
from tests.records.test_index import database  # noqa: F401  # a fixture
from tests.storages.test_s3 import moto, servers, use  # noqa: F401  # fixtures

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django import DjangoAssertNumQueries, Settings

pytestmark = pytest.mark.django_db

#: What an index says of a variant.
FIELDS = ("key", "original__source", "original__name", "recipe", "width", "height", "format")


def sync(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    call_command("resizer_sync", "--jobs", "1", *arguments)
    return capsys.readouterr().out


def known() -> list[tuple[Any, ...]]:
    return sorted(CachedVariant.objects.values_list(*FIELDS, "bytes", "created_at"))


def empty() -> None:
    CachedVariant.objects.all().delete()
    Original.objects.all().delete()
    caches["default"].clear()


def fill(make: Any) -> None:  # noqa: F811  # the fixture
    save("a.jpg")
    save("b/é.jpg", photograph((900, 1200)))
    for name in ("a.jpg", "b/é.jpg"):
        make(name)
        make(name, 640)
    # A former version, of another shape.
    save("a.jpg", photograph((1200, 1600)))
    originals.look_up("a.jpg", Freshness.NOW)
    make("a.jpg")


def assert_nothing_is_lost(capsys: pytest.CaptureFixture[str], make: Any) -> None:  # noqa: F811
    fill(make)
    before = known()
    assert len(before) == 5
    empty()
    told = sync(capsys)
    assert told.startswith("Found 5 cached variants: ")
    assert told.endswith("\nAdded 5 rows, removed 0 rows without a file.\n")
    assert known() == before
    assert sync(capsys).endswith("\nAdded 0 rows, removed 0 rows without a file.\n")


def test_emptied_index_comes_back_from_disk(capsys: pytest.CaptureFixture[str], make: Any) -> None:  # noqa: F811
    assert_nothing_is_lost(capsys, make)


@pytest.mark.usefixtures("moto")
def test_emptied_index_comes_back_from_s3(capsys: pytest.CaptureFixture[str], make: Any) -> None:  # noqa: F811
    fill(make)
    before = known()
    empty()
    assert "Added 5 rows, " in sync(capsys)
    after = known()
    # When an object was made, the bucket knows to a second.
    assert [row[:-1] for row in after] == [row[:-1] for row in before]
    for one, other in zip(after, before, strict=True):
        assert abs((one[-1] - other[-1]).total_seconds()) < 2


def test_row_without_a_file_goes_and_others_stay(
    capsys: pytest.CaptureFixture[str],
    make: Any,  # noqa: F811
    variants: Path,
) -> None:
    save("a.jpg")
    lost, stays = make("a.jpg"), make("a.jpg", 640)
    (variants / lost).unlink()
    assert "would remove 1 row without" in sync(capsys, "--dry-run")
    assert CachedVariant.objects.count() == 2
    told = sync(capsys, "-v", "2")
    assert told.startswith(f"{lost}\nFound 1 cached variant: ")
    assert [row[0] for row in known()] == [stays]


def test_dry_run_changes_nothing(capsys: pytest.CaptureFixture[str], make: Any) -> None:  # noqa: F811
    fill(make)
    empty()
    assert "\nWould add 5 rows, would remove 0 rows " in sync(capsys, "--dry-run")
    assert known() == []


def test_files_that_are_no_variants_are_left_out(
    capsys: pytest.CaptureFixture[str],
    make: Any,  # noqa: F811
    variants: Path,
) -> None:
    save("a.jpg")
    key = make("a.jpg")
    for stranger in ("index.html", key.replace("/320.", "/0320.")):
        (variants / stranger).write_bytes(b"not ours")
    assert sync(capsys).startswith("Found 1 cached variant: ")
    assert len(files(variants)) == 3


def test_variants_of_a_missing_original_are_counted(
    capsys: pytest.CaptureFixture[str],
    make: Any,  # noqa: F811
) -> None:
    save("a.jpg")
    save("b.jpg")
    make("a.jpg")
    storages["default"].delete("a.jpg")
    empty()
    told = sync(capsys)
    assert "\nAdded 0 rows, " in told
    assert "\n1 variant has no row, because the original is missing. " in told


def test_source_that_fails_is_told_and_the_rest_is_done(
    capsys: pytest.CaptureFixture[str],
    make: Any,  # noqa: F811
    tmp_path: Path,
    settings: Settings,
) -> None:
    (tmp_path / "press").mkdir()
    press = {**settings.STORAGES["default"], "OPTIONS": {"location": tmp_path / "press"}}
    settings.STORAGES = {**settings.STORAGES, "press": press}
    settings.RESIZER = {"SOURCES": {"press": {"OPTIONS": {"storage": "press"}}}}
    save("a.jpg")
    (tmp_path / "press" / "b.jpg").write_bytes(photograph())
    stays, lost = make("a.jpg"), make("press:b.jpg")
    (tmp_path / "press").rename(tmp_path / "gone")
    empty()
    with pytest.raises(CommandError, match=r"1 variant has no row, .* such as of press:b\.jpg\."):
        sync(capsys)
    assert [row[0] for row in known()] == [stays]
    (tmp_path / "gone").rename(tmp_path / "press")
    caches["default"].clear()
    assert "Added 1 row, " in sync(capsys)
    assert sorted(row[0] for row in known()) == sorted([stays, lost])


def test_former_version_that_cannot_be_read_has_no_row(
    capsys: pytest.CaptureFixture[str],
    make: Any,  # noqa: F811
    variants: Path,
) -> None:
    save("a.jpg")
    former = make("a.jpg")
    save("a.jpg", photograph((800, 600)))
    originals.look_up("a.jpg", Freshness.NOW)
    (variants / former).write_bytes(b"half a file")
    empty()
    with pytest.raises(CommandError, match="1 variant has no row"):
        sync(capsys)
    assert known() == []


def test_former_version_that_is_deleted_meanwhile_has_no_row(
    capsys: pytest.CaptureFixture[str],
    make: Any,  # noqa: F811
    variants: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    save("a.jpg")
    former = make("a.jpg")
    save("a.jpg", photograph((800, 600)))
    empty()
    real = originals.look_up

    def look_up(*arguments: Any) -> Any:
        (variants / former).unlink()
        return real(*arguments)

    monkeypatch.setattr(originals, "look_up", look_up)
    with pytest.raises(CommandError, match="1 variant has no row"):
        sync(capsys)


@pytest.mark.parametrize("loss", ["rename", "empty"])
def test_storage_that_is_not_mounted_loses_no_row(
    capsys: pytest.CaptureFixture[str],
    make: Any,  # noqa: F811
    variants: Path,
    loss: str,
) -> None:
    save("a.jpg")
    make("a.jpg")
    variants.rename(variants.with_name("elsewhere"))
    if loss == "empty":
        variants.mkdir()
    with pytest.raises(CommandError, match="storage is empty or missing, so its rows stay"):
        sync(capsys)
    assert CachedVariant.objects.count() == 1
    assert "removed 1 row without" in sync(capsys, "--force")
    assert CachedVariant.objects.count() == 0


def test_empty_index_of_an_empty_storage_is_in_sync(capsys: pytest.CaptureFixture[str]) -> None:
    assert sync(capsys) == (
        "Found 0 cached variants: 0 bytes.\nAdded 0 rows, removed 0 rows without a file.\n"
    )


def test_json_is_one_object_also_after_a_failure(
    capsys: pytest.CaptureFixture[str],
    make: Any,  # noqa: F811
    variants: Path,
) -> None:
    save("a.jpg")
    make("a.jpg")
    empty()
    told = json.loads(sync(capsys, "--format", "json", "-v", "2"))
    assert (told["variants"], told["added"], told["removed"]) == (1, 1, 0)
    assert (told["is_complete"], told["dry_run"]) == (True, False)
    variants.rename(variants.with_name("elsewhere"))
    with pytest.raises(CommandError):
        call_command("resizer_sync", "--format", "json")
    assert json.loads(capsys.readouterr().out)["doubts"] == {
        "variants storage": "is empty or missing"
    }


def test_silence_is_possible(capsys: pytest.CaptureFixture[str]) -> None:
    assert sync(capsys, "-v", "0") == ""


def test_storage_that_fails_is_one_sentence(
    capsys: pytest.CaptureFixture[str], settings: Settings
) -> None:
    failing = {"BACKEND": "tests.test_store.FailingStorage"}
    settings.STORAGES = {**settings.STORAGES, "resizer": failing}
    with pytest.raises(CommandError, match=r"failed: .*gone for lunch.* again for the rest\."):
        sync(capsys)


def test_without_a_database_there_is_nothing_to_sync(
    capsys: pytest.CaptureFixture[str],
    database: str,  # noqa: F811
) -> None:
    told = "has no database" if database == "none" else "does not respond, or lacks the tables"
    with pytest.raises(CommandError, match=told):
        sync(capsys)


@pytest.mark.parametrize("failing", ["recorded", "record", "forget", "page"])
def test_database_that_fails_meanwhile_is_told(
    capsys: pytest.CaptureFixture[str],
    make: Any,  # noqa: F811
    variants: Path,
    monkeypatch: pytest.MonkeyPatch,
    failing: str,
) -> None:
    save("a.jpg")
    save("b.jpg")
    (variants / make("a.jpg")).unlink()
    unrecorded = make("b.jpg")
    CachedVariant.objects.filter(key=unrecorded).delete()

    def refuse(*_: Any, **__: Any) -> Any:
        raise OperationalError("gone away")

    with monkeypatch.context() as patch:
        if failing == "recorded":
            patch.setattr(rows, "_keys_of", refuse)
        elif failing == "record":
            patch.setattr(rows, "insert_missing", refuse)
        elif failing == "page":
            patch.setattr(rows, "Row", refuse)
        else:
            patch.setattr(QuerySet, "delete", refuse)
        with pytest.raises(CommandError, match="The database failed"):
            sync(capsys)
    sync(capsys)
    assert [row[0] for row in known()] == [unrecorded]


def test_rows_are_added_where_the_database_cannot_ignore_conflicts(
    capsys: pytest.CaptureFixture[str],
    make: Any,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    save("a.jpg")
    make("a.jpg")
    empty()
    from django.db import connection

    monkeypatch.setattr(connection.features, "supports_ignore_conflicts", False)
    assert "Added 1 row, " in sync(capsys)


def test_interruption_says_what_was_done_and_the_next_run_does_the_rest(
    capsys: pytest.CaptureFixture[str],
    make: Any,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(syncing, "BATCH", 1)
    save("a.jpg")
    for width in (320, 480, 640):
        make("a.jpg", width)
    before = known()
    empty()
    out = Impatient()
    with pytest.raises(CommandError, match=r"^Interrupted\.$") as raised:
        call_command("resizer_sync", "--jobs", "1", verbosity=2, stdout=out)
    assert raised.value.returncode == 130
    assert "\nAdded 2 rows, removed 0 rows without a file." in out.getvalue()
    assert CachedVariant.objects.count() == 2
    assert "Added 1 row, " in sync(capsys)
    assert known() == before


@pytest.mark.parametrize("jobs", ["0", "257", "many"])
def test_number_of_jobs_that_is_none_is_refused(jobs: str) -> None:
    with pytest.raises(CommandError, match="--jobs"):
        call_command("resizer_sync", "--jobs", jobs)


@pytest.mark.django_db(transaction=True)
def test_several_threads_rebuild_the_same_index(
    capsys: pytest.CaptureFixture[str],
    make: Any,  # noqa: F811
) -> None:
    for number in range(6):
        save(f"{number}.jpg")
        make(f"{number}.jpg")
        make(f"{number}.jpg", 640)
    before = known()
    empty()
    assert "Added 12 rows, " in sync(capsys, "--jobs", "4")
    assert known() == before


def test_one_query_tells_of_many_files(
    make: Any,  # noqa: F811
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    save("a.jpg")
    for width in (320, 480, 640, 800):
        make("a.jpg", width)
    empty()
    # Whether the tables are there; known rows; the original twice, and before and after it is written; all variants at
    # once; then pages of rows.
    with django_assert_max_num_queries(14):
        call_command("resizer_sync", "--jobs", "1", stdout=io.StringIO())
    assert CachedVariant.objects.count() == 4


def test_index_comes_back_while_the_cache_knows_the_originals(
    capsys: pytest.CaptureFixture[str],
    make: Any,  # noqa: F811
) -> None:
    names = [f"{number}.jpg" for number in range(syncing.EXAMPLES + 1)]
    for name in names:
        save(name)
        make(name)
    before = known()
    Original.objects.all().delete()
    assert "Added 4 rows, " in sync(capsys)
    assert known() == before


def test_report_names_some_of_the_originals_that_cannot_be_read(
    capsys: pytest.CaptureFixture[str],
    make: Any,  # noqa: F811
) -> None:
    for number in range(syncing.EXAMPLES + 1):
        save(f"{number}.jpg")
        make(f"{number}.jpg")
        save(f"{number}.jpg", b"no picture")
    empty()
    with pytest.raises(
        CommandError, match=r"4 variants have no row, .* such as of default:0\.jpg, "
    ):
        sync(capsys)


def test_height_of_a_row_is_that_of_the_file(
    capsys: pytest.CaptureFixture[str],
    make: Any,  # noqa: F811
    variants: Path,
) -> None:
    fill(make)
    empty()
    sync(capsys)
    for key, width, height in CachedVariant.objects.values_list("key", "width", "height"):
        header = get_engine().read_header(io.BytesIO((variants / key).read_bytes()))
        assert (header.width, header.height) == (width, height)
        assert parse_key(key)
    assert index.is_available()
    assert kept()
