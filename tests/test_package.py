"""The wheel, and the README's way into a project that has never seen it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import urllib.request
import zipfile
from email import message_from_string, policy
from typing import TYPE_CHECKING

import pytest
import yaml
from markdown_it import MarkdownIt
from trove_classifiers import classifiers

from tests.pictures import TOLERANCE, decode, difference, photograph
from tests.servers import ROOT, django_server, manage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from email.message import EmailMessage
    from pathlib import Path

VIEW = '''
from django.http import HttpResponse
from django.template import Context, Template


def page(request):
    template = Template("""{}""")
    return HttpResponse(template.render(Context()))


urlpatterns += [path("", page)]
'''


def build(
    target: str, directory: Path, environment: Mapping[str, str] | None = None, root: Path = ROOT
) -> Path:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(directory)],
        cwd=root,
        env=os.environ | (environment or {}),
        check=True,
        capture_output=True,
    )
    # hatchling puts a .gitignore beside it.
    (built,) = directory.glob("django_resized_img-*")
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", tmp_path_factory.mktemp("dist"))


@pytest.mark.once
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


@pytest.mark.once
def test_source_package_holds_the_app_and_its_papers(tmp_path: Path) -> None:
    with tarfile.open(build("sdist", tmp_path)) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    papers = {name for name in names if not name.startswith("resizer/")}
    # hatchling adds the last two.
    assert papers == {
        "CHANGELOG.md",
        "LICENSE",
        "README.md",
        "SECURITY.md",
        "hatch_build.py",
        "pyproject.toml",
        ".gitignore",
        "PKG-INFO",
    }
    assert "resizer/templatetags/resizer.py" in names


PROJECT = "https://github.example/acme/resizer"
#: Each with its file in the repository, as a page or as it is.
LINK = re.compile(rf"{PROJECT}/(blob|raw)/v1\.2/([^\s\"')#]+)")


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A wheel and a source package, with the variables of the release workflow."""
    directory = tmp_path_factory.mktemp("released")
    environment = {
        "RESIZER_PROJECT_URL": PROJECT,
        "RESIZER_PROJECT_REF": "v1.2",
        "RESIZER_DOCS_URL": "https://acme.github.example/resizer/",
    }
    return [build(target, directory / target, environment) for target in ("wheel", "sdist")]


def metadata_of(package: Path) -> EmailMessage:
    if package.suffix == ".whl":
        with zipfile.ZipFile(package) as wheel:
            (name,) = (one for one in wheel.namelist() if one.endswith("/METADATA"))
            content = wheel.read(name)
    else:
        with tarfile.open(package) as archive:
            (member,) = (one for one in archive.getmembers() if one.name.endswith("/PKG-INFO"))
            file = archive.extractfile(member)
            assert file
            content = file.read()
    return message_from_string(content.decode(), policy=policy.default)


def readme_in(package: Path) -> str:
    return str(metadata_of(package).get_payload())


@pytest.mark.once
def test_released_package_has_absolute_links_only(released: list[Path]) -> None:
    for package in released:
        text = readme_in(package)
        # Code has quotes as &quot;.
        html = MarkdownIt("commonmark").enable("table").render(text)
        found = re.findall(r'(?:href|src)="(.*?)"', html)
        assert len(found) > 10
        assert [one for one in found if not one.startswith("https://")] == []
        # They lead to files that are there: images to the bytes, others to a page.
        links = LINK.findall(text)
        assert len(links) > 10
        for kind, path in links:
            assert (ROOT / path).is_file()
            assert (kind == "raw") == path.endswith(".webp")
        # Nothing else is changed.
        readme = (ROOT / "README.md").read_text(encoding="utf-8")
        assert LINK.sub(r"\2", text).rstrip() == readme.rstrip()


@pytest.mark.once
def test_released_package_names_its_pages(released: list[Path]) -> None:
    for package in released:
        assert metadata_of(package).get_all("Project-URL") == [
            "Documentation, https://acme.github.example/resizer/",
            f"Changelog, {PROJECT}/blob/v1.2/CHANGELOG.md",
            f"Source, {PROJECT}",
            f"Issues, {PROJECT}/issues",
        ]


@pytest.mark.once
def test_released_package_passes_the_check_of_the_index(released: list[Path]) -> None:
    command = [sys.executable, "-m", "twine", "check", "--strict", *map(str, released)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.count("PASSED")) == (0, 2), done.stdout


@pytest.mark.once
def test_wheel_of_a_released_source_package_keeps_its_links(
    released: list[Path], tmp_path: Path
) -> None:
    with tarfile.open(released[1]) as archive:
        archive.extractall(tmp_path / "source", filter="data")
    (source,) = (tmp_path / "source").iterdir()
    metadata = metadata_of(build("wheel", tmp_path / "dist", root=source))
    expected = metadata_of(released[0])
    assert metadata.items() == expected.items()
    assert str(metadata.get_payload()) == readme_in(released[0])


@pytest.mark.once
def test_package_of_a_checkout_has_links_as_in_the_readme(wheel: Path) -> None:
    metadata = metadata_of(wheel)
    assert metadata.get_all("Project-URL") is None
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert readme_in(wheel).rstrip() == readme.rstrip()


@pytest.mark.once
def test_classifiers_are_known_and_agree_with_the_workflow_and_the_readme(wheel: Path) -> None:
    given = metadata_of(wheel).get_all("Classifier", [])
    assert set(given) <= classifiers
    matrix = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8"))
    pairs = matrix["jobs"]["quick"]["strategy"]["matrix"]["include"]
    tested = {f"Framework :: Django :: {one['django']}" for one in pairs}
    assert tested == {one for one in given if re.search(r"Django :: \d", one)}
    named = {one for one in given if re.search(r"Python :: \d\.", one)}
    assert named <= {f"Programming Language :: Python :: {one['python']}" for one in pairs}
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for one in given:
        if one.startswith("Operating System :: "):
            name = one.rpartition(" :: ")[2].replace("MacOS", "macOS")
            assert name in readme.partition("Supported: ")[2]


@pytest.mark.once
def test_changelog_has_its_form() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    first, *others = re.findall(r"^## (.+)$", text, re.MULTILINE)
    dated = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+ – [0-9]{4}-[0-9]{2}-[0-9]{2}")
    assert first == "Unreleased" or dated.fullmatch(first)
    assert all(map(dated.fullmatch, others))
    # https://keepachangelog.com/en/1.1.0/
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(re.findall(r"^### (.+)$", text, re.MULTILINE)) <= kinds


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
