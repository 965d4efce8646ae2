from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages

from config.gallery.models import Photo
from resizer import originals
from resizer.apps import forget_files
from resizer.errors import UnsupportedFormat
from tests.conftest import save
from tests.pictures import photograph

ROOT = Path(__file__).parent.parent


def test_file_saved_under_an_old_name_is_seen_at_once(photo: Photo) -> None:
    before = originals.describe(photo.image)
    name = str(photo.image.name)
    save(name, photograph((800, 600)))
    assert originals.describe(photo.image) == before
    photo.save()
    assert originals.describe(photo.image).size == (800, 600)


def test_models_without_files_and_empty_fields_are_left_alone(db: None) -> None:
    Photo.objects.create(title="no file")


def test_file_in_a_storage_that_is_no_source_is_left_alone(photo: Photo) -> None:
    photo.image.storage = storages["resizer"]
    forget_files(Photo, photo)


def test_broken_upload_can_be_replaced_at_once(db: None) -> None:
    photo = Photo(title="Broken")
    photo.image.save("broken.jpg", ContentFile(b"nonsense"))
    with pytest.raises(UnsupportedFormat):
        originals.describe(photo.image)
    save(str(photo.image.name))
    photo.save()
    assert originals.describe(photo.image).size == (1600, 1200)


def test_warm_page_and_hit_import_no_image_library(tmp_path: Path) -> None:
    script = """
import sys, django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
import resizer.urls, resizer.templatetags.resizer, resizer.admin, resizer.middleware
print(sorted(name for name in sys.modules if name in {"PIL.Image", "pyvips", "requests"}))
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DJANGO_DEBUG": "1",
            "RESIZER_DATA_DIR": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
