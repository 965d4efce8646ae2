from __future__ import annotations

import pickle
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, storages

from config.gallery.models import Photo
from resizer import originals
from resizer.apps import look_at_files
from resizer.errors import UnsupportedFormat
from resizer.models import Original
from tests.pictures import photograph
from tests.servers import ROOT, load_gallery

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks, Settings

    from tests.conftest import CountingEngine


class OverwritingStorage(FileSystemStorage):
    """Gives a second file of a name the same name, as S3 does by default."""

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        self.delete(name)
        return name


@pytest.mark.parametrize("is_loaded", [False, True])
def test_file_saved_under_an_old_name_is_seen_at_once(
    photo: Photo,
    settings: Settings,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    django_assert_num_queries: DjangoAssertNumQueries,
    is_loaded: bool,
) -> None:
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "tests.test_apps.OverwritingStorage",
            "OPTIONS": settings.STORAGES["default"]["OPTIONS"],
        },
    }
    before = originals.look_up(photo.image)
    if is_loaded:
        photo = Photo.objects.get(pk=photo.pk)
    with django_capture_on_commit_callbacks(execute=True):
        photo.image.save("test.jpg", ContentFile(photograph((800, 600))))
        # Whoever asks before the commit still finds the former row.
        assert originals.look_up(photo.image) == before
    assert photo.image.name == before.reference.name
    with django_assert_num_queries(0):
        assert originals.look_up(photo.image).size == (800, 600)


def test_upload_that_is_assigned_is_seen_at_once(
    photo: Photo, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    photo = Photo.objects.get(pk=photo.pk)
    photo.image = ContentFile(photograph((800, 600)), "other.jpg")
    with django_capture_on_commit_callbacks() as callbacks:
        photo.save(update_fields=["title"])
    assert callbacks == []
    with django_capture_on_commit_callbacks(execute=True) as callbacks:
        photo.save()
        photo.save()
    assert len(callbacks) == 1
    assert Original.objects.get(name=photo.image.name).width == 800


@pytest.mark.parametrize("way", ["loaded", "created", "without it", "pickled", "looked at"])
def test_row_saved_with_its_files_asks_for_nothing(
    photo: Photo,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    django_assert_num_queries: DjangoAssertNumQueries,
    way: str,
) -> None:
    if way != "created":
        photo = Photo.objects.get(pk=photo.pk)
    if way == "without it":
        photo = Photo.objects.only("title").get(pk=photo.pk)
    if way == "pickled":
        photo = pickle.loads(pickle.dumps(photo))
    if way == "looked at":
        assert photo.image.url
    photo.title = "Other"
    with django_capture_on_commit_callbacks() as callbacks, django_assert_num_queries(1):
        photo.save()
    assert callbacks == []


def test_uploaded_picture_is_known_before_a_page_asks(
    db: None,
    engine: type[CountingEngine],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    photo = Photo(title="New")
    with django_capture_on_commit_callbacks(execute=True):
        photo.image.save("new.jpg", ContentFile(photograph()))
    assert engine.headers == 1
    originals.look_up(photo.image)
    assert engine.headers == 1


@pytest.mark.parametrize("kept", ["title", "image"])
def test_only_saved_files_are_looked_at(
    photo: Photo, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks, kept: str
) -> None:
    photo.image = "other.jpg"
    with django_capture_on_commit_callbacks() as callbacks:
        photo.save(update_fields=[kept])
    assert len(callbacks) == (kept == "image")


def test_models_without_files_and_empty_fields_are_left_alone(
    db: None, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks() as callbacks:
        Photo.objects.create(title="no file")
    assert callbacks == []


def test_file_in_a_storage_that_is_no_source_is_left_alone(
    photo: Photo, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    photo.image.storage = storages["resizer"]
    with django_capture_on_commit_callbacks() as callbacks:
        look_at_files(Photo, photo, created=True, using="default", raw=False, update_fields=None)
    assert callbacks == []


def test_broken_upload_can_be_replaced_at_once(
    db: None, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    photo = Photo(title="Broken")
    with django_capture_on_commit_callbacks(execute=True):
        photo.image.save("broken.jpg", ContentFile(b"nonsense"))
    with pytest.raises(UnsupportedFormat):
        originals.look_up(photo.image)
    name = str(photo.image.name)
    storages["default"].delete(name)
    with django_capture_on_commit_callbacks(execute=True):
        photo.image.save("broken.jpg", ContentFile(photograph()))
    assert photo.image.name == name
    assert originals.look_up(photo.image).size == (1600, 1200)


PAGE_AND_HIT = """
import re, sys, django
from django.conf import settings
settings.RESIZER["ISOLATION"] = False
django.setup()
from django.test import Client
from django.core.management import call_command
client = Client()
html = client.get("/").content.decode()
{}
print(sorted(name for name in sys.modules if name in {{"PIL.Image", "pyvips", "requests"}}))
"""


def test_warm_page_and_hit_import_no_image_library(tmp_path: Path) -> None:
    environment = load_gallery(tmp_path, DJANGO_ALLOWED_HOSTS="testserver")

    def run(script: str) -> str:
        command = [sys.executable, "-c", PAGE_AND_HIT.format(script)]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    ask = 'url = re.search(r"src=\\"(/img/[^\\"]+)", html)[1]; assert client.get(url).status_code == 200'
    assert "PIL.Image" in run(ask)
    # Another process, whose cache is empty, finds the rows and the file.
    assert run(ask) == "[]"
