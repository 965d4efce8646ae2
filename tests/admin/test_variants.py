from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connections
from django.urls import reverse

from resizer import originals, store
from resizer.admin import making, removing
from resizer.markup import picture
from resizer.models import CachedVariant, Original
from tests.conftest import files, save
from tests.pictures import photograph
from tests.test_faults import database  # noqa: F401  # a fixture

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from django.test import Client
    from pytest_django import DjangoAssertNumQueries, Settings

LIST = reverse("admin:resizer_cachedvariant_changelist")


def page_of(variant: CachedVariant) -> str:
    return reverse("admin:resizer_cachedvariant_change", args=[variant.pk])


def file_of(variant: CachedVariant) -> str:
    return reverse("admin:resizer_cachedvariant_file", args=[variant.pk])


def choose(*variants: CachedVariant, **more: str) -> dict[str, Any]:
    """The action on some variants of the list."""
    pks = [str(one.pk) for one in variants]
    return {"action": "delete_selected", "_selected_action": pks, **more}


def test_variants_are_listed_with_their_facts(
    admin_client: Client, cached: list[CachedVariant]
) -> None:
    html = admin_client.get(LIST).content.decode()
    for variant in cached:
        assert f'src="{file_of(variant)}?' in html
    assert "320\u00a0×\u00a0240" in html
    assert "640\u00a0×\u00a0640" in html
    assert ">square, focus bottom right<" in html
    assert 'title="1x1,fp85-75"' in html
    assert ">whole picture<" in html
    assert "AVIF" in html
    assert "KB" in html
    square = cached[1]
    assert f"−{100 - 100 * square.bytes // square.original.bytes - 1}\u00a0%" in html
    assert reverse("admin:resizer_original_change", args=[square.original_id]) in html


def test_lists_make_no_variant(admin_client: Client, cached: list[CachedVariant]) -> None:
    before = CachedVariant.objects.count()
    pages = [
        LIST,
        reverse("admin:resizer_original_changelist"),
        page_of(cached[0]),
        reverse("admin:resizer_original_change", args=[cached[0].original_id]),
    ]
    for page in pages:
        html = admin_client.get(page).content.decode()
        for source in html.split('src="')[1:]:
            admin_client.get(source.partition('"')[0])
    assert CachedVariant.objects.count() == before


def test_list_takes_no_query_per_row(
    admin_client: Client,
    cached: list[CachedVariant],
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    original = cached[0].original
    rows = [
        CachedVariant(
            original=original,
            key=f"cat.jpg/00000000-aaaaaaaaaaaaaa/{width}.jpg",
            width=width,
            height=10,
            format="jpeg",
            bytes=1,
            created_at=cached[0].created_at,
        )
        for width in range(1, 301)
    ]
    CachedVariant.objects.bulk_create(rows)
    admin_client.get(LIST)
    with django_assert_max_num_queries(24):
        admin_client.get(LIST)


@pytest.mark.parametrize(("query", "count"), [("q=cat", 2), ("q=640.avif", 1), ("q=bird", 0)])
def test_variants_are_searched(
    admin_client: Client, cached: list[CachedVariant], query: str, count: int
) -> None:
    html = admin_client.get(f"{LIST}?{query}").content.decode()
    assert html.count('class="action-select"') == count


def test_variant_is_shown_and_cannot_be_changed(
    admin_client: Client, cached: list[CachedVariant]
) -> None:
    html = admin_client.get(page_of(cached[0])).content.decode()
    assert cached[0].key in html
    assert "current" in html
    assert 'name="_save"' not in html
    assert admin_client.get(reverse("admin:resizer_cachedvariant_add")).status_code == 403
    assert admin_client.post(page_of(cached[0]), {"width": 1}).status_code == 403


def test_preview_is_the_file_itself(
    admin_client: Client, cached: list[CachedVariant], variants: Path
) -> None:
    response = admin_client.get(file_of(cached[1]))
    assert response.content == (variants / cached[1].key).read_bytes()
    assert response["Content-Type"] == "image/avif"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "private" in response["Cache-Control"]


def test_stale_variant_is_marked_and_shows_its_own_file(
    admin_client: Client, cached: list[CachedVariant], variants: Path
) -> None:
    before = (variants / cached[0].key).read_bytes()
    save("cat.jpg", photograph((800, 800)))
    originals.look_up("cat.jpg", originals.Freshness.NOW)
    html = admin_client.get(LIST).content.decode()
    assert html.count("resizer-stale") == 2
    assert html.count("resizer-current") >= 1
    assert admin_client.get(file_of(cached[0])).content == before
    assert "resizer-stale" in admin_client.get(page_of(cached[0])).content.decode()


def test_variant_of_a_deleted_original_is_marked(
    admin_client: Client, cached: list[CachedVariant], tmp_path: Path
) -> None:
    (tmp_path / "originals/cat.jpg").unlink()
    html = admin_client.get(LIST).content.decode()
    assert html.count("resizer-orphaned") == 2


def test_absent_disk_makes_no_orphans(
    admin_client: Client, cached: list[CachedVariant], tmp_path: Path
) -> None:
    (tmp_path / "originals").rename(tmp_path / "elsewhere")
    assert "resizer-orphaned" not in admin_client.get(LIST).content.decode()


def test_recipe_of_another_release_is_stale_and_shown_as_it_is(
    admin_client: Client, cached: list[CachedVariant]
) -> None:
    CachedVariant.objects.filter(pk=cached[0].pk).update(recipe="rot90")
    html = admin_client.get(LIST).content.decode()
    assert ">rot90<" in html
    assert html.count("resizer-stale") == 1


def test_file_that_is_gone_is_not_found(
    admin_client: Client, cached: list[CachedVariant], variants: Path
) -> None:
    (variants / cached[0].key).unlink()
    assert admin_client.get(file_of(cached[0])).status_code == 404


def test_storage_that_fails_is_503_for_a_preview(
    admin_client: Client, cached: list[CachedVariant], settings: Settings
) -> None:
    failing = {"BACKEND": "tests.test_store.FailingStorage"}
    settings.STORAGES = {**settings.STORAGES, "resizer": failing}
    assert admin_client.get(file_of(cached[0])).status_code == 503


def test_removal_is_confirmed_with_files_and_bytes(
    admin_client: Client, cached: list[CachedVariant], variants: Path
) -> None:
    CachedVariant.objects.filter(pk__in=[one.pk for one in cached[:2]]).update(bytes=2048)
    html = admin_client.post(LIST, choose(*cached[:2])).content.decode()
    assert "2 files, 4.0" in html
    assert "csrfmiddlewaretoken" in html
    assert len(files(variants)) == 3


def test_removed_variants_lose_file_and_row(
    admin_client: Client, cached: list[CachedVariant], variants: Path
) -> None:
    data = choose(*cached[:2], post="yes")
    html = admin_client.post(LIST, data, follow=True).content.decode()
    assert "Removed 2 files" in html
    assert files(variants) == [cached[2].key]
    assert [one.key for one in CachedVariant.objects.all()] == [cached[2].key]
    # Requested again, it is made again.
    assert admin_client.get(f"/img/{cached[0].key}").status_code == 200


def test_all_variants_of_a_search_are_removed(
    admin_client: Client, cached: list[CachedVariant], variants: Path
) -> None:
    data = choose(cached[0], select_across="1")
    html = admin_client.post(f"{LIST}?q=cat", data).content.decode()
    assert "2 files" in html
    assert '<input type="hidden" name="select_across" value="1">' in html
    admin_client.post(f"{LIST}?q=cat", {**data, "post": "yes"})
    assert files(variants) == [cached[2].key]


def test_removal_stops_in_time_and_tells_the_rest(
    admin_client: Client,
    cached: list[CachedVariant],
    variants: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(removing, "REMOVE_SECONDS", 0)
    html = admin_client.post(LIST, choose(*cached, post="yes"), follow=True).content.decode()
    assert "3 variants are left" in html
    assert len(files(variants)) == 3


def test_one_variant_is_removed_from_its_page(
    admin_client: Client, cached: list[CachedVariant], variants: Path
) -> None:
    url = reverse("admin:resizer_cachedvariant_delete", args=[cached[0].pk])
    admin_client.post(url, {"post": "yes"})
    assert cached[0].key not in files(variants)
    assert not CachedVariant.objects.filter(pk=cached[0].pk).exists()


@pytest.mark.parametrize("way", ["page", "list"])
def test_storage_that_fails_is_told_to_the_editor(
    admin_client: Client, cached: list[CachedVariant], settings: Settings, way: str
) -> None:
    failing = {"BACKEND": "tests.test_store.FailingStorage"}
    settings.STORAGES = {**settings.STORAGES, "resizer": failing}
    url, data = LIST, choose(cached[0], post="yes")
    if way == "page":
        url = reverse("admin:resizer_cachedvariant_delete", args=[cached[0].pk])
    html = admin_client.post(url, data, follow=True).content.decode()
    assert "because the storage failed" in html
    assert "uccessfully" not in html
    assert CachedVariant.objects.filter(pk=cached[0].pk).exists()


def test_who_may_only_view_removes_nothing(
    cached: list[CachedVariant], variants: Path, client_with: Callable[..., Client]
) -> None:
    viewer = client_with("view_cachedvariant")
    html = viewer.get(LIST).content.decode()
    assert "delete_selected" not in html
    viewer.post(LIST, choose(*cached, post="yes"))
    url = reverse("admin:resizer_cachedvariant_delete", args=[cached[0].pk])
    assert viewer.post(url, {"post": "yes"}).status_code == 403
    assert len(files(variants)) == 3
    assert viewer.get(file_of(cached[0])).status_code == 200


def test_who_may_not_view_sees_no_file(
    cached: list[CachedVariant], client_with: Callable[..., Client], client: Client
) -> None:
    assert client_with("view_original").get(file_of(cached[0])).status_code == 403
    assert client.get(file_of(cached[0])).status_code == 302


def test_names_of_strangers_are_escaped(admin_client: Client) -> None:
    name = "<img src=x onerror=alert(1)>.jpg"
    save("plain.jpg")
    admin_client.get(picture.url("plain.jpg", width=320))
    Original.objects.update(name=name)
    html = admin_client.get(LIST).content.decode()
    assert "<img src=x" not in html
    assert "&lt;img src=x" in html


def test_source_elsewhere_is_not_asked_for_the_list(
    admin_client: Client, cached: list[CachedVariant]
) -> None:
    # No such host: a look would fail, or take long.
    Original.objects.filter(name="cat.jpg").update(source="web")
    html = admin_client.get(LIST).content.decode()
    assert "resizer-orphaned" not in html


def again(*variants: CachedVariant, **more: str) -> dict[str, Any]:
    return {**choose(*variants, **more), "action": "make_again"}


def test_variants_are_made_again(
    admin_client: Client, cached: list[CachedVariant], variants: Path
) -> None:
    (variants / cached[0].key).write_bytes(b"damaged")
    assert "1 file," in admin_client.post(LIST, again(cached[0])).content.decode()
    html = admin_client.post(LIST, again(cached[0], post="yes"), follow=True).content.decode()
    assert "Made 1 variant" in html
    assert (variants / cached[0].key).read_bytes() != b"damaged"
    assert CachedVariant.objects.count() == 3


def test_stale_variant_is_made_from_the_present_original(
    admin_client: Client, cached: list[CachedVariant], variants: Path
) -> None:
    save("cat.jpg", photograph((800, 800)))
    admin_client.post(LIST, again(*cached[:2], post="yes"))
    assert not {one.key for one in cached[:2]} & set(files(variants))
    assert len(files(variants)) == 3
    assert "resizer-stale" not in admin_client.get(LIST).content.decode()


def test_variant_without_an_original_stays(
    admin_client: Client, cached: list[CachedVariant], variants: Path, tmp_path: Path
) -> None:
    (tmp_path / "originals/cat.jpg").unlink()
    html = admin_client.post(LIST, again(*cached, post="yes"), follow=True).content.decode()
    assert "2 variants could not be made" in html
    assert len(files(variants)) == 3


def test_making_stops_in_time(
    admin_client: Client, cached: list[CachedVariant], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "MAKE_SECONDS", 0)
    html = admin_client.post(LIST, again(*cached, post="yes"), follow=True).content.decode()
    assert "The time was over." in html


def test_making_again_needs_both_permissions(
    cached: list[CachedVariant], client_with: Callable[..., Client]
) -> None:
    for codenames in (["add_cachedvariant"], ["delete_cachedvariant"]):
        client = client_with("view_cachedvariant", *codenames)
        assert "make_again" not in client.get(LIST).content.decode()


def test_others_write_while_variants_are_made_again(
    client: Client,
    database: Path,  # noqa: F811  # the fixture
    variants: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    save("cat.jpg")
    for width in (320, 480):
        assert client.get(picture.url("cat.jpg", width=width)).status_code == 200
    with connections["default"].cursor() as cursor:
        # SQLite's default. Here a reader makes writers wait.
        cursor.execute("PRAGMA journal_mode=DELETE")
    real = store.make

    def make(*arguments: Any) -> Any:
        with closing(sqlite3.connect(database, timeout=0, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
        return real(*arguments)

    monkeypatch.setattr(making, "BATCH", 1)
    monkeypatch.setattr(store, "make", make)
    assert making.make_again(CachedVariant.objects.all()).variants == 2
    assert CachedVariant.objects.count() == 2
