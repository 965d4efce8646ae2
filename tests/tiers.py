"""Which tests run where: marks `slow` and `once`, by file."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING

import pytest
from xdist.scheduler.loadfile import LoadFileScheduling

from tests.servers import ROOT

if TYPE_CHECKING:
    from pathlib import Path

#: Tests of seconds each, or with servers and processes of their own: `make test-unit` leaves them out.
SLOW = (
    "aws/",
    "engines/test_animation.py",
    "engines/test_determinism.py",
    "engines/test_extra_formats.py",
    "engines/test_isolated.py",
    "engines/test_options.py",
    "load/",
    "test_balanced.py",
    "test_browser.py",
    "test_browser_devtools.py",
    "test_browser_pieces.py",
    "test_containers.py",
    "test_databases.py",
    "test_example_projects.py",
    "test_faults.py",
    "test_hostile_files.py",
    "test_layouts.py",
    "test_matrix.py",
    "test_package.py",
    "test_platforms.py",
    "test_settings.py",
    "test_site.py",
    "test_strangers.py",
    "admin/test_accents.py",
    "admin/test_admin_browser.py",
    "maintenance/test_purging.py",
    "management/test_terminal.py",
    "sources/test_http_source.py",
    "storages/test_s3.py",
)
#: Tests with the same outcome on every Python and Django: of AWS, documents, image libraries, variables of the
#: environment, and of whole servers, whose parts have tests of their own.
ONCE = (
    "aws/",
    "engines/test_ancillary.py",
    "engines/test_as_browsers.py",
    "engines/test_determinism.py",
    "engines/test_memory.py",
    "engines/test_oracle.py",
    "load/",
    "test_balanced.py",
    "test_containers.py",
    "test_docs.py",
    "test_example_projects.py",
    "test_hostile_files.py",
    "test_layouts.py",
    "test_migration.py",
    "test_settings.py",
    "test_site.py",
    "storages/test_s3.py",
)
#: Tests that need one of these programs run once as well, but for those of the admin: its pages are Django's.
PROGRAMS = {"actionlint", "chromium", "firefox", "nginx", "nginx-javascript", "node", "webkit"}
#: Tests of one deployment, which takes a quarter of a minute to make: for the same worker.
DEPLOYED = (
    "aws/test_lambda.py",
    "aws/test_package.py",
    "aws/test_policy.py",
    "aws/test_stack.py",
    "aws/test_zappa.py",
)
#: Tests that depend on Python or Django with each of their parameters: threads, child processes, databases, IP addresses
#: and URLs, storages. Of all others, a further Python runs one parameter.
EACH = (
    "concurrency/",
    "engines/test_isolated.py",
    "records/test_index.py",
    "sources/test_gate.py",
    "sources/test_url.py",
    "storages/test_kinds.py",
    "test_databases.py",
)
#: A file with as many tests takes long, too.
MANY = 100
#: Set by `make test-again`.
SKIP_ONCE = os.environ.get("RESIZER_SKIP_ONCE") == "1"


def mark(items: list[pytest.Item]) -> None:
    """Mark slow tests and those that run once, and put long files first: at the end, no worker waits for one."""
    counts = Counter(map(path_of, items))
    seen = set()
    for item in items:
        path = path_of(item)
        services = {marker.args[0] for marker in item.iter_markers("service")}
        is_once = bool(
            path.startswith(ONCE)
            or item.get_closest_marker("once")
            or (services & PROGRAMS and not path.startswith("admin/"))
        )
        # A test of an engine differs from parameter to parameter in the image alone, and most others in their data.
        test = (path, getattr(item, "originalname", item.name), _engine(item), is_once)
        is_repeated = test in seen
        if path.startswith(SLOW) or (is_repeated and path.startswith("engines/")):
            item.add_marker(pytest.mark.slow)
        if is_once or (is_repeated and not path.startswith(EACH)):
            item.add_marker(pytest.mark.once)
        seen.add(test)

    def place(item: pytest.Item) -> tuple[bool, bool]:
        path = path_of(item)
        return not path.startswith(SLOW), counts[path] < MANY

    items.sort(key=place)


def is_left_out(file: Path) -> bool:
    """Whether no test of a file runs on a further Python, which then need not read it."""
    path = file.relative_to(ROOT / "tests").as_posix()
    return SKIP_ONCE and file.suffix == ".py" and path.startswith(ONCE)


def import_apart(config: pytest.Config) -> None:
    """Import all test files, each worker from another place on.

    What rewrites assertions takes as long as all other collecting, and keeps its work: side by side, all workers would do
    the same.
    """
    worker = getattr(config, "workerinput", None)
    if worker is None or config.args_source is not pytest.Config.ArgsSource.TESTPATHS:
        return
    paths = [path for path in sorted(ROOT.glob("tests/**/test_*.py")) if not is_left_out(path)]
    first = int(worker["workerid"].removeprefix("gw")) * len(paths) // worker["workercount"]
    for path in paths[first:] + paths[:first]:
        # What goes wrong is told when it is collected.
        with suppress(Exception, pytest.skip.Exception):
            import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))


def deselect(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what runs once, on a further Python."""
    once = [item for item in items if item.get_closest_marker("once")]
    if SKIP_ONCE and once:
        config.hook.pytest_deselected(items=once)
        items[:] = [item for item in items if not item.get_closest_marker("once")]


class Scheduling(LoadFileScheduling):  # type: ignore[misc]  # it has no types
    """The tests of a file go to one worker, and so do those of the deployment."""

    def _split_scope(self, nodeid: str) -> str:
        path: str = super()._split_scope(nodeid)
        return "deployment" if path.removeprefix("tests/") in DEPLOYED else path


def path_of(item: pytest.Item) -> str:
    """Of its file, below `tests/`."""
    return item.nodeid.partition("::")[0].removeprefix("tests/")


def _engine(item: pytest.Item) -> str:
    callspec = getattr(item, "callspec", None)
    return str(callspec.params.get("engine")) if callspec else ""
