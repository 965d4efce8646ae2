from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django import forms
from django.contrib import admin
from django.core.files.storage import InMemoryStorage
from django.urls import reverse

from config.gallery.models import Photo
from resizer.admin import FocalPointWidget, preview
from resizer.markup import picture
from resizer.models import CachedVariant, Original

if TYPE_CHECKING:
    from django.test import Client
    from pytest_django import DjangoAssertNumQueries

LIST = reverse("admin:gallery_photo_changelist")


def page_of(photo: Photo) -> str:
    return reverse("admin:gallery_photo_change", args=[photo.pk])


@pytest.fixture
def shown(admin_client: Client, photo: Photo) -> str:
    """The URL of a variant of the photograph."""
    url = str(picture.url(photo.image, width=320))
    assert admin_client.get(url).status_code == 200
    return url


class PlainForm(forms.ModelForm):  # type: ignore[type-arg]  # no runtime generics
    class Meta:
        model = Photo
        fields = ("image", "focal")
        widgets = {"focal": FocalPointWidget}


class PointForm(PlainForm):
    class Meta(PlainForm.Meta):
        fields = ("focal",)  # type: ignore[assignment]


def test_list_shows_a_variant_that_exists(admin_client: Client, photo: Photo, shown: str) -> None:
    number = CachedVariant.objects.count()
    html = admin_client.get(LIST).content.decode()
    assert f'<img src="{shown}"' in html
    assert CachedVariant.objects.count() == number


def test_list_without_variants_has_empty_boxes(admin_client: Client, photo: Photo) -> None:
    Photo.objects.create(title="Without a file")
    assert admin_client.get(LIST).content.decode().count("resizer-nothing") == 2
    assert not CachedVariant.objects.exists()


def test_stale_variant_is_no_preview(admin_client: Client, photo: Photo, shown: str) -> None:
    Original.objects.update(fingerprint="another")
    assert "resizer-nothing" in admin_client.get(LIST).content.decode()


def test_mixin_finds_all_previews_by_one_query(
    admin_client: Client,
    photo: Photo,
    shown: str,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    Photo.objects.bulk_create(Photo(title=str(n), image=photo.image.name) for n in range(90))
    admin_client.get(LIST)
    with django_assert_max_num_queries(8):
        html = admin_client.get(LIST).content.decode()
    assert html.count(f'<img src="{shown}"') == 91


def test_preview_works_without_the_mixin(photo: Photo, shown: str) -> None:
    assert f'<img src="{shown}"' in preview("image")(photo)


def test_list_without_previews_looks_for_none(
    admin_client: Client, photo: Photo, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin.site._registry[Photo], "list_display", ("title",))
    assert "resizer-preview" not in admin_client.get(LIST).content.decode()


def test_form_shows_the_picture_with_its_crops(
    admin_client: Client, photo: Photo, shown: str
) -> None:
    Photo.objects.filter(pk=photo.pk).update(focal="100,50")
    html = admin_client.get(page_of(photo)).content.decode()
    assert f'<img src="{shown}"' in html
    assert 'value="100,50"' in html
    assert 'data-input="id_focal"' in html
    assert 'data-image="id_image"' in html
    assert 'viewBox="400 0 1200 1200"' in html
    assert "resizer/admin/focal.js" in html


def test_form_without_a_variant_shows_the_file_itself(admin_client: Client, photo: Photo) -> None:
    html = admin_client.get(page_of(photo)).content.decode()
    assert f'<img src="{photo.image.url}"' in html
    assert "resizer-crop" not in html


def test_form_of_a_new_object_has_an_empty_box(admin_client: Client) -> None:
    html = admin_client.get(reverse("admin:gallery_photo_add")).content.decode()
    assert "resizer-nothing" in html
    assert "resizer-handle" in html


def test_wrong_point_is_told_beside_the_picture(admin_client: Client, photo: Photo) -> None:
    data = {"title": "A", "alt": "A", "focal": "wide"}
    html = admin_client.post(page_of(photo), data).content.decode()
    assert "“wide” is no point." in html
    data["focal"] = "30,40"
    assert admin_client.post(page_of(photo), data).status_code == 302
    photo.refresh_from_db()
    assert photo.focal == (30, 40)


def test_widget_works_in_any_form(photo: Photo, shown: str) -> None:
    Original.objects.update(auto_focal_x=10, auto_focal_y=20, placeholder_color="#aabbcc")
    html = str(PlainForm(instance=photo, prefix="a"))
    assert f'<img src="{shown}"' in html
    assert 'data-input="id_a-focal"' in html
    assert 'data-image="id_a-image"' in html
    assert 'data-point="10,20"' in html
    assert "data-image" not in str(PlainForm(instance=photo, auto_id=False)).replace(
        'data-image=""', ""
    )


def test_row_of_another_release_has_no_suggestion(photo: Photo, shown: str) -> None:
    Original.objects.update(format="jxl")
    html = str(PlainForm(instance=photo))
    assert f'<img src="{shown}"' in html
    # The button for no point alone.
    assert html.count("data-point=") == html.count('data-point=""') == 1


def test_storage_without_urls_has_an_empty_box(
    photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Private(InMemoryStorage):
        def url(self, name: str | None) -> str:
            raise NotImplementedError

    monkeypatch.setattr(photo.image, "storage", Private())
    assert "resizer-nothing" in str(PointForm(instance=photo))


def test_crops_alone_are_no_picture_to_choose_a_point_in(
    admin_client: Client, photo: Photo
) -> None:
    admin_client.get(picture.url(photo.image, width=320, ratio="1/1"))
    html = str(PlainForm(instance=photo))
    assert f'<img src="{photo.image.url}"' in html
    # The size is known, so crops are drawn from the file.
    assert 'viewBox="200 0 1200 1200"' in html
