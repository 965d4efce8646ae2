"""Our tables as fixtures: what `dumpdata` writes, `loaddata` reads, whatever is there already."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from django.core.management import call_command

from resizer import originals
from resizer.markup import picture
from resizer.models import CachedVariant, Original, Tally
from resizer.records import index
from resizer.records.descriptions import Reference
from tests.conftest import save
from tests.pictures import photograph

if TYPE_CHECKING:
    from pathlib import Path

    from django.test import Client

pytestmark = pytest.mark.django_db

NAMES = ("cat.jpg", "Zürich &c.jpg", "dog.jpg")


def show(client: Client, *names: str) -> list[str]:
    """Have pages and browsers ask for pictures; gives their keys."""
    urls = [picture.url(save(name), width=320) for name in names]
    for url in urls:
        assert client.get(url).status_code == 200
    return [url.removeprefix("/img/") for url in urls]


def variants() -> dict[str, str]:
    """The name of the original for each key."""
    return dict(CachedVariant.objects.values_list("key", "original__name"))


@pytest.mark.parametrize("natural", [False, True])
@pytest.mark.parametrize("format", ["json", "jsonl", "xml", "yaml"])
def test_dumped_rows_are_loaded_into_tables_that_have_some(
    client: Client, tmp_path: Path, format: str, natural: bool
) -> None:
    show(client, *NAMES)
    before = variants()
    path = tmp_path / f"rows.{format}"
    keys = {"use_natural_foreign_keys": natural, "use_natural_primary_keys": natural}
    call_command("dumpdata", "resizer", format=format, output=str(path), **keys)
    assert "digest" not in path.read_text()
    # As in a project where the same pictures came in another order, after one that is not in the dump.
    numbers = list(Original.objects.order_by("pk").values_list("pk", flat=True))
    last = CachedVariant.objects.order_by("-pk")[0].pk
    Original.objects.all().delete()
    new = show(client, "new.jpg", *reversed(NAMES))
    for row, number in zip(Original.objects.order_by("pk"), numbers, strict=False):
        moved = list(CachedVariant.objects.filter(original=row))
        Original.objects.filter(pk=row.pk).delete()
        row.pk = number
        row.save(force_insert=True)
        for variant in moved:
            variant.original = row
            variant.pk, last = last, last - 1
            variant.save(force_insert=True)
    call_command("loaddata", str(path), verbosity=0)
    call_command("loaddata", str(path), verbosity=0)
    found = variants()
    assert before.items() <= found.items()
    assert {key for key in found if key not in before} <= {new[0]}
    assert all(index.has_variant(key) for key in before)
    assert all(index.find(Reference("default", name)) for name in NAMES)
    assert all(key.startswith("new.jpg/") == (name == "new.jpg") for key, name in found.items())


def test_digest_of_a_fixture_is_not_believed(client: Client, tmp_path: Path) -> None:
    (key,) = show(client, "cat.jpg")
    path = tmp_path / "rows.json"
    call_command("dumpdata", "resizer", output=str(path))
    rows = json.loads(path.read_text())
    for row in rows:
        row["fields"]["digest"] = "0" * 32
    path.write_text(json.dumps(rows))
    Original.objects.all().delete()
    call_command("loaddata", str(path), verbosity=0)
    assert index.has_variant(key)
    assert index.find(Reference("default", "cat.jpg")) is not None


@pytest.mark.parametrize("natural", [False, True])
def test_tallies_are_loaded_where_there_are_some(tmp_path: Path, natural: bool) -> None:
    hour = datetime(2026, 11, 29, 10, tzinfo=UTC)
    Tally.objects.create(hour=hour, name="hit", count=7)
    path = tmp_path / "rows.json"
    call_command("dumpdata", "resizer.tally", output=str(path), use_natural_primary_keys=natural)
    Tally.objects.all().delete()
    Tally.objects.create(hour=hour, name="miss", count=1)
    Tally.objects.create(hour=hour, name="hit", count=2)
    call_command("loaddata", str(path), verbosity=0)
    assert {str(one): one.count for one in Tally.objects.all()} == {
        "hit 2026-11-29 10": 7,
        "miss 2026-11-29 10": 1,
    }


def test_what_an_editor_says_outlives_the_file() -> None:
    save("cat.jpg")
    picture.url("cat.jpg", width=320)
    Original.objects.update(focal_x=20, focal_y=30, alt="A cat", checked_at=None)
    save("cat.jpg", photograph((300, 200)))
    assert originals.look_up(Reference("default", "cat.jpg"), originals.Freshness.NOW).size == (
        300,
        200,
    )
    row = Original.objects.get()
    assert (row.width, row.focal_x, row.focal_y, row.alt) == (300, 20, 30, "A cat")


def test_original_that_is_renamed_has_the_digest_of_its_name() -> None:
    save("cat.jpg")
    picture.url("cat.jpg", width=320)
    original = Original.objects.get()
    original.name = "dog.jpg"
    original.save()
    assert index.find(Reference("default", "cat.jpg")) is None
    assert index.find(Reference("default", "dog.jpg")) is not None


def test_migrations_have_a_plain_column_for_a_digest() -> None:
    call_command("makemigrations", "resizer", check=True, dry_run=True, verbosity=0)
    for model in (Original, CachedVariant):
        field = model._meta.get_field("digest")
        assert field.deconstruct()[1] == "django.db.models.CharField"
        assert model.digest.field is field
