from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.http import HttpRequest  # noqa: TC002  # ninja reads the annotation
from django.test import Client as DjangoClient
from ninja import NinjaAPI, Schema
from ninja.testing import TestClient

import resizer
from config.gallery.models import Photo
from resizer.contrib.ninja import ResizedImage, resolve_picture
from tests.costs import counted
from tests.pictures import photograph
from tests.private import ALIAS, use_private

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django import Settings

pytestmark = pytest.mark.django_db


class PhotoOut(Schema):
    title: str
    image: ResizedImage | None
    resolve_image = resolve_picture("image", width=600, ratio="3/2")


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> TestClient:
    monkeypatch.setenv("NINJA_SKIP_REGISTRY", "yes")
    api = NinjaAPI()

    @api.get("/photos", response=list[PhotoOut])
    def photos(request: HttpRequest) -> list[Photo]:
        found = list(Photo.objects.all())
        resizer.prefetch(found, "image")
        return found

    return TestClient(api)


def test_picture_is_an_object_with_absolute_urls(client: TestClient, photo: Photo) -> None:
    (data,) = client.get("/photos", SERVER_NAME="testserver").json()
    made = resizer.picture(photo.image, width=600, ratio="3/2").as_dict()
    assert re.sub("http://[a-z]+/", "/", str(data["image"])) == str(made)
    assert data["image"]["url"].startswith("http://")
    assert data["image"]["alt"] == "A test picture"


def test_empty_field_is_null_outside_of_an_api_too() -> None:
    assert PhotoOut.model_validate(Photo(title="Empty")).image is None


def test_warm_list_makes_one_cache_call_and_one_query(client: TestClient) -> None:
    for number in range(24):
        Photo(title=str(number)).image.save(f"{number}.jpg", ContentFile(photograph()))
    client.get("/photos")
    with counted() as costs:
        response: Any = client.get("/photos")
    assert len({one["image"]["url"] for one in response.json()}) == 24
    assert (costs.cache, costs.storage, len(costs.queries)) == (["read_many"], [], 1)


def test_private_picture_has_links_on_the_host_of_the_request(
    client: TestClient, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_private(settings, tmp_path)
    # A CDN has no cookies of the visitor.
    settings.RESIZER = {**settings.RESIZER, "HOST": "https://img.example.com"}
    monkeypatch.setattr(Photo._meta.get_field("image"), "storage", storages[ALIAS])
    Photo(title="Private").image.save("a.jpg", ContentFile(photograph()))
    (data,) = client.get("/photos", SERVER_NAME="testserver").json()
    urls = set(re.findall(r"[^\s',\"]*/img/[^\s',\"]*", str(data)))
    assert len(urls) > 10
    paths = {re.sub("^http://[a-z]+/", "/", url) for url in urls}
    assert all(path.startswith(f"/img/_private.{ALIAS}.") for path in paths)
    assert not urls & paths
    response = DjangoClient().get(min(paths))
    assert response.status_code == 200
    assert response["Cache-Control"].startswith("private, ")


def test_wrong_option_is_an_error_when_the_class_is_made() -> None:
    with pytest.raises(ValueError, match="ratio"):
        resolve_picture("image", ratio="wide")
    with pytest.raises(TypeError, match="widht"):
        resolve_picture("image", widht=600)
