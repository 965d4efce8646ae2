"""The pages for operators name what there is: settings, stages, parameters, files."""

from __future__ import annotations

import json
import pkgutil
import re
import subprocess
import tomllib
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.cloudfront import TEMPLATE, Loader
from tests.servers import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LAMBDA = (ROOT / "docs" / "lambda.md").read_text(encoding="utf-8")
STAGES = json.loads((ROOT / "zappa_settings.json").read_text(encoding="utf-8"))
#: Of a laptop or a machine of one's own; not for the function.
ELSEWHERE = {"DJANGO_DEBUG", "RESIZER_DATA_DIR"}


def first_column(heading: str) -> set[str]:
    """The names in the first column of the table below a heading."""
    section = LAMBDA.split(f"{heading}\n", 1)[1].split("\n#", 1)[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("|")]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def test_lambda_page_has_the_environment_variables_of_the_settings() -> None:
    settings = (ROOT / "config" / "settings.py").read_text(encoding="utf-8")
    documented = set(re.findall(r"^    ([A-Z_]{6,})  ", settings, re.MULTILINE))
    assert documented > ELSEWHERE
    assert first_column("### Of the function (`aws_environment_variables`)") == (
        documented - ELSEWHERE
    )


def test_lambda_page_has_the_stages() -> None:
    assert first_column("## Stages") == set(STAGES)


def test_lambda_page_explains_keys_that_the_stages_have() -> None:
    keys = {key for stage in STAGES.values() for key in stage}
    assert first_column("### Of the deployment (`zappa_settings.json`)") <= keys


def test_lambda_page_has_the_parameters_of_the_stack() -> None:
    template = yaml.load(TEMPLATE.read_text(encoding="utf-8"), Loader)
    assert first_column("### Of the stack") == set(template["Parameters"])


def test_shell_and_systemd_read_the_same_from_the_environment_file(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "nginx.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.+?)```", page, re.DOTALL)
    (content,) = (one for one in blocks if "RESIZER_SIGNING_KEY=" in one)
    # As systemd does for lines without quotes and backslashes (systemd.exec(5), EnvironmentFile=).
    assert not re.search(r"[\"'\\]", content)
    lines = [line for line in content.splitlines() if line and line[0] not in "#;"]
    expected = {name: value.strip() for name, value in (line.split("=", 1) for line in lines)}
    file = tmp_path / "environment"
    file.write_text(content, encoding="utf-8")
    command = ["env", "-i", "sh", "-c", 'set -a; . "$0"; env', str(file)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    read = dict(line.split("=", 1) for line in told.splitlines())
    assert {name: read.get(name) for name in expected} == expected


def test_packages_that_the_nginx_page_installs_have_a_release_that_is_tested() -> None:
    page = (ROOT / "docs" / "nginx.md").read_text(encoding="utf-8")
    pinned = (ROOT / "requirements" / "test.txt").read_text(encoding="utf-8")
    extras = {"django-storages": {"boto3"}, "psycopg": {"psycopg-binary"}}
    named = set(re.findall(r"pip install \"([a-z-]+)\[", page))
    assert named == set(extras)
    for name in named.union(*extras.values()):
        assert f"\n{name}==" in pinned


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        if "://" in path:
            continue
        file = (page.parent / path) if path else page
        assert file.is_file(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", one).lower().replace(" ", "-") for one in headings}
            assert anchor in slugs, target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_names_of_the_app_that_a_page_has_can_be_imported(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for names in re.findall(r"^ *from resizer import (.+)$", text, re.MULTILINE):
        for name in names.split(", "):
            exec(f"from resizer import {name}", {})
    for path in re.findall(r"[`\"](resizer(?:\.(?![EW]\d)\w+)+)[`\"]", text):
        pkgutil.resolve_name(path)


def test_contributing_page_draws_the_layers_of_the_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (layers,) = (
        one["layers"]
        for one in contracts["tool"]["importlinter"]["contracts"]
        if one["type"] == "layers"
    )
    page = (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")
    assert page.split("```text\n")[1].split("```")[0].splitlines() == layers


def test_contributing_page_names_every_room() -> None:
    page = (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")
    rooms = [path.parent for path in ROOT.glob("resizer/**/__init__.py")]
    modules = [path for path in ROOT.glob("resizer/*.py") if path.name != "__init__.py"]
    missing = [
        path.relative_to(ROOT).as_posix()
        for path in [*rooms, *modules]
        if f"{path.relative_to(ROOT).as_posix()}" not in page and f"`{path.name}" not in page
    ]
    assert [
        name for name in missing if name.split("/")[1] not in {"management", "migrations"}
    ] == []
