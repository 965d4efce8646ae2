from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib import admin
from django.contrib.admin.exceptions import AlreadyRegistered
from django.urls import include, path

import resizer.admin
from resizer.admin import CachedVariantAdmin, OriginalAdmin
from resizer.models import CachedVariant, Original

if TYPE_CHECKING:
    from django.test import Client
    from pytest_django import Settings


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
    answer = admin_client.post(f"{pages[1][:-7]}delete/", {"post": "yes"})
    assert (answer.status_code, answer["Location"]) == (302, pages[0])


def test_site_without_originals_names_them(
    admin_client: Client, keys: list[str], settings: Settings
) -> None:
    settings.ROOT_URLCONF = mount(bare)
    html = admin_client.get("/bare/resizer/cachedvariant/").content.decode()
    assert '<span class="resizer-folder"></span> cat.jpg</span></td>' in html


def test_app_registers_nothing_without_the_setting(settings: Settings) -> None:
    settings.RESIZER = {**settings.RESIZER, "ADMIN": False}
    # With the setting, this would raise AlreadyRegistered.
    importlib.reload(resizer.admin)
    settings.RESIZER = {**settings.RESIZER, "ADMIN": True}
    with pytest.raises(AlreadyRegistered):
        importlib.reload(resizer.admin)
