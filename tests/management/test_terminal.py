"""What a person sees of commands: a bar, a question, and no traceback."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import struct
import subprocess
import sys
import termios
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from django.core.management.base import BaseCommand

from resizer.management.ending import told_end
from tests.pictures import photograph
from tests.projects import Project, environment
from tests.servers import ROOT, manage

if TYPE_CHECKING:
    from pathlib import Path

FILL = """
from django.core.files.base import ContentFile
from config.gallery.models import Photo
photo = Photo(title="a", alt="a")
photo.image.save("a.jpg", ContentFile(open({path!r}, "rb").read()))
"""


@pytest.fixture(scope="module")
def pattern(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a project with a photograph and its variants."""
    directory = tmp_path_factory.mktemp("pattern")
    shutil.copy(migrated, directory)
    project = Project(directory, environment(directory))
    path = directory / "a.jpg"
    path.write_bytes(photograph((640, 480)))
    manage(ROOT, project.environment, "shell", "-v", "0", "-c", FILL.format(path=str(path)))
    manage(ROOT, project.environment, "resizer_warm", "gallery.Photo.image")
    assert project.stored()
    return directory


@pytest.fixture
def filled(pattern: Path, tmp_path: Path) -> Project:
    directory = tmp_path / "data"
    # With their times, by which the command knows originals.
    shutil.copytree(pattern, directory)
    return Project(directory, environment(directory))


def on_terminal(
    project: Project,
    typed: str,
    *arguments: str,
) -> tuple[int, str]:
    """The exit status, and what the terminal shows."""
    controller, terminal = os.openpty()
    # 24 lines of 80 columns.
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=os.environ | project.environment | {"TERM": "xterm", "DJANGO_COLORS": "nocolor"},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    if typed:
        os.write(controller, typed.encode())
    shown = b""
    while True:
        try:
            piece = os.read(controller, 4096)
        except OSError:
            # Nobody has the terminal open any longer.
            break
        if not piece:
            break
        shown += piece
    os.close(controller)
    return process.wait(), shown.decode()


def test_terminal_is_asked_before_variants_go(filled: Project) -> None:
    stored = filled.stored()
    for typed in ("no\n", "\n", "\x04"):
        status, shown = on_terminal(filled, typed, "resizer_purge", "--all")
        assert status == 1
        assert "This removes all cached variants." in shown
        assert "Type 'yes' to continue: " in shown
        assert shown.rstrip().endswith("CommandError: Nothing was done.")
        assert filled.stored() == stored
    status, shown = on_terminal(filled, "yes\n", "resizer_purge", "--all")
    assert (status, filled.stored()) == (0, [])
    assert f"Removed {len(stored)} cached variants" in shown


MANY = """
from django.core.files.base import ContentFile
from django.core.files.storage import storages
for number in range(3000):
    storages["resizer"].save(f"{number}.jpg/00000000-aaaaaaaaaaaaaa/320.jpg", ContentFile(b"stale"))
"""


@pytest.mark.parametrize(
    ("number", "status", "told"),
    [(signal.SIGINT, 130, "Interrupted."), (signal.SIGTERM, 143, "Terminated.")],
)
def test_command_that_is_stopped_says_what_it_has_done(
    filled: Project, number: signal.Signals, status: int, told: str
) -> None:
    manage(ROOT, filled.environment, "shell", "-v", "0", "-c", MANY)
    before = len(filled.stored())
    process = subprocess.Popen(
        [sys.executable, "manage.py", "resizer_purge", "--all", "--yes", "-v", "2"],
        cwd=ROOT,
        env=os.environ | filled.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    process.send_signal(number)
    out, errors = process.communicate()
    assert (process.returncode, errors.strip()) == (status, f"CommandError: {told}")
    last = (first + out).splitlines()[-1]
    removed = before - len(filled.stored())
    assert 0 < removed < before
    # The files of the batch at hand may be gone already.
    assert last.startswith("Removed ")
    assert int(last.split()[1].replace(",", "")) <= removed
    assert "Removed" in manage(ROOT, filled.environment, "resizer_purge", "--all", "--yes")
    assert filled.stored() == []


def test_terminal_shows_a_bar(filled: Project) -> None:
    for command, unit in {
        ("resizer_sync",): "files",
        ("resizer_warm", "gallery.Photo.image"): "originals",
        ("resizer_purge",): "files and originals checked",
    }.items():
        status, shown = on_terminal(filled, "", *command)
        assert status == 0
        assert unit in shown
        assert "\r" in shown
    # Of names, each has a line.
    _status, shown = on_terminal(filled, "", "resizer_sync", "-v", "2")
    assert "files/s" not in shown
    assert "Added 0 rows" in shown


@pytest.mark.parametrize(
    "command",
    [
        ["resizer_doctor"],
        ["resizer_explain", "photographs/a.jpg"],
        ["resizer_purge"],
        ["resizer_stats"],
        ["resizer_sync"],
        ["resizer_warm", "gallery.Photo.image"],
    ],
    ids=lambda command: command[0],
)
def test_commands_end_properly_without_a_reader_and_with_wrong_arguments(
    filled: Project, command: list[str]
) -> None:
    def run(*arguments: str, stdout: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=os.environ | filled.environment,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    reads, writes = os.pipe()
    os.close(reads)
    for options in ([], ["--format", "json"]):
        done = run(*command, *options, stdout=writes)
        assert (done.returncode, done.stderr) == (141, "")
    os.close(writes)
    done = run(command[0], "--unknown", stdout=subprocess.DEVNULL)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    help = manage(ROOT, filled.environment, *command[:1], "--help")
    assert "Exit status: 0 if" in " ".join(help.split())


def test_command_in_another_thread_leaves_signals_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)

    def run() -> object:
        with told_end(BaseCommand()):
            return signal.getsignal(signal.SIGTERM)

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(run).result() is before
