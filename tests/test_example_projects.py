"""The projects in `examples/`: each takes an upload, and its page has a picture that a browser can load."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.conftest import files
from tests.pictures import photograph
from tests.servers import ROOT, s3_with

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLES = ROOT / "examples"
BEFORE = """
import re, sys
from io import BytesIO
from pathlib import Path

import django

django.setup()
from django.apps import apps
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client
from PIL import Image as Pixels

call_command("check", fail_level="WARNING")
call_command("makemigrations", check=True, verbosity=0)
# Without the history of other packages: Wagtail's takes ten times as long as all the rest.
settings.MIGRATION_MODULES = {one.label: None for one in apps.get_app_configs()}
call_command("migrate", run_syncdb=True, verbosity=0)
client = Client(SERVER_NAME="localhost")
upload = SimpleUploadedFile("a.jpg", Path(sys.argv[1]).read_bytes(), "image/jpeg")
"""
AFTER = """
html = client.get("/").content.decode()
(image,) = re.findall("<img[^>]*>", html)
assert 'alt="A cat"' in image, html
url = re.search('src="([^"]+)"', image)[1]
assert url.startswith("/img/"), html
response = client.get(url)
assert response.status_code == 200, response.content
content = getattr(response, "content", None) or b"".join(response)
print(*Pixels.open(BytesIO(content)).size)
"""
STOCK = """
from django.contrib.auth import get_user_model

assert b"Upload a photo" in client.get("/").content
client.force_login(get_user_model().objects.create_superuser("admin"))
fields = {"title": "Cat", "image": upload, "image_alt": "A cat", "image_focal": "50,50"}
assert client.post("/admin/photos/photo/add/", fields).status_code == 302
"""
JINJA2 = """
assert b"<img" not in client.get("/").content
fields = {"title": "Cat", "image": upload, "image_alt": "A cat"}
assert client.post("/", fields).status_code == 302
"""
WAGTAIL = """
from home.models import HomePage
from wagtail.images.models import Image
from wagtail.models import Collection, Locale, Page, Site

Collection.add_root(name="Root")
Locale.objects.create(language_code="en")
hero = Image.objects.create(title="a", description="A cat", file=upload)
root = Page.add_root(instance=Page(title="Root", slug="root"))
page = root.add_child(instance=HomePage(title="Home", slug="bakery", hero=hero))
Site.objects.create(hostname="localhost", root_page=page, is_default_site=True)
"""


def run(name: str, settings: str, script: str, directory: Path, **environment: str) -> str:
    """What the script prints at last, in the example's own process."""
    original = directory / "a.jpg"
    original.write_bytes(photograph((1600, 1200)))
    done = subprocess.run(
        [sys.executable, "-c", BEFORE + script + AFTER, str(original)],
        cwd=EXAMPLES / name,
        env=os.environ
        | {
            "DJANGO_SETTINGS_MODULE": settings,
            "EXAMPLE_DATA": str(directory / "data"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": f"{EXAMPLES / name}{os.pathsep}{ROOT}",
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()[-1]


def test_stock_project(tmp_path: Path) -> None:
    assert run("stock", "shop.settings", STOCK, tmp_path) == "480 320"
    assert any(name.endswith("/480.jpg") for name in files(tmp_path / "data" / "variants"))


def test_project_with_jinja2_and_s3(tmp_path: Path, moto_url: str) -> None:
    client = s3_with(moto_url, "example-originals", "example-variants")
    environment = {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "S3_ENDPOINT": moto_url,
        "ORIGINALS": "example-originals",
        "VARIANTS": "example-variants",
    }
    assert run("jinja2_s3", "shop.settings", JINJA2, tmp_path, **environment) == "480 320"
    (stored,) = client.list_objects_v2(Bucket="example-variants")["Contents"]
    assert stored["Key"].startswith("img/photos/a.jpg/")
    assert stored["Key"].endswith("/480.jpg")


def test_project_with_wagtail(tmp_path: Path) -> None:
    assert run("wagtail", "bakery.settings", WAGTAIL, tmp_path) == "800 343"


def test_readme_names_each_project() -> None:
    page = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    for path in EXAMPLES.iterdir():
        assert path.name == "README.md" or f"| `{path.name}` |" in page
        assert path.name == "README.md" or (path / "manage.py").is_file()
