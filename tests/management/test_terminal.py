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
from django.core.management import execute_from_command_line
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
    for typed in ("no\n", "\x04"):
        status, shown = on_terminal(filled, typed, "resizer_purge", "--all")
        assert status == 1
        assert "This removes all cached variants." in shown
        assert "Type 'yes' to continue: " in shown
        assert shown.rstrip().endswith("CommandError: Nothing was done.")
        assert filled.stored() == stored
    status, shown = on_terminal(filled, "yes\n", "resizer_purge", "--all")
    assert (status, filled.stored()) == (0, [])
    assert f"Removed {len(stored)} cached variants" in shown


@pytest.mark.parametrize(
    ("number", "status", "told"),
    [(signal.SIGINT, 130, "Interrupted."), (signal.SIGTERM, 143, "Terminated.")],
)
def test_command_that_is_stopped_says_what_it_has_done(
    filled: Project, number: signal.Signals, status: int, told: str
) -> None:
    for place in range(3000):
        path = filled.directory / f"variants/{place}.jpg/00000000-aaaaaaaaaaaaaa/320.jpg"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"stale")
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
        ["resizer_explain", "photographs/a.jpg", "--format", "json"],
        ["resizer_purge"],
        ["resizer_stats", "--format", "json"],
        ["resizer_sync"],
        ["resizer_warm", "gallery.Photo.image", "--format", "json"],
    ],
    ids=lambda command: command[0],
)
def test_command_without_a_reader_ends_properly(filled: Project, command: list[str]) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    done = subprocess.run(
        [sys.executable, "manage.py", *command],
        cwd=ROOT,
        env=os.environ | filled.environment,
        stdin=subprocess.DEVNULL,
        stdout=writes,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writes)
    assert (done.returncode, done.stderr) == (141, "")


COMMANDS = ("doctor", "explain", "purge", "stats", "sync", "warm")


@pytest.mark.parametrize("command", COMMANDS)
def test_wrong_arguments_and_help_have_an_exit_status(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for argument, status in (("--unknown", 2), ("--help", 0)):
        with pytest.raises(SystemExit) as raised:
            execute_from_command_line(["manage.py", f"resizer_{command}", argument])
        assert raised.value.code == status
    told = capsys.readouterr()
    assert f"manage.py resizer_{command}: error: " in told.err
    assert "Exit status: 0 if" in " ".join(told.out.split())


def test_command_in_another_thread_leaves_signals_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)

    def run() -> object:
        with told_end(BaseCommand()):
            return signal.getsignal(signal.SIGTERM)

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(run).result() is before
