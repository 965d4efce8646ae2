"""The workflows on GitHub are well-formed, and give the package and the pages what these read."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.conftest import ACTIONLINT
from tests.servers import ROOT

if TYPE_CHECKING:
    from pathlib import Path

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
#: actionlint is WebAssembly, so it opens no files itself.
SCRIPT = """
const { readFileSync } = require("node:fs");
const { createLinter } = require(process.argv[1]);
createLinter().then((lint) => {
  const found = process.argv.slice(2).flatMap((path) => lint(readFileSync(path, "utf8"), path));
  process.stdout.write(JSON.stringify(found), () => process.exit(0));
});
"""


def lint(*paths: Path) -> list[dict[str, Any]]:
    command = ["node", "-e", SCRIPT, str(ACTIONLINT / "node.cjs"), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


@pytest.mark.service("node")
@pytest.mark.service("actionlint")
def test_workflows_pass_their_linter(tmp_path: Path) -> None:
    assert len(WORKFLOWS) == 3
    assert lint(*WORKFLOWS) == []
    broken = tmp_path / "broken.yml"
    text = WORKFLOWS[0].read_text(encoding="utf-8")
    broken.write_text(text.replace("steps.deployment.outputs", "steps.absent.outputs"))
    (found,) = lint(broken)
    assert 'property "absent" is not defined' in found["message"]


def test_release_sets_every_variable_of_the_build() -> None:
    hook = (ROOT / "hatch_build.py").read_text(encoding="utf-8")
    workflow = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8"))
    steps = workflow["jobs"]["build"]["steps"]
    (step,) = (one for one in steps if one.get("run") == "python -m build")
    assert set(step["env"]) == set(re.findall(r'environ\.get\("(\w+)"', hook))


def test_pages_are_built_where_they_are_published_from() -> None:
    text = (ROOT / ".github/workflows/docs.yml").read_text(encoding="utf-8")
    steps = yaml.safe_load(text)["jobs"]["build"]["steps"]
    (artifact,) = (one for one in steps if "upload-pages-artifact" in one.get("uses", ""))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert f"-d var/doctrees docs {artifact['with']['path']}\n" in makefile


def test_commit_hooks_run_the_pinned_formatter() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    pins = (ROOT / "requirements" / "test.txt").read_text(encoding="utf-8")
    (revision,) = (one["rev"] for one in hooks["repos"] if "ruff" in one["repo"])
    assert f"\nruff=={revision.removeprefix('v')}\n" in pins
