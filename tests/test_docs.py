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

from config.aws.stack import OURS
from config.aws.stack import TEMPLATE as STACK
from resizer.engines.containers import gif, jpeg
from resizer.engines.guards import parts
from resizer.jinja2 import ResizerExtension
from resizer.originals import inspecting
from resizer.templatetags.resizer import register
from tests.cloudfront import TEMPLATE, Loader
from tests.documents import PAGES, examples, name_of, read
from tests.servers import ROOT

if TYPE_CHECKING:
    from pathlib import Path

CONTRIBUTING = read("contributing")
LAMBDA = read("production/lambda")
#: Can be imported in a function on AWS Lambda only. Tests of deployments do.
IN_A_FUNCTION = "resizer.contrib.zappa.handler"
STAGES = json.loads((ROOT / "zappa_settings.json").read_text(encoding="utf-8"))
#: Of a laptop or a machine of one's own; not for the function.
ELSEWHERE = {
    "DJANGO_DEBUG",
    "DJANGO_HTTPS",
    "DJANGO_SERVE_STATIC",
    "REDIS_URL",
    "RESIZER_DATA_DIR",
    "RESIZER_HEALTH_URL",
    "RESIZER_MAX_RESPONSE_BYTES",
    "RESIZER_ORIGINALS_URL",
    "RESIZER_RESPOND_FIRST",
    "RESIZER_WORKERS",
}


def first_cells(page: str, heading: str) -> list[str]:
    """Of the first table below a heading, without its head."""
    section = page.split(f"{heading}\n", 1)[1].split("\n#", 1)[0]
    table = section[section.index("\n|") + 1 :].split("\n\n", 1)[0]
    return [line.split("|")[1].strip() for line in table.splitlines()[2:]]


def first_column(heading: str, page: str = LAMBDA) -> set[str]:
    """The names in the first column of the table below a heading."""
    return {name for cell in first_cells(page, heading) for name in re.findall(r"`([^`]+)`", cell)}


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


def test_stack_page_has_the_parameters_and_defaults_of_the_template() -> None:
    template = yaml.load(STACK.read_text(encoding="utf-8"), Loader)["Parameters"]
    page = read("production/stack")
    assert first_column("## Parameters", page) == set(template) - set(OURS)
    rows = re.findall(r"^\| `(\w+)` \| (?:`(\S+)`)? ?\|", page, re.MULTILINE)
    assert len(rows) > 10
    for name, default in rows:
        assert default == str(template[name]["Default"])


def test_shell_and_systemd_read_the_same_from_the_environment_file(tmp_path: Path) -> None:
    page = read("production/nginx")
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
    found = dict(line.split("=", 1) for line in told.splitlines())
    assert {name: found.get(name) for name in expected} == expected


def test_nginx_page_installs_and_starts_what_is_pinned() -> None:
    page = read("production/nginx")
    (pins,) = re.findall(r"pip install --no-deps --requirement (\S+)$", page, re.MULTILINE)
    pinned = (ROOT / pins).read_text(encoding="utf-8")
    (server,) = re.findall(r"^\.venv/bin/(\w+) .* config\.wsgi:application$", page, re.MULTILINE)
    for name in (server, "django-storages", "boto3", "psycopg-binary", "redis", "django-tasks-db"):
        assert f"\n{name}==" in pinned


@pytest.mark.parametrize("page", PAGES, ids=name_of)
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


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_names_of_the_app_that_a_page_has_can_be_imported(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for names in re.findall(r"^ *from resizer import (.+)$", text, re.MULTILINE):
        for name in names.split(", "):
            exec(f"from resizer import {name}", {})
    for path in re.findall(r"[`\"](resizer(?:\.(?![EW]\d)\w+)+)[`\"]", text):
        if not path.startswith(IN_A_FUNCTION):
            pkgutil.resolve_name(path)


def test_contributing_page_draws_the_layers_of_the_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (layers,) = (
        one["layers"]
        for one in contracts["tool"]["importlinter"]["contracts"]
        if one["type"] == "layers"
    )
    assert CONTRIBUTING.split("```text\n")[1].split("```")[0].splitlines() == layers


def test_contributing_page_names_every_room() -> None:
    page = CONTRIBUTING
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


def test_contributing_page_names_the_files_of_pins() -> None:
    (row,) = re.findall(r"^\| `requirements/` \| pinned: (.*) \|$", CONTRIBUTING, re.MULTILINE)
    assert set(re.findall("`([a-z]+)`", row)) == {
        path.stem for path in (ROOT / "requirements").glob("*.txt")
    }


def test_files_that_the_contributing_page_names_are_there() -> None:
    advice = CONTRIBUTING.split("## How to add …")[1]
    paths = re.findall(r"`([\w./]+/[\w.]+\.(?:py|js|yaml))`", advice)
    assert len(paths) > 10
    for path in paths:
        assert (ROOT / path).exists() or (ROOT / "resizer" / path).exists(), path


def test_help_of_make_names_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    targets = set(re.findall(r"^([a-z-]+):(?! export)", makefile, re.MULTILINE))
    assert set(phony.split()) == targets
    command = ["make", "--no-print-directory", "help"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    heads = [line.split("  ")[0] for line in told.splitlines() if not line.startswith(" ")]
    named = re.findall(r"[a-z]+(?:-[a-z]+)*", re.sub("[A-Z]+=[a-z]+", "", " ".join(heads)))
    # Tests call `services`.
    assert {*named, "help", "services"} - {"make"} == targets


def test_benchmarks_page_names_every_benchmark() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    page = read("explanation/benchmarks")
    targets = set(re.findall(r"^(bench-[a-z-]+):", makefile, re.MULTILINE))
    assert set(re.findall(r"\bbench-[a-z-]+\b", page.split("## ")[0])) == targets


def test_reference_has_the_system_checks_and_each_has_a_test() -> None:
    written, tested = (
        set(re.findall(r"resizer\.[EW]\d{3}", "".join(map(_read, directory.rglob("*.py")))))
        for directory in (ROOT / "resizer", ROOT / "tests")
    )
    assert first_column("# System checks", read("reference/checks")) == written
    assert written - tested == set()


def test_reference_has_the_tags_and_filters() -> None:
    documented = first_column("# Tags and filters", read("reference/tags"))
    assert documented == {*register.tags, *register.filters, "endresized_picture"}
    assert ResizerExtension.tags == set(register.tags)


def test_reference_has_the_numbers_of_the_limits() -> None:
    few, many = jpeg.USUAL_SCANS, jpeg.MAX_SCANNED_PIXELS // 1_000_000
    scans = (
        f"a JPEG with more than {jpeg.MAX_SCANS} scans. Or with more than {few}, if scans times megapixels is more"
        f" than {many:,}; real files have at most {few} scans"
    )
    assert jpeg.MAX_SEGMENTS == parts.MAX_CHUNKS
    assert first_cells(read("reference/limits"), "# Limits") == [
        "more than `MAX_BYTES`",
        f"more than `MAX_PIXELS`, or a side of more than {inspecting.MAX_SIDE:,} px",
        "decoding takes more than `MAX_DECODED_MEGABYTES`",
        scans,
        f"{parts.MAX_CHUNKS:,} segments of a JPEG, chunks of a PNG or WebP, or boxes of an AVIF or HEIC",
        f"a GIF with {gif.MAX_BLOCKS:,} blocks before its first frame",
        f"an AVIF or HEIC with more than {parts.MAX_ITEM_BYTES >> 10} KB of boxes that name its items",
        f"a TIFF with more than {parts.MAX_NUMBERS:,} numbers in one tag, such as offsets of strips",
        f"more than {jpeg.MAX_EXIF_BYTES // 1_000_000} MB of EXIF",
    ]
    limits = {name for module in (gif, jpeg, parts) for name in vars(module) if name[:4] == "MAX_"}
    # A limit in these modules that is new here lacks its row.
    assert limits == {
        *("MAX_BLOCKS", "MAX_CHUNKS", "MAX_EXIF_BYTES", "MAX_ITEM_BYTES", "MAX_NUMBERS"),
        *("MAX_SCANNED_PIXELS", "MAX_SCANS", "MAX_SEGMENTS"),
    }


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def test_planning_page_has_the_results_of_its_formulas() -> None:
    values: dict[str, float] = {}
    compared = 0
    for example in examples(read("production/planning")):
        if example.language != "python":
            continue
        exec(example.text, values)
        for name, told in re.findall(r"^(\w+) = .+  # ([\d.,]+)$", example.text, re.MULTILINE):
            digits = len(told.partition(".")[2])
            assert f"{values[name]:,.{digits}f}" == told, name
            compared += 1
    assert compared > 10
