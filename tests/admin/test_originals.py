from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse

from resizer.models import CachedVariant, Original
from tests.conftest import files, save

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from django.test import Client
    from pytest_django import DjangoAssertNumQueries, Settings

LIST = reverse("admin:resizer_original_changelist")


def page_of(original: Original) -> str:
    return reverse("admin:resizer_original_change", args=[original.pk])


def remove_page_of(original: Original) -> str:
    return reverse("admin:resizer_original_remove", args=[original.pk])


def choose(*originals: Original, **more: str) -> dict[str, Any]:
    pks = [str(one.pk) for one in originals]
    return {"action": "remove_variants", "_selected_action": pks, **more}


def test_originals_are_listed_with_their_variants(
    admin_client: Client, cat: Original, cached: list[CachedVariant]
) -> None:
    html = admin_client.get(LIST).content.decode()
    assert "cat.jpg" in html
    assert "1600\u00a0×\u00a01200" in html
    assert "2 variants" in html
    # The whole picture rather than the crop.
    preview = reverse("admin:resizer_original_variant", args=[cat.pk, cached[0].pk])
    assert f'src="{preview}?' in html


def test_list_takes_no_query_per_row(
    admin_client: Client, cat: Original, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    rows = [
        Original(name=f"{n}.jpg", fingerprint="x", width=9, height=9, format="jpeg", bytes=9)
        for n in range(300)
    ]
    Original.objects.bulk_create(rows)
    admin_client.get(LIST)
    with django_assert_max_num_queries(8):
        admin_client.get(LIST)


def test_preview_is_for_viewers_of_originals(
    cat: Original, cached: list[CachedVariant], client_with: Callable[..., Client]
) -> None:
    url = reverse("admin:resizer_original_variant", args=[cat.pk, cached[0].pk])
    other = reverse("admin:resizer_original_variant", args=[cat.pk, cached[2].pk])
    viewer = client_with("view_original")
    assert viewer.get(url)["Content-Type"] == "image/jpeg"
    assert viewer.get(other).status_code == 404
    assert client_with("view_cachedvariant").get(url).status_code == 403


def test_original_without_variants_has_an_empty_box(admin_client: Client, cat: Original) -> None:
    CachedVariant.objects.all().delete()
    for page in (LIST, page_of(cat)):
        assert "resizer-nothing" in admin_client.get(page).content.decode()


def test_originals_cannot_be_deleted(admin_client: Client, cat: Original, tmp_path: Path) -> None:
    url = reverse("admin:resizer_original_delete", args=[cat.pk])
    assert admin_client.post(url, {"post": "yes"}).status_code == 403
    html = admin_client.get(LIST).content.decode()
    assert "delete_selected" not in html
    assert "deletelink" not in admin_client.get(page_of(cat)).content.decode()
    assert (tmp_path / "originals/cat.jpg").is_file()
    assert Original.objects.filter(pk=cat.pk).exists()


def test_variants_of_an_original_are_removed_and_the_original_stays(
    admin_client: Client, cat: Original, cached: list[CachedVariant], variants: Path, tmp_path: Path
) -> None:
    # One file without a row.
    CachedVariant.objects.filter(pk=cached[0].pk).delete()
    html = admin_client.get(remove_page_of(cat)).content.decode()
    assert "1 file," in html
    assert len(files(variants)) == 3
    response = admin_client.post(remove_page_of(cat), {"post": "yes"}, follow=True)
    assert response.redirect_chain == [(page_of(cat), 302)]
    assert "Removed 1 file" in response.content.decode()
    assert files(variants) == [cached[2].key]
    assert (tmp_path / "originals/cat.jpg").is_file()
    assert Original.objects.filter(pk=cat.pk).exists()
    assert admin_client.get(f"/img/{cached[0].key}").status_code == 200


def test_variants_of_several_originals_are_removed_together(
    admin_client: Client, cat: Original, variants: Path
) -> None:
    data = choose(*Original.objects.all())
    html = admin_client.post(LIST, data).content.decode()
    assert "3 files" in html
    assert "The originals stay." in html
    admin_client.post(LIST, {**data, "post": "yes"})
    assert files(variants) == []
    assert Original.objects.count() == 2


def test_broken_storage_is_told_to_the_editor(
    admin_client: Client, cat: Original, settings: Settings
) -> None:
    failing = {"BACKEND": "tests.test_store.FailingStorage"}
    settings.STORAGES = {**settings.STORAGES, "resizer": failing}
    html = admin_client.post(remove_page_of(cat), {"post": "yes"}, follow=True).content.decode()
    assert "because the storage failed" in html
    assert cat.cached_variants.count() == 2


@pytest.mark.parametrize("codename", ["view_original", "delete_cachedvariant"])
def test_who_may_not_remove_removes_nothing(
    cat: Original, variants: Path, client_with: Callable[..., Client], codename: str
) -> None:
    client = client_with(codename)
    for method in (client.get, client.post):
        assert method(remove_page_of(cat), {"post": "yes"}).status_code == 403
    client.post(LIST, choose(cat, post="yes"))
    assert len(files(variants)) == 3


def test_removal_needs_a_token(cat: Original, variants: Path, admin_client: Client) -> None:
    admin_client.handler.enforce_csrf_checks = True
    assert admin_client.post(remove_page_of(cat), {"post": "yes"}).status_code == 403
    assert len(files(variants)) == 3


def test_new_original_is_searched_by_name(admin_client: Client, cat: Original) -> None:
    html = admin_client.get(f"{LIST}?q=dog").content.decode()
    assert "dog.jpg" in html
    assert "cat.jpg" not in html
    assert save("x.jpg") == "x.jpg"
