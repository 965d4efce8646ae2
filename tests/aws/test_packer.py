"""The packer in projects of others: what it takes of a project and its requirements, what it leaves out and says."""

from __future__ import annotations

import runpy
import sys
import zipfile
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from resizer.contrib import zappa
from resizer.contrib.zappa import wheels
from resizer.contrib.zappa.schedule import PURGE
from tests.aws.test_package import names, python, source, wheel

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["python"]
FILES = (
    *("manage.py", "shop/__init__.py", "shop/settings.py", "shop/tests/__init__.py"),
    *("shop/data.json", "shop/.env", "shop/.hidden.py", "shop/photo.jpg", "news/__init__.py"),
    *("shop/.secrets/token.txt", "shop/.cache/page.html", ".local_settings.py"),
    *(
        "news/locale/de/django.mo",
        "news/locale/de/django.po",
        "templates/page.html",
        "templates/notes.md",
        "jobs.py",
    ),
    *("db.sqlite3", "media/photo.jpg", "frontend/index.js", "notes.txt", "venv/bin/python"),
)
CODE = ["jobs.py", "news/__init__.py", "news/locale/de/django.mo"]
CODE += ["shop/__init__.py", "shop/mail.py", "shop/settings.py", "templates/page.html"]


@pytest.fixture(scope="module")
def wheels_only(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that stands for PyPI."""
    directory = tmp_path_factory.mktemp("wheels")
    wheel(directory, {"zappa/handler.py": b""}, "zappa")
    wheel(directory, {"one.py": b""}, "one", requires="two; python_version == '3.13'")
    wheel(directory, {"two.py": b""}, "two")
    for name in ("troposphere", "setuptools", "placebo"):
        wheel(directory, {f"{name}/__init__.py": b""}, name)
    wheel(directory, {"old.py": b""}, "old", requires="setuptools>=1")
    services = ("s3", "sts", "ses", "sqs", "ec2", "kms")
    data = {f"botocore/data/{one}/service-2.json": b"" for one in services}
    wheel(directory, {"botocore/session.py": b'client("ec2")', **data}, "botocore")
    source(directory, "slow", "cp313-cp313-manylinux_2_17_x86_64")
    newer = wheel(directory, {"newer.py": b""}, "newer")
    newer.rename(directory / "newer-1-py3-none-manylinux_2_28_x86_64.whl")
    return directory


def make_project(directory: Path) -> Path:
    """A project with code, secrets, pictures and a virtual environment."""
    project = directory / "project"
    for name in FILES:
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    (project / "shop" / "mail.py").write_text('client = session.client(\n    "ses")')
    (project / "jobs.py").write_text("queue = boto3.resource(service_name='sqs')")
    (project / "requirements.txt").write_text("zappa==1\n")
    return project


@pytest.fixture
def project(
    tmp_path: Path, python: str, wheels_only: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels_only))
    project = make_project(tmp_path)
    monkeypatch.chdir(project)
    return project


def pack(project: Path, **stage: Any) -> Path:
    output = project / "shop-dev.zip"
    with zipfile.ZipFile(output, "w") as archive:
        archive.writestr("zappa_settings.py", "API_STAGE='dev'\n")
        archive.writestr("handler.py", "")
    stage = {"runtime": "python3.13"} | stage
    zappa.pack(SimpleNamespace(zip_path=str(output), stage_config=stage))
    return output


def sources(package: Path) -> set[str]:
    """What is packed, without bytecode and Zappa's own files."""
    own = ("zappa", "__pycache__", "dist-info")
    return {name for name in names(package) if not any(one in name for one in own)}


def read_settings(package: Path) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    with zipfile.ZipFile(package) as archive:
        exec(archive.read("zappa_settings.py"), settings)
    return settings


def test_code_and_templates_are_packed_and_nothing_else(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    events = [{"function": "shop.tasks.mail"}, {"function": PURGE}]
    package = pack(project, events=events)
    assert sources(package) == set(CODE)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{package}: 0.0 MB zipped, 0.0 MB unpacked, ")
    assert lines[-1] == (
        "Left out of the project's directories: 1 × .jpg, 1 × .json, 1 × .md."
        " Name files in include to pack them."
    )
    # The handler learns what events may call.
    settings = read_settings(package)
    assert settings["EVENT_FUNCTIONS"] == [PURGE, "shop.tasks.mail"]
    assert settings["API_STAGE"] == "dev"


def test_stage_says_what_is_packed(project: Path) -> None:
    # With what `pip freeze` names beside it: tools of a deployment.
    lines = ("zappa", "one", "troposphere", "setuptools", "placebo", "old", "botocore", "newer")
    (project / "live.txt").write_text("".join(f"{one}==1\n" for one in lines))
    package = pack(
        project,
        package={
            "requirements": "live.txt",
            "include": ["shop", "shop/*.json", "notes.txt", "news"],
            "exclude": ["**/locale/[!e]*", "news/__init__.py"],
            "aws_services": ["kms"],
        },
    )
    services = ("s3", "sts", "ses", "kms")
    assert sources(package) == {
        *("shop/__init__.py", "shop/settings.py", "shop/mail.py", "shop/data.json", "notes.txt"),
        # Of requirements: `one` requires `two`, and `old` requires setuptools.
        *(
            "one.py",
            "two.py",
            "old.py",
            "newer.py",
            "setuptools/__init__.py",
            "botocore/session.py",
        ),
        # Services that code names, not those of botocore itself.
        *(f"botocore/data/{service}/service-2.json" for service in services),
    }


def test_misspelt_file_stops_the_deployment(project: Path) -> None:
    with pytest.raises(SystemExit, match=r"^include names shopp, but .+ has no such file"):
        pack(project, package={"include": ["shopp"]})
    assert not (project / "shop-dev.zip").exists()


def test_misspelt_key_stops_the_deployment(project: Path) -> None:
    expected = "^package has includes: its keys are aws_services, exclude, include, requirements"
    with pytest.raises(SystemExit, match=expected):
        pack(project, package={"includes": ["shop"]})


@pytest.mark.parametrize(
    ("requirement", "words"),
    [
        # Built for another processor than the function's.
        ("slow", r"^There is no wheel of slow for Python 3\.13 on aarch64: "),
        ("-r none.txt", r"^pip failed: .*none\.txt"),
    ],
)
def test_requirement_that_cannot_be_had_is_named(
    project: Path, requirement: str, words: str
) -> None:
    (project / "requirements.txt").write_text(f"zappa==1\n{requirement}\n")
    with pytest.raises(SystemExit, match=words):
        pack(project, architecture="arm64")


def test_older_runtimes_get_wheels_for_their_older_library(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "requirements.txt").write_text("zappa==1\nnewer\n")
    # As if Python 3.13 was one of those.
    monkeypatch.setitem(wheels.GLIBC_MINORS, "3.13", 26)
    with pytest.raises(SystemExit, match=r"^There is no wheel of newer for"):
        pack(project)


def test_environment_without_zappa_says_what_is_missing(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "requirements.txt").write_text("")
    monkeypatch.setattr(wheels, "HANDLER", ("nosuch",))
    with pytest.raises(SystemExit, match=r"^The function needs nosuch\. Add zappa to the req"):
        pack(project)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    """`python -m resizer.contrib.zappa`, in this process."""
    monkeypatch.setattr(sys, "argv", ["resizer.contrib.zappa", *arguments])
    runpy.run_module("resizer.contrib.zappa", run_name="__main__")


def test_command_packs_without_a_deployment(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(
        monkeypatch,
        *("--django-settings", "shop.settings", "--architecture", "arm64"),
        *("--runtime", "python3.13", "--include", "news", "--output", "shop.zip"),
    )
    assert capsys.readouterr().out.startswith("shop.zip: ")
    settings = read_settings(project / "shop.zip")
    assert settings["DJANGO_SETTINGS"] == "shop.settings"
    assert settings["EVENT_FUNCTIONS"] == [PURGE]
    assert sources(project / "shop.zip") == {one for one in CODE if one.startswith("news/")}


def test_command_tells_in_one_sentence_what_is_wrong(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit, match=r"^The architecture is x86_64 or arm64, not i386\.$"):
        run(monkeypatch, "--django-settings", "shop.settings", "--architecture", "i386")
