"""`resizer_stats`: totals from the index, or from the storage where there is no index."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.management import CommandError, call_command
from django.utils import timezone

from resizer.models import CachedVariant, Original
from resizer.records import tallies
from tests.conftest import save
from tests.maintenance.test_purging import make  # noqa: F401  # a fixture
from tests.pictures import photograph
from tests.records.test_index import database  # noqa: F401  # a fixture

if TYPE_CHECKING:
    from freezegun.api import FrozenDateTimeFactory
    from pytest_django import DjangoAssertNumQueries, Settings

pytestmark = pytest.mark.django_db


def stats(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    call_command("resizer_stats", *arguments)
    return capsys.readouterr().out


@pytest.fixture
def filled(make: Any, settings: Settings) -> list[str]:  # noqa: F811
    memory = {"BACKEND": "django.core.files.storage.InMemoryStorage"}
    settings.STORAGES = {**settings.STORAGES, "press": memory}
    settings.RESIZER = {"SOURCES": {"press": {"OPTIONS": {"storage": "press"}}}}
    save("a.jpg")
    storages["press"].save("b.jpg", ContentFile(photograph()))
    return [make("a.jpg"), make("a.jpg", 640), make("press:b.jpg")]


def test_totals_are_those_of_the_rows(
    capsys: pytest.CaptureFixture[str], filled: list[str]
) -> None:
    rows = CachedVariant.objects.order_by("key")
    for number, row in enumerate(rows, 1):
        row.render_ms = number * 1000
        row.bytes = number * 100
        row.save()
    Original.objects.update(bytes=1_000_000)
    lines = stats(capsys).splitlines()
    assert lines[0] == "cached variants: 3, 600 bytes, of 2 originals"
    assert "  jpeg: 3, 600 bytes" in lines
    assert "saved: 2.9 MB, against originals in their place" in lines
    assert "not used for 90 days: 0, 0 bytes" in lines
    slowest = rows.last()
    assert slowest is not None
    assert f"   3,000 ms  {slowest.key}" in lines
    told = json.loads(stats(capsys, "--format", "json"))
    assert (told["variants"], told["bytes"], told["saved_bytes"]) == (3, 600, 2_999_400)
    assert set(told["by_source"]) == {"default", "press"}
    assert sum(one["variants"] for one in told["by_source"].values()) == 3
    assert set(told["largest"]) == {"default:a.jpg", "press:b.jpg"}
    assert told["slowest"][0] == {"key": slowest.key, "milliseconds": 3000}
    # The three that were made.
    assert told["last_day"] == {"hit": 0, "miss": 0, "busy": 0, "failure": 0}
    tallies.flush()
    told = stats(capsys)
    assert told.endswith("day: 0 hits, 3 misses (0.0% hits), 0 busy, 0 failures\n")


def test_variants_without_a_use_are_counted(
    capsys: pytest.CaptureFixture[str],
    clock: FrozenDateTimeFactory,
    filled: list[str],
) -> None:
    # Of a file, the system's clock says when it was written.
    CachedVariant.objects.update(created_at=timezone.now())
    assert "not used for 1 day: 0, " in stats(capsys, "--unused-for", "1d")
    clock.tick(timedelta(days=2))
    CachedVariant.objects.filter(key=filled[0]).update(used_at=timezone.now())
    assert "not used for 1 day: 2, " in stats(capsys, "--unused-for", "24h")
    assert "not used for 90 days: 0, " in stats(capsys)


def test_nothing_stored_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert stats(capsys).splitlines() == [
        "cached variants: 0, 0 bytes, of 0 originals",
        "not used for 90 days: 0, 0 bytes",
        "requests of the last day: 0 hits, 0 misses, 0 busy, 0 failures",
    ]


def test_totals_take_few_queries(
    filled: list[str], django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_max_num_queries(8):
        call_command("resizer_stats", verbosity=0)


def test_without_a_database_the_storage_is_listed(
    capsys: pytest.CaptureFixture[str],
    make: Any,  # noqa: F811
    database: str,  # noqa: F811
) -> None:
    save("a.jpg")
    make("a.jpg")
    for stranger in ("notes.txt", "a.jpg/00000000-aaaaaaaaaaaaaa/0320.jpg"):
        storages["resizer"].save(stranger, ContentFile(b"not ours"))
    if database != "none":
        with pytest.raises(CommandError, match="does not respond, or lacks the tables"):
            stats(capsys)
        return
    lines = stats(capsys).splitlines()
    assert lines[0].startswith("cached variants: 1, ")
    assert lines[1].startswith("  jpeg: 1, ")
    assert lines[2].startswith("  source default: 1, ")
    told = json.loads(stats(capsys, "--format", "json"))
    assert told["variants"] == told["by_format"]["jpeg"]["variants"] == 1


def test_storage_that_fails_is_one_sentence(
    capsys: pytest.CaptureFixture[str], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = {"BACKEND": "tests.test_store.FailingStorage"}
    settings.STORAGES = {**settings.STORAGES, "resizer": failing}
    monkeypatch.setattr("resizer.records.tables.is_configured", lambda: False)
    with pytest.raises(CommandError, match=r"^The variants storage failed: .*gone for lunch"):
        stats(capsys)
