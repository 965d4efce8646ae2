"""The wheel, and the README's way into a project that has never seen it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import urllib.request
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.pictures import TOLERANCE, decode, difference, photograph
from tests.servers import ROOT, django_server, manage

if TYPE_CHECKING:
    from pathlib import Path

VIEW = '''
from django.http import HttpResponse
from django.template import Context, Template


def page(request):
    template = Template("""{}""")
    return HttpResponse(template.render(Context()))


urlpatterns += [path("", page)]
'''


def build(target: str, directory: Path) -> Path:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(directory)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    # hatchling puts a .gitignore beside it.
    (built,) = directory.glob("django_resized_img-*")
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", tmp_path_factory.mktemp("dist"))


def test_wheel_holds_the_app_and_nothing_else(wheel: Path) -> None:
    assert wheel.name.startswith("django_resized_img-")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"resizer", "django_resized_img"}
    for needed in (
        "resizer/py.typed",
        "resizer/migrations/0001_initial.py",
        "resizer/static/resizer/devtools.css",
        "resizer/static/resizer/devtools.js",
        "resizer/static/resizer/resizer.css",
        "resizer/templatetags/resizer.py",
    ):
        assert needed in names
    ours = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "resizer").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in names if name.startswith("resizer/")} == ours


def test_source_package_holds_the_app_and_its_papers(tmp_path: Path) -> None:
    with tarfile.open(build("sdist", tmp_path)) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    papers = {name for name in names if not name.startswith("resizer/")}
    # hatchling adds the last three.
    assert papers == {
        "CHANGELOG.md",
        "LICENSE",
        "README.md",
        "SECURITY.md",
        "pyproject.toml",
        ".gitignore",
        "PKG-INFO",
    }
    assert "resizer/templatetags/resizer.py" in names


def readme_blocks(language: str, marker: str = "") -> list[str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    return [block for block in blocks if marker in block]


def start_project(wheel: Path, directory: Path) -> tuple[Path, dict[str, str]]:
    """A fresh project with the lines of the README, and the environment in which its commands run."""
    (install,) = readme_blocks("sh", "pip install django-resized-img\n")
    (in_settings,) = readme_blocks("python", "# settings.py")
    (in_urls,) = readme_blocks("python", "# urls.py")
    (tag,) = readme_blocks("django", 'photo.image alt="A sunrise"')
    lines = [
        line
        for block in (install, in_settings, in_urls)
        for line in block.splitlines()
        if line and not line.startswith("#")
    ]
    assert len(lines) == 4

    site = directory / "site"
    arguments = ["install", "--quiet", "--no-deps", "--target", str(site), str(wheel)]
    subprocess.run([sys.executable, "-m", "pip", *arguments], check=True, cwd=directory)
    subprocess.run(
        [sys.executable, "-m", "django", "startproject", "shop"],
        cwd=directory,
        env={name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"},
        check=True,
    )
    project = directory / "shop"
    with (project / "shop/settings.py").open("a") as file:
        file.write(in_settings)
    with (project / "shop/urls.py").open("a") as file:
        file.write(in_urls + VIEW.format(tag.replace("photo.image", "'photo.jpg'")))
    return project, {"PYTHONPATH": str(site), "DJANGO_SETTINGS_MODULE": "shop.settings"}


def test_fresh_project_shows_a_picture_after_the_lines_of_the_readme(
    wheel: Path, tmp_path: Path
) -> None:
    project, environment = start_project(wheel, tmp_path)
    (project / "photo.jpg").write_bytes(photograph())
    (migrate,) = readme_blocks("sh", "manage.py migrate")
    assert migrate.strip() == "python manage.py migrate"
    manage(project, environment, "migrate")

    with django_server(project, environment) as url:
        html = urllib.request.urlopen(f"{url}/").read().decode()
        source = re.search(r'src="(/img/photo\.jpg/[^"]+)"', html)
        assert source
        with urllib.request.urlopen(url + source[1]) as response:
            assert response.headers["Content-Type"] == "image/jpeg"
            image = decode(response.read())
    expected = decode(photograph()).resize(image.size)
    assert difference(image, expected) < TOLERANCE
