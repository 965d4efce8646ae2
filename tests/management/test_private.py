"""What the commands and the admin make of private variants."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from django.core.cache import caches
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, InMemoryStorage
from django.core.management import CommandError, call_command

from config.gallery.models import Photo
from resizer.admin import pictures, visitors
from resizer.admin.states import State, scan, state_of
from resizer.links.mount import path_for
from resizer.links.private import read_link
from resizer.maintenance.doctor import examine
from resizer.maintenance.explaining import explain
from resizer.maintenance.warming import Warm
from resizer.markup import picture
from resizer.models import CachedVariant
from resizer.records.descriptions import Reference
from resizer.store import backends
from tests.conftest import files, save
from tests.pictures import photograph
from tests.private import ALIAS, STAFF_ONLY, save_private, use_private

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from django.test import Client
    from freezegun.api import FrozenDateTimeFactory
    from pytest_django import Settings

pytestmark = pytest.mark.django_db


def link_to(original: Reference, **options: Any) -> str:
    return str(picture.url(original, **{"width": 320, "format": "jpeg", **options}))


def key_of(url: str) -> str:
    return read_link(url.removeprefix("/img/")).key


@pytest.fixture
def url(members: Reference, client: Client) -> str:
    """The link of a private variant in the storage."""
    link = link_to(members)
    assert client.get(link).status_code == 200
    return link


@pytest.fixture
def former(client: Client, settings: Settings, tmp_path: Path) -> str:
    """The key of a public variant of a source that is private now."""
    use_private(settings, tmp_path, PRIVATE=False)
    public = link_to(save_private("a.jpg"))
    assert client.get(public).status_code == 200
    use_private(settings, tmp_path)
    return public.removeprefix("/img/")


def test_warming_makes_what_the_tag_prints(members: Reference, tmp_path: Path) -> None:
    warm = Warm([{"width": 100}])
    warm.run([members])
    assert warm.report.made == 4
    assert len(files(tmp_path / "private")) == 4
    again = Warm([{"width": 100}])
    again.run([members])
    assert (again.report.made, again.report.present) == (0, 4)


def test_stale_private_variants_are_purged(url: str, tmp_path: Path) -> None:
    call_command("resizer_purge")
    assert files(tmp_path / "private") == [key_of(url)]
    save_private("a.jpg", b"another")
    call_command("resizer_purge")
    assert files(tmp_path / "private") == []
    assert not CachedVariant.objects.exists()


def test_purge_of_a_source_removes_its_private_variants(url: str, tmp_path: Path) -> None:
    call_command("resizer_purge", "--source", "default", "--yes")
    assert files(tmp_path / "private") == [key_of(url)]
    call_command("resizer_purge", "--source", ALIAS, "--yes")
    assert files(tmp_path / "private") == []


def test_purge_removes_public_variants_of_a_source_that_became_private(
    former: str, variants: Path
) -> None:
    assert files(variants) == [former]
    call_command("resizer_purge")
    assert files(variants) == []


def test_alias_of_a_field_is_closed_once_its_storage_is_private(
    client: Client,
    settings: Settings,
    tmp_path: Path,
    variants: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    field = Photo._meta.get_field("image")
    monkeypatch.setattr(field, "storage", FileSystemStorage(tmp_path / ALIAS))
    photo = Photo(title="a")
    photo.image.save("a.jpg", ContentFile(photograph()))
    public = str(picture.url(photo.image, width=320, format="jpeg"))
    assert public.startswith("/img/_storage-")
    assert client.get(public).status_code == 200
    use_private(settings, tmp_path)
    # At once, though the cache still knows the original and its variant.
    assert client.get(public).status_code == 403
    (line,) = findings("source members")
    assert line.startswith("✗ source members: it is private, but public variants are left")
    assert state_of(CachedVariant.objects.get(), set()) is State.STALE
    call_command("resizer_purge")
    assert files(variants) == []
    caches["default"].clear()
    assert client.get(public).status_code == 403
    # The model still has its picture, by a link.
    link = str(picture.url(photo.image, width=320, format="jpeg"))
    assert link.startswith("/img/_private.members.")
    assert client.get(link).status_code == 200


def test_purge_continues_among_private_variants(url: str, tmp_path: Path) -> None:
    names = [one.name for one in backends.walk()]
    assert names == [key_of(url)]
    assert list(backends.walk(after=names[0])) == []


def test_file_in_the_wrong_storage_is_no_variant(url: str, tmp_path: Path, variants: Path) -> None:
    key = key_of(url)
    (variants / key).parent.mkdir(parents=True)
    (variants / key).write_bytes(b"misplaced")
    (tmp_path / "private" / "a.jpg").write_bytes(b"misplaced")
    assert [one.name for one in backends.walk()] == [key]


def test_index_is_rebuilt_with_private_variants(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    CachedVariant.objects.all().delete()
    call_command("resizer_sync", "--jobs", "1")
    assert [row.key for row in CachedVariant.objects.all()] == [key_of(url)]


@pytest.fixture
def both(client: Client, url: str) -> tuple[str, str]:
    """The keys of a public and of a private variant."""
    save("b.jpg")
    public = str(picture.url("b.jpg", width=320, format="jpeg"))
    assert client.get(public).status_code == 200
    return public.removeprefix("/img/"), key_of(url)


def unmount(directory: Path, how: str) -> Callable[[], None]:
    """Take a directory away. Returns how to bring it back."""
    elsewhere = directory.with_name("elsewhere")
    directory.rename(elsewhere)
    if how == "is empty":
        directory.mkdir()

    def mount() -> None:
        if how == "is empty":
            directory.rmdir()
        elsewhere.rename(directory)

    return mount


@pytest.mark.parametrize("how", ["is not there", "is empty"])
@pytest.mark.parametrize("which", ["variants", "private"])
@pytest.mark.parametrize("command", ["resizer_sync", "resizer_purge"])
def test_disk_that_is_not_mounted_loses_no_row_and_the_other_one_goes_on(
    both: tuple[str, str], tmp_path: Path, which: str, how: str, command: str, client: Client
) -> None:
    # A row without a file on the other disk.
    others = link_to(Reference(ALIAS, "a.jpg"), width=640)
    if which == "private":
        others = str(picture.url("b.jpg", width=640, format="jpeg"))
    assert client.get(others).status_code == 200
    rest = tmp_path / ("variants" if which == "private" else "private")
    for path in rest.rglob("640.jpg"):
        path.unlink()
    assert CachedVariant.objects.count() == 3
    mount = unmount(tmp_path / which, how)
    name = "private variants storage" if which == "private" else "variants storage"
    sentence = f"^The {name} is empty or missing, so its rows stay. Is the disk mounted"
    with pytest.raises(CommandError, match=sentence):
        call_command(command)
    assert {row.key for row in CachedVariant.objects.all()} == set(both)
    if command == "resizer_sync":
        with pytest.raises(CommandError, match=sentence):
            call_command(command, "--enqueue", "--dry-run")
    mount()
    call_command(command)
    assert {one.name for one in backends.walk()} == set(both)
    assert CachedVariant.objects.count() == 2


def test_rows_of_a_disk_that_is_gone_for_good_can_be_removed(
    both: tuple[str, str], tmp_path: Path
) -> None:
    unmount(tmp_path / "private", "is empty")
    call_command("resizer_sync", "--force")
    assert [row.key for row in CachedVariant.objects.all()] == [both[0]]


def test_purge_by_the_index_keeps_rows_of_a_disk_that_is_not_mounted(
    both: tuple[str, str], tmp_path: Path, settings: Settings
) -> None:
    # Public variants are elsewhere, so nothing is listed.
    memory = {"BACKEND": "django.core.files.storage.InMemoryStorage"}
    settings.STORAGES = {**settings.STORAGES, "resizer": memory}
    save_private("a.jpg", photograph((640, 480)))
    mount = unmount(tmp_path / "private", "is not there")
    with pytest.raises(CommandError, match="private variants storage is empty or missing"):
        call_command("resizer_purge")
    assert CachedVariant.objects.filter(key=both[1]).exists()
    mount()
    call_command("resizer_purge")
    assert files(tmp_path / "private") == []
    assert not CachedVariant.objects.filter(key=both[1]).exists()


@pytest.mark.parametrize("which", ["variants", "private"])
def test_doctor_finds_a_disk_that_is_not_mounted_and_leaves_it_bare(
    both: tuple[str, str], tmp_path: Path, which: str
) -> None:
    unmount(tmp_path / which, "is empty")
    public, private = findings("variants storage"), findings("private variants storage")
    lost, there = (private, public) if which == "private" else (public, private)
    assert lost[0].endswith(
        "it is empty or missing, but the database knows 1 cached variants. Is the disk mounted?"
        " If they were deleted, run resizer_sync --force."
    )
    assert there[0].startswith("✓")
    assert files(tmp_path / which) == []


def test_stats_without_an_index_count_private_variants(
    url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resizer.records.tables.is_configured", lambda: False)
    call_command("resizer_stats", "--format", "json")
    assert json.loads(capsys.readouterr().out)["by_source"][ALIAS]["variants"] == 1


# --- explain


def test_link_is_explained(url: str, clock: FrozenDateTimeFactory) -> None:
    clock.move_to("2026-11-22 12:00:00")
    link = link_to(save_private("a.jpg"))
    found = explain(link)
    assert found.facts["kind"] == "the link of a private picture"
    assert found.facts["allowed"] == "with this link"
    assert found.facts["expires"] == "2026-11-22 14:00 UTC"
    assert (found.status, found.facts["source"]) == (200, ALIAS)
    clock.tick(7200)
    assert explain(link).status == 403


def test_link_with_a_function_is_explained(settings: Settings, tmp_path: Path) -> None:
    use_private(settings, tmp_path, ALLOW=STAFF_ONLY)
    link = link_to(save_private("a.jpg"))
    assert explain(link).facts["allowed"] == f"{STAFF_ONLY} decides"
    use_private(settings, tmp_path)
    assert explain(link).status == 403
    use_private(settings, tmp_path, PRIVATE=False)
    found = explain(link)
    assert (found.status, found.verdict) == (403, "The source 'members' is not private any longer.")


def test_key_of_a_private_variant_is_explained(url: str, tmp_path: Path) -> None:
    key = key_of(url)
    # As a URL it is refused.
    assert explain(path_for(key)).status == 403
    found = explain(str(tmp_path / "private" / key))
    assert found.facts["kind"] == "the key of a private variant"
    assert found.facts["file"] != "none"


def test_former_public_url_is_explained(former: str) -> None:
    found = explain(path_for(former))
    assert (found.status, found.facts["source"]) == (403, ALIAS)
    assert "resizer_purge" in found.verdict


def test_text_is_told_why_it_names_no_private_original(
    members: Reference, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CommandError):
        call_command("resizer_explain", "members:a.jpg")
    assert (
        "A text cannot name an original of 'members', which is private" in capsys.readouterr().out
    )


# --- doctor


def findings(part: str) -> list[str]:
    return [str(one) for one in examine() if one.part == part]


def test_doctor_tries_the_storage_of_private_variants(url: str, tmp_path: Path) -> None:
    (line,) = findings("private variants storage")
    assert line.startswith("✓")
    assert "✓ source members: it is private, and no public variant is left of it." in findings(
        "source members"
    )
    assert files(tmp_path / "private") == [key_of(url)]


def test_doctor_finds_public_variants_of_a_private_source(former: str, variants: Path) -> None:
    (variants / "_members").mkdir(exist_ok=True)
    (variants / "_members" / "README").touch()
    (variants / "_members" / "0.jpg" / "5d41402a-nFGBozSE6GBqnk" / "x").mkdir(parents=True)
    (variants / "_members" / "0.jpg" / "5d41402a-nFGBozSE6GBqnk" / "x" / "0.jpg").touch()
    line = findings("source members")[0]
    assert line.startswith(
        f"✗ source members: it is private, but public variants are left, such as {former}"
    )


def test_doctor_tells_of_a_storage_that_fails(
    members: Reference, settings: Settings, variants: Path
) -> None:
    broken = {"BACKEND": "tests.management.test_private.Broken"}
    settings.STORAGES = {**settings.STORAGES, "resizer": broken}
    assert findings("source members")[0].startswith("✗ source members: ")


class Broken(InMemoryStorage):
    def listdir(self, path: str) -> Any:
        raise OSError("the disk is gone")


# --- the admin


def test_admin_shows_a_link(url: str, members: Reference) -> None:
    row = CachedVariant.objects.get()
    assert key_of(pictures._url_of(row)) == key_of(url) == row.key
    assert state_of(row, set()) is State.CURRENT


def test_public_variant_of_a_private_source_is_stale(former: str) -> None:
    row = CachedVariant.objects.get()
    assert state_of(row, set()) is State.STALE
    assert scan().stale == [row.pk]


def test_file_of_a_private_variant_is_sent_to_editors(admin_client: Client, url: str) -> None:
    row = CachedVariant.objects.get()
    response = admin_client.get(f"/admin/resizer/cachedvariant/{row.pk}/file/")
    assert response.status_code == 200
    assert response["Cache-Control"].startswith("private")


def test_admin_knows_which_private_variants_devices_load(
    members: Reference, client: Client
) -> None:
    url = str(picture.url(members, width=1600, format="avif"))
    assert client.get(url).status_code == 200
    made = [load.variant.key for load in visitors.loads_of(members) if load.variant]
    assert made
    assert set(made) == {key_of(url)}


def test_admin_has_no_url_of_a_private_file(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = FileSystemStorage(tmp_path / ALIAS, base_url="/members/")
    monkeypatch.setattr(Photo._meta.get_field("image"), "storage", storage)
    photo = Photo(title="a", image="a.jpg")
    use_private(settings, tmp_path, PRIVATE=False)
    assert pictures.plain_url(photo.image) == "/members/a.jpg"
    use_private(settings, tmp_path)
    assert pictures.plain_url(photo.image) == ""
