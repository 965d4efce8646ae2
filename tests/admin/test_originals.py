from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib import admin
from django.core.files.storage import FileSystemStorage, InMemoryStorage
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils import timezone

from config.gallery.models import Photo
from resizer import originals
from resizer.admin import CachedVariantAdmin, OriginalAdmin, making, sheet
from resizer.markup import picture
from resizer.models import CachedVariant, Original
from tests.conftest import files
from tests.pictures import photograph

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from django.test import Client
    from pytest_django import (
        DjangoAssertNumQueries,
        DjangoCaptureOnCommitCallbacks,
        Settings,
    )

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
    with django_assert_max_num_queries(24):
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
    Original.objects.update(placeholder_blur="")
    assert "resizer-nothing" in admin_client.get(LIST).content.decode()
    # Its page shows the file itself, so that a focal point can be chosen.
    url = reverse("admin:resizer_original_file", args=[cat.pk])
    assert f'<img src="{url}"' in admin_client.get(page_of(cat)).content.decode()
    response = admin_client.get(url)
    assert response["Content-Type"] == "image/jpeg"
    assert response.content == photograph()


def test_original_whose_variants_were_removed_shows_its_blurred_copy(
    admin_client: Client, cat: Original, client: Client
) -> None:
    url = picture.url(cat.name, width=320, format="jpeg")
    assert client.get(url).status_code == 200
    blur = Original.objects.get(pk=cat.pk).placeholder_blur
    assert blur.startswith("data:image/")
    assert blur not in admin_client.get(LIST).content.decode()
    admin_client.post(LIST, choose(cat, post="yes"))
    assert not cat.cached_variants.exists()
    html = admin_client.get(LIST).content.decode()
    assert f'<img src="{blur}" alt="" width="' in html
    # A visitor notices nothing, and the preview is back.
    assert client.get(url).status_code == 200
    assert blur not in admin_client.get(LIST).content.decode()


@pytest.mark.parametrize("reason", ["transparent", "forbidden"])
def test_original_without_a_blurred_copy_for_it_has_an_empty_box(
    admin_client: Client, cat: Original, settings: Settings, reason: str
) -> None:
    CachedVariant.objects.all().delete()
    blur = "data:image/webp;base64,AAAA"
    Original.objects.update(placeholder_blur=blur, has_alpha=reason == "transparent")
    if reason == "forbidden":
        settings.MIDDLEWARE = [*settings.MIDDLEWARE, "config.gallery.policy.CSPSwitch"]
        settings.SECURE_CSP = {"img-src": ["'self'"]}
    html = admin_client.get(LIST).content.decode()
    assert "resizer-nothing" in html
    assert "data:image/webp" not in html


def test_original_that_browsers_cannot_show_is_not_sent(
    admin_client: Client, cat: Original, client_with: Callable[..., Client]
) -> None:
    CachedVariant.objects.all().delete()
    url = reverse("admin:resizer_original_file", args=[cat.pk])
    assert client_with("view_cachedvariant").get(url).status_code == 403
    Original.objects.filter(pk=cat.pk).update(format="tiff")
    html = admin_client.get(page_of(cat)).content.decode()
    assert "resizer-nothing" in html
    assert "resizer-crop" not in html
    assert admin_client.get(url).status_code == 404


def test_original_that_is_gone_is_told(admin_client: Client, cat: Original, tmp_path: Path) -> None:
    (tmp_path / "originals/cat.jpg").unlink()
    html = admin_client.get(page_of(cat)).content.decode()
    assert "The file of this original is gone." in html
    assert "What visitors get" not in html
    assert "Make all widths" not in html
    url = reverse("admin:resizer_original_file", args=[cat.pk])
    assert admin_client.get(url).status_code == 404


def test_page_of_an_original_tells_all_about_it(
    admin_client: Client, cat: Original, cached: list[CachedVariant]
) -> None:
    html = admin_client.get(page_of(cat)).content.decode()
    assert "1600\u00a0×\u00a01200\u00a0px" in html
    assert "square, focus bottom right" in html
    assert reverse("admin:resizer_cachedvariant_change", args=[cached[0].pk]) in html
    assert 'data-ratio="1/1"' in html
    # Without a focal point, the crop is the middle.
    assert 'viewBox="200 0 1200 1200"' in html
    assert "No object that you may view has this file." in html
    assert 'data-across="id_focal_x"' in html


def test_page_with_some_of_many_variants_has_the_total_of_all(
    admin_client: Client, cat: Original, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert admin_client.get(picture.url("cat.jpg", width=480)).status_code == 200
    monkeypatch.setattr(sheet, "MOST_VARIANTS", 1)
    html = admin_client.get(page_of(cat)).content.decode()
    assert "Cached variants: 3 files, " in html
    assert html.count('class="resizer-state ') == 1
    list_url = reverse("admin:resizer_cachedvariant_changelist")
    assert f'<a href="{list_url}?q=cat.jpg">All variants</a>' in html


def test_page_shows_what_devices_load(admin_client: Client, cat: Original) -> None:
    html = admin_client.get(page_of(cat)).content.decode()
    # A picture as wide as the screen of a phone, 390 px at density 3.
    assert "1200 px: the first visitor has it made" in html
    sources = picture.build("cat.jpg", alt="").as_dict()["sources"]
    url = next(one["url"] for one in sources[0]["candidates"] if one["width"] == 1200)
    length = len(admin_client.get(url).content)
    html = admin_client.get(page_of(cat)).content.decode()
    assert "Loads 1200 px, AVIF" in html
    assert filesizeformat(length) in html


def test_broken_original_has_no_loads(admin_client: Client, cat: Original) -> None:
    Original.objects.filter(pk=cat.pk).update(frames=0)
    originals.reread(originals.locate(cat))
    assert "What visitors get" not in admin_client.get(page_of(cat)).content.decode()


def test_presets_and_their_ratios_are_shown_as_crops(
    admin_client: Client, cat: Original, settings: Settings
) -> None:
    presets: dict[str, dict[str, Any]] = {
        "card": {"ratio": "3/2", "width": 300},
        "hero": {"width": 1600, "height": 400},
        "plain": {"width": 300},
        "wrong": {"ratio": "wide"},
    }
    settings.RESIZER = {**settings.RESIZER, "PRESETS": presets}
    CachedVariant.objects.filter(original=cat).update(recipe="rot90")
    html = admin_client.get(page_of(cat)).content.decode()
    assert ">card (3:2)<" in html
    assert ">hero (4:1)<" in html
    assert ">square<" not in html


def test_usual_crops_are_shown_where_none_is_in_use(admin_client: Client, cat: Original) -> None:
    CachedVariant.objects.filter(recipe__startswith="1x1").delete()
    html = admin_client.get(page_of(cat)).content.decode()
    assert all(f'data-ratio="{one}"' in html for one in ("1/1", "16/9", "4/5"))


def test_objects_with_the_file_are_named(
    admin_client: Client,
    photo: Photo,
    client_with: Callable[..., Client],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Photo.objects.filter(pk=photo.pk).update(focal="10,20", title="<b>Fig</b>")
    picture.build(photo.image)
    original = Original.objects.get(name=photo.image.name)
    html = admin_client.get(page_of(original)).content.decode()
    link = reverse("admin:gallery_photo_change", args=[photo.pk])
    assert f'<a href="{link}">&lt;b&gt;Fig&lt;/b&gt;</a>' in html
    assert "its own focal point, 10, 20, wins" in html
    html = client_with("view_original").get(page_of(original)).content.decode()
    assert "Fig" not in html
    # A new registration would be another object than that in the URLs.
    registry: dict[Any, Any] = admin.site._registry
    monkeypatch.delitem(registry, Photo)
    html = admin_client.get(page_of(original)).content.decode()
    assert "&lt;b&gt;Fig" in html
    assert link not in html


def test_storage_that_cannot_be_loaded_has_no_uses(
    admin_client: Client, cat: Original, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Unloadable(FileSystemStorage):
        @property
        def location(self) -> str:
            raise OSError("no such disk")

    field = Photo._meta.get_field("image")
    monkeypatch.setattr(field, "storage", Unloadable())
    assert "No object that you may view" in admin_client.get(page_of(cat)).content.decode()


def test_saved_focal_point_changes_the_urls(
    admin_client: Client,
    cat: Original,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    before = picture.url("cat.jpg", width=320, ratio="1/1")
    with django_capture_on_commit_callbacks(execute=True):
        data = {"focal_x": "85", "focal_y": "20", "alt": "A cat"}
        assert admin_client.post(page_of(cat), data).status_code == 302
    after = picture.url("cat.jpg", width=320, ratio="1/1")
    assert "fp85-20" in after
    assert after != before
    assert admin_client.get(after).status_code == 200
    # Former pages still show the picture.
    assert admin_client.get(before).status_code == 200
    assert picture.build("cat.jpg").alt == "A cat"
    assert 'viewBox="400 0 1200 1200"' in admin_client.get(page_of(cat)).content.decode()


def test_half_a_focal_point_is_refused(admin_client: Client, cat: Original) -> None:
    html = admin_client.post(page_of(cat), {"focal_x": "85", "alt": ""}).content.decode()
    assert "Fill in both numbers of the focal point, or none." in html


def test_suggestion_is_offered(admin_client: Client, cat: Original) -> None:
    facts = {"auto_focal_x": 30, "auto_focal_y": 40, "placeholder_color": "#aabbcc"}
    Original.objects.filter(pk=cat.pk).update(**facts)
    assert 'data-point="30,40"' in admin_client.get(page_of(cat)).content.decode()


def test_viewer_cannot_move_the_point(cat: Original, client_with: Callable[..., Client]) -> None:
    viewer = client_with("view_original")
    html = viewer.get(page_of(cat)).content.decode()
    assert "resizer-handle" not in html
    assert "Remove variants" not in html
    assert "Make all widths" not in html
    assert viewer.post(page_of(cat), {"focal_x": "1", "focal_y": "1"}).status_code == 403


def test_row_of_another_release_has_a_page(admin_client: Client, cat: Original) -> None:
    Original.objects.filter(pk=cat.pk).update(format="jxl")
    assert admin_client.get(page_of(cat)).status_code == 200


class FullStorage(InMemoryStorage):
    def _save(self, name: str, content: Any) -> str:
        raise OSError("no space left on device")


def make_page_of(original: Original) -> str:
    return reverse("admin:resizer_original_make", args=[original.pk])


def test_all_widths_are_made(
    admin_client: Client, photo: Photo, variants: Path, settings: Settings
) -> None:
    few = {"WIDTHS": [320, 640], "PRESETS": {"wide": {"ratio": "2/1"}}}
    settings.RESIZER = {**settings.RESIZER, **few}
    Photo.objects.filter(pk=photo.pk).update(focal="10,20")
    photo.refresh_from_db()
    for options in ({"ratio": "1/1"}, {"ratio": "1/1", "fit": "fill", "quality": "high"}):
        url = picture.url(photo.image, width=320, **options)
        assert admin_client.get(url).status_code == 200
    original = Original.objects.get(name=photo.image.name)
    CachedVariant.objects.create(
        original=original,
        key="x",
        recipe="rot90",
        width=1,
        height=1,
        format="jpeg",
        bytes=1,
        created_at=timezone.now(),
    )
    html = admin_client.post(make_page_of(original), follow=True).content.decode()
    assert "Made 14 variants" in html
    recipes = {one.recipe for one in CachedVariant.objects.all()}
    assert recipes == {"", "2x1,fp10-20", "1x1,fp10-20", "1x1,fit-fill,q-high", "rot90"}
    assert len(files(variants)) == 16
    html = admin_client.post(make_page_of(original), follow=True).content.decode()
    assert "All variants are there already." in html


def test_making_stops_in_time(
    admin_client: Client, cat: Original, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "MAKE_SECONDS", 0)
    html = admin_client.post(make_page_of(cat), follow=True).content.decode()
    assert "Made 1 variant," in html
    assert "The time was over." in html


def test_failures_of_making_are_told(
    admin_client: Client, cat: Original, tmp_path: Path, settings: Settings
) -> None:
    # A look at it makes nothing.
    assert admin_client.get(make_page_of(cat)).status_code == 302
    assert CachedVariant.objects.count() == 3
    full = {"BACKEND": "tests.admin.test_originals.FullStorage"}
    settings.STORAGES = {**settings.STORAGES, "resizer": full}
    html = admin_client.post(make_page_of(cat), follow=True).content.decode()
    assert "1 variant could not be made" in html


def test_who_may_not_make_makes_nothing(cat: Original, client_with: Callable[..., Client]) -> None:
    for codename in ("view_original", "add_cachedvariant"):
        assert client_with(codename).post(make_page_of(cat)).status_code == 403
    assert (
        client_with("view_original", "add_cachedvariant").get(make_page_of(cat)).status_code == 302
    )


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


def test_rows_that_an_editor_does_not_see_have_no_pages(
    admin_client: Client,
    cat: Original,
    cached: list[CachedVariant],
    variants: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Many projects limit the rows of an editor by `get_queryset`, as Django's documentation says."""
    urls = [
        page_of(cat),
        make_page_of(cat),
        remove_page_of(cat),
        reverse("admin:resizer_original_file", args=[cat.pk]),
        reverse("admin:resizer_original_variant", args=[cat.pk, cached[0].pk]),
        reverse("admin:resizer_cachedvariant_file", args=[cached[0].pk]),
    ]
    assert all(admin_client.get(url).status_code in {200, 302} for url in urls)
    others = {
        OriginalAdmin: Original.objects.exclude(pk=cat.pk),
        CachedVariantAdmin: CachedVariant.objects.exclude(original=cat),
    }
    for model_admin, rows in others.items():
        monkeypatch.setattr(model_admin, "get_queryset", lambda _self, _request, rows=rows: rows)
    # Django leads from the page of a missing row to the start page.
    assert admin_client.get(urls[0]).headers["Location"] == reverse("admin:index")
    for url in urls[1:]:
        assert admin_client.get(url).status_code == 404
        assert admin_client.post(url, {"post": "yes"}).status_code == 404
    assert len(files(variants)) == 3


def test_removal_needs_a_token(cat: Original, variants: Path, admin_client: Client) -> None:
    admin_client.handler.enforce_csrf_checks = True
    assert admin_client.post(remove_page_of(cat), {"post": "yes"}).status_code == 403
    assert len(files(variants)) == 3


def test_new_original_is_searched_by_name(admin_client: Client, cat: Original) -> None:
    html = admin_client.get(f"{LIST}?q=dog").content.decode()
    assert html.count('class="action-select"') == 1
