from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib import admin
from django.urls import include, path, reverse

from resizer.admin import CachedVariantAdmin, OriginalAdmin
from resizer.markup import picture
from resizer.models import CachedVariant, Original
from tests.conftest import files, save

if TYPE_CHECKING:
    from pathlib import Path

    from django.test import Client
    from pytest_django import DjangoAssertNumQueries, Settings

VARIANTS = reverse("admin:resizer_cachedvariant_changelist")
ORIGINALS = reverse("admin:resizer_original_changelist")


@pytest.fixture
def keys(admin_client: Client) -> list[str]:
    """Three cached variants of two originals."""
    for name in ("cat.jpg", "dog.jpg"):
        save(name)
    urls = [
        picture.url("cat.jpg", width=320),
        picture.url("cat.jpg", width=640, format="avif", ratio="1/1"),
        picture.url("dog.jpg", width=320),
    ]
    for url in urls:
        assert admin_client.get(url).status_code == 200
    return [url.removeprefix("/img/") for url in urls]


def test_cached_variants_are_listed(admin_client: Client, keys: list[str]) -> None:
    html = admin_client.get(VARIANTS).content.decode()
    for key in keys:
        assert f'src="/img/{key}"' in html
    assert "320\u00a0×\u00a0240" in html
    assert "640\u00a0×\u00a0640" in html
    assert "1x1" in html
    assert "AVIF" in html
    assert "KB" in html
    variant = CachedVariant.objects.get(key=keys[1])
    assert f"{100 - 100 * variant.bytes // variant.original.bytes - 1}\u00a0%" in html
    assert reverse("admin:resizer_original_change", args=[variant.original_id]) in html


def test_list_takes_no_query_per_row(
    admin_client: Client, keys: list[str], django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for page in (VARIANTS, ORIGINALS):
        admin_client.get(page)
        with django_assert_max_num_queries(8):
            admin_client.get(page)


@pytest.mark.parametrize(
    ("query", "count"),
    [("q=cat", 2), ("q=640.avif", 1), ("format=avif", 1), ("q=bird", 0)],
)
def test_cached_variants_are_filtered_and_searched(
    admin_client: Client, keys: list[str], query: str, count: int
) -> None:
    html = admin_client.get(f"{VARIANTS}?{query}").content.decode()
    assert html.count('class="action-select"') == count


def test_cached_variant_is_shown_and_cannot_be_changed(
    admin_client: Client, keys: list[str]
) -> None:
    variant = CachedVariant.objects.get(key=keys[0])
    url = reverse("admin:resizer_cachedvariant_change", args=[variant.pk])
    html = admin_client.get(url).content.decode()
    assert keys[0] in html
    assert 'name="_save"' not in html
    assert admin_client.get(reverse("admin:resizer_cachedvariant_add")).status_code == 403
    assert admin_client.post(url, {"width": 1}).status_code == 403


def test_deleted_variants_lose_file_and_row(
    admin_client: Client, keys: list[str], variants: Path
) -> None:
    chosen = CachedVariant.objects.filter(key__in=keys[:2])
    data = {
        "action": "delete_selected",
        "_selected_action": [str(variant.pk) for variant in chosen],
        "post": "yes",
    }
    assert admin_client.post(VARIANTS, data, follow=True).status_code == 200
    assert files(variants) == [keys[2]]
    assert [variant.key for variant in CachedVariant.objects.all()] == [keys[2]]
    # Asked for again, it is made again.
    assert admin_client.get(f"/img/{keys[0]}").status_code == 200


def test_one_variant_is_deleted_from_its_page(
    admin_client: Client, keys: list[str], variants: Path
) -> None:
    variant = CachedVariant.objects.get(key=keys[0])
    url = reverse("admin:resizer_cachedvariant_delete", args=[variant.pk])
    admin_client.post(url, {"post": "yes"})
    assert keys[0] not in files(variants)
    assert not CachedVariant.objects.filter(key=keys[0]).exists()


def test_originals_are_listed_with_their_variants(admin_client: Client, keys: list[str]) -> None:
    html = admin_client.get(ORIGINALS).content.decode()
    assert "cat.jpg" in html
    assert "1600\u00a0×\u00a01200" in html
    assert '<td class="field-variant_count">2</td>' in html
    original = Original.objects.get(name="cat.jpg")
    html = admin_client.get(
        reverse("admin:resizer_original_change", args=[original.pk])
    ).content.decode()
    for key in keys[:2]:
        assert f'src="/img/{key}"' in html
    assert keys[2] not in html


def test_deleted_original_loses_its_variants_and_keeps_its_file(
    admin_client: Client, keys: list[str], variants: Path, tmp_path: Path
) -> None:
    original = Original.objects.get(name="cat.jpg")
    url = reverse("admin:resizer_original_delete", args=[original.pk])
    assert admin_client.post(url, {"post": "yes"}, follow=True).status_code == 200
    assert files(variants) == [keys[2]]
    assert not Original.objects.filter(name="cat.jpg").exists()
    assert (tmp_path / "originals/cat.jpg").is_file()
    assert admin_client.get(f"/img/{keys[0]}").status_code == 200


def test_originals_are_deleted_together(
    admin_client: Client, keys: list[str], variants: Path
) -> None:
    data = {
        "action": "delete_selected",
        "_selected_action": [str(original.pk) for original in Original.objects.all()],
        "post": "yes",
    }
    admin_client.post(ORIGINALS, data)
    assert files(variants) == []
    assert not Original.objects.exists()


@pytest.mark.parametrize("way", ["page", "list"])
@pytest.mark.parametrize("model", ["cachedvariant", "original"])
def test_storage_that_fails_is_told_to_the_editor(
    admin_client: Client, keys: list[str], settings: Settings, model: str, way: str
) -> None:
    settings.STORAGES = {
        **settings.STORAGES,
        "resizer": {"BACKEND": "tests.test_store.FailingStorage"},
    }
    row = (CachedVariant if model == "cachedvariant" else Original).objects.first()
    assert row is not None
    if way == "page":
        url = reverse(f"admin:resizer_{model}_delete", args=[row.pk])
        data: dict[str, Any] = {"post": "yes"}
    else:
        url = reverse(f"admin:resizer_{model}_changelist")
        data = {"action": "delete_selected", "_selected_action": [str(row.pk)], "post": "yes"}
    html = admin_client.post(url, data, follow=True).content.decode()
    assert "Some variants were not deleted, because the storage failed." in html
    assert "uccessfully" not in html
    assert type(row).objects.filter(pk=row.pk).exists()


class Backoffice(admin.AdminSite):
    """A site of the project's own; `/admin/` may not even be there."""


backoffice = Backoffice("backoffice")
backoffice.register(CachedVariant, CachedVariantAdmin)
backoffice.register(Original, OriginalAdmin)
# Without originals.
bare = Backoffice("bare")
bare.register(CachedVariant, CachedVariantAdmin)


def mount(*sites: admin.AdminSite) -> Any:
    urls: Any = ModuleType("urls")
    urls.urlpatterns = [
        path("img/", include("resizer.urls")),
        *(path(f"{site.name}/", site.urls) for site in sites),
    ]
    return urls


@pytest.mark.parametrize("others", [(), (admin.site,)], ids=["alone", "beside the default one"])
def test_another_site_leads_to_its_own_pages(
    admin_client: Client, keys: list[str], settings: Settings, others: tuple[admin.AdminSite, ...]
) -> None:
    settings.ROOT_URLCONF = mount(*others, backoffice)
    variant = CachedVariant.objects.get(key=keys[0])
    original = f"/backoffice/resizer/original/{variant.original_id}/change/"
    pages = [
        "/backoffice/resizer/cachedvariant/",
        f"/backoffice/resizer/cachedvariant/{variant.pk}/change/",
        "/backoffice/resizer/original/",
        original,
    ]
    html = [admin_client.get(page).content.decode() for page in pages]
    assert f'href="{original}"' in html[0]
    assert f'href="{original}"' in html[1]
    assert not any('href="/admin/' in one for one in html)
    settings.STORAGES = {
        **settings.STORAGES,
        "resizer": {"BACKEND": "tests.test_store.FailingStorage"},
    }
    answer = admin_client.post(f"{original[:-7]}delete/", {"post": "yes"})
    assert (answer.status_code, answer["Location"]) == (302, "/backoffice/resizer/original/")


def test_site_without_originals_names_them(
    admin_client: Client, keys: list[str], settings: Settings
) -> None:
    settings.ROOT_URLCONF = mount(bare)
    html = admin_client.get("/bare/resizer/cachedvariant/").content.decode()
    assert '<td class="field-original_link">cat.jpg</td>' in html
