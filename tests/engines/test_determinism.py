"""The same original, recipe and engine give the same bytes: whoever makes a variant, the others may answer theirs."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.pictures import photograph
from tests.servers import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = """
import hashlib, os, sys
from importlib import import_module
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(sys.argv[3])])
from django.conf import settings
settings.configure()
from tests.engines.rendering import WRITTEN, render, variant
module, name = sys.argv[1].rsplit(".", 1)
engine = getattr(import_module(module), name)()
content = open(sys.argv[2], "rb").read()
wanted = [variant(width, target, ratio=(16, 9)) for width in (320, 1080) for target in WRITTEN]
wanted += [variant(320, target, quality="auto") for target in WRITTEN]
if sys.argv[4:] == ["backwards"]:
    wanted.reverse()
made = {str(one): hashlib.sha256(each.content).hexdigest() for one, each in zip(wanted, render(engine, content, *wanted))}
print(sorted(made.items()))
"""


@pytest.mark.parametrize(
    "name", ["resizer.engines.libvips.LibvipsEngine", "resizer.engines.pillow.PillowEngine"]
)
def test_processes_make_the_same_bytes(tmp_path: Path, name: str) -> None:
    original = tmp_path / "a.jpg"
    original.write_bytes(photograph((1600, 1200)))
    told = set()
    cores = len(os.sched_getaffinity(0))
    for seed, arguments in (("1", [str(cores)]), ("2", ["1"]), ("3", [str(cores), "backwards"])):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, name, str(original), *arguments],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        told.add(done.stdout)
    assert len(told) == 1
    assert told.pop().count("Variant(") == 12
