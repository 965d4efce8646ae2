from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import RequestFactory
from rest_framework import serializers
from rest_framework.request import Request

import resizer
from config.gallery.models import Photo
from resizer.contrib.rest_framework import ResizedImageField
from tests.conftest import save
from tests.costs import counted
from tests.pictures import photograph
from tests.private import ALIAS, STAFF_ONLY, use_private

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from django.test import Client
    from freezegun.api import FrozenDateTimeFactory
    from pytest_django import Settings

pytestmark = pytest.mark.django_db


class PhotoSerializer(serializers.ModelSerializer[Photo]):
    image = ResizedImageField(width=600, ratio="3/2")

    class Meta:
        model = Photo
        fields = ("title", "image")


def request() -> Request:
    return Request(RequestFactory().get("/api/"))


def read(photo: Photo, **context: Any) -> Any:
    return PhotoSerializer(photo, context=context).data["image"]


def test_picture_is_an_object(photo: Photo) -> None:
    expected = resizer.picture(photo.image, width=600, ratio="3/2").as_dict()
    assert read(photo) == expected
    assert (expected["width"], expected["height"], expected["alt"]) == (600, 400, "A test picture")


def test_urls_have_the_host_of_the_request(photo: Photo) -> None:
    text = str(read(photo, request=request()))
    assert len(re.findall("http://testserver/img/", text)) == len(re.findall("/img/", text)) > 10


def test_urls_have_the_host_of_the_settings(photo: Photo, settings: Settings) -> None:
    settings.RESIZER = {"HOST": "https://img.example.com"}
    for image in (read(photo), read(photo, request=request())):
        assert image["url"].startswith("https://img.example.com/img/")


def test_empty_field_is_null() -> None:
    assert read(Photo(title="Empty")) is None


def test_upload_is_taken_as_by_an_image_field() -> None:
    upload = SimpleUploadedFile("a.jpg", photograph(), "image/jpeg")
    serializer = PhotoSerializer(data={"title": "New", "image": upload})
    assert serializer.is_valid(), serializer.errors
    serializer.save()
    assert serializer.data["image"]["width"] == 600
    broken = SimpleUploadedFile("a.jpg", b"no picture", "image/jpeg")
    assert not PhotoSerializer(data={"title": "New", "image": broken}).is_valid()


def test_warm_list_makes_one_cache_call_and_no_query() -> None:
    for number in range(24):
        Photo(title=str(number)).image.save(f"{number}.jpg", ContentFile(photograph()))
    photos = Photo.objects.all()
    PhotoSerializer(list(photos), many=True).data  # noqa: B018
    fresh = list(photos)
    with counted() as costs:
        data = PhotoSerializer(fresh, many=True).data
    assert costs == (["read_many"], [], [])
    assert len({one["image"]["url"] for one in data}) == 24
    with counted() as costs:
        PhotoSerializer(photos.all(), many=True).data  # noqa: B018
    assert (costs.cache, costs.storage, len(costs.queries)) == (["read_many"], [], 1)


class NameSerializer(serializers.Serializer[Any]):
    image = ResizedImageField(alt="A cat", required=False)


def test_name_of_an_original_is_a_picture() -> None:
    name = save("a.jpg")
    serializer = NameSerializer([{"image": name}, {}], many=True)
    first, second = cast("list[dict[str, Any]]", serializer.data)
    assert first["image"]["alt"] == "A cat"
    assert second == {}


class AlbumSerializer(serializers.Serializer[Any]):
    photos = PhotoSerializer(many=True)


def test_list_inside_an_object_needs_no_instance(photo: Photo) -> None:
    data = AlbumSerializer({"photos": [photo]}).data
    assert data["photos"][0]["image"] == read(photo)


# --- private pictures


@pytest.fixture
def private_photo(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Photo]:
    """Makes a photo in the private source, with more settings of it."""

    def make(**source: Any) -> Photo:
        use_private(settings, tmp_path, **source)
        monkeypatch.setattr(Photo._meta.get_field("image"), "storage", storages[ALIAS])
        photo = Photo(title="Private")
        photo.image.save("a.jpg", ContentFile(photograph()))
        return photo

    return make


def urls_of(data: Any) -> set[str]:
    return set(re.findall(r"[^\s',\"]*/img/[^\s',\"]*", str(data)))


def test_private_picture_has_links_on_the_host_of_the_request(
    private_photo: Callable[..., Photo], settings: Settings, client: Client
) -> None:
    photo = private_photo()
    # A CDN has no cookies of the visitor.
    settings.RESIZER = {**settings.RESIZER, "HOST": "https://img.example.com"}
    urls = urls_of(read(photo, request=request()))
    assert len(urls) > 10
    for url in urls:
        assert url.startswith(f"http://testserver/img/_private.{ALIAS}.")
    response = client.get(min(urls).removeprefix("http://testserver"))
    assert response.status_code == 200
    assert response["Cache-Control"].startswith("private, ")
    for url in urls_of(read(photo)):
        assert url.startswith(f"/img/_private.{ALIAS}.")


def test_links_of_a_list_expire(
    private_photo: Callable[..., Photo], client: Client, clock: FrozenDateTimeFactory
) -> None:
    photos = [private_photo(), private_photo()]
    data = PhotoSerializer(photos, many=True).data
    urls = [cast("dict[str, Any]", one)["image"]["url"] for one in data]
    assert len(set(urls)) == 2
    assert {client.get(url).status_code for url in urls} == {200}
    clock.tick(2 * 3600 + 1)
    assert {client.get(url).status_code for url in urls} == {403}
    later = cast("list[dict[str, Any]]", PhotoSerializer(photos, many=True).data)
    assert client.get(later[0]["image"]["url"]).status_code == 200


def test_links_are_worth_nothing_to_a_visitor_whom_the_function_refuses(
    private_photo: Callable[..., Photo], client: Client, admin_client: Client
) -> None:
    url = read(private_photo(ALLOW=STAFF_ONLY))["url"]
    assert client.get(url).status_code == 403
    assert admin_client.get(url).status_code == 200


def test_text_names_no_private_picture(private_photo: Callable[..., Photo]) -> None:
    assert urls_of(read(private_photo()))
    data = NameSerializer({"image": f"{ALIAS}:a.jpg"}).data
    assert urls_of(data) == set()
    assert data["image"]["sources"] == []


def test_wrong_option_is_an_error_when_the_class_is_made() -> None:
    with pytest.raises(ValueError, match="ratio"):
        ResizedImageField(ratio="wide")
    with pytest.raises(TypeError, match="widht"):
        ResizedImageField(widht=600)
