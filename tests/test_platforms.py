"""Systems that lack what Linux has, such as Windows: the app can be developed there."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from django.core.checks import run_checks

from resizer import engines
from resizer.concurrency import lockfiles, machine
from resizer.engines import can_isolate, get_engine
from resizer.engines.libvips import LibvipsEngine, decoding
from resizer.errors import EngineAbsent
from resizer.formats import JPEG
from resizer.keys.variant import Variant
from resizer.maintenance.doctor.findings import Finding, Mark
from resizer.maintenance.doctor.patience import within
from resizer.storages import local
from tests.pictures import photograph
from tests.servers import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django import Settings

#: What Windows lacks is hidden after Django is loaded, and before the app is.
SCRIPT = """
import os, signal, socket, sys, tempfile, types
from pathlib import Path
from io import BytesIO

import django.test, django.core.files.storage, django.template.backends.django, logging.config
from PIL import Image

here = Path(sys.argv[1])
picture = BytesIO()
Image.new("RGB", (800, 600), "red").save(picture, "JPEG")
(here / "media").mkdir()
(here / "media" / "a.jpg").write_bytes(picture.getvalue())
tempfile.gettempdir()

for name in ("fcntl", "resource", "termios", "pwd", "grp"):
    sys.modules[name] = None
for name in ("O_CLOEXEC O_DIRECTORY O_NOFOLLOW O_NONBLOCK O_PATH fchmod fork geteuid getuid link memfd_create nice pread"
             " pwrite register_at_fork sched_getaffinity sysconf").split():
    delattr(os, name)
for name in ("SIGALRM", "SIGKILL", "SIGXCPU", "setitimer"):
    delattr(signal, name)
for name in ("send_fds", "recv_fds"):
    delattr(socket, name)
os.supports_dir_fd.discard(os.open)
opened = os.open

def open_file(path, flags, mode=0o777, *, dir_fd=None):
    assert dir_fd is None
    if os.path.isdir(path) or str(path).startswith(("/proc", "/sys", "/dev/fd")):
        raise PermissionError(13, "Permission denied")
    return opened(path, flags, mode)

os.open = open_file

from django.conf import settings

storage = {"BACKEND": "django.core.files.storage.FileSystemStorage"}
settings.configure(
    DEBUG=True,
    SECRET_KEY="for tests only, and long enough for this",
    ALLOWED_HOSTS=["testserver"],
    ROOT_URLCONF="urls",
    INSTALLED_APPS=["django.contrib.contenttypes", "resizer"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
    STORAGES={
        "default": {**storage, "OPTIONS": {"location": here / "media"}},
        "resizer": {**storage, "OPTIONS": {"location": here / "variants"}},
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    },
    STATIC_URL="static/",
    USE_TZ=True,
)
django.setup()
from django.urls import include, path

sys.modules["urls"] = urls = types.ModuleType("urls")
urls.urlpatterns = [path("img/", include("resizer.urls"))]

from django.core.checks import run_checks
from django.core.management import call_command
from django.template import Context, Template
from django.test import Client, override_settings

from resizer.concurrency import machine
from resizer.engines.libvips import decoding

machine.OWN_GROUP = here / "absent"
decoding.DESCRIPTORS = str(here / "absent")
call_command("migrate", verbosity=0)
assert run_checks() == [], run_checks()
text = '{% load resizer %}{% resized_url "a.jpg" width=320 ratio="1/1" as url %}{{ url }}'
url = Template(text).render(Context())
assert url.endswith("/320.jpg"), url
first, second = Client().get(url), Client().get(url)
assert (first.status_code, second.status_code) == (200, 200), (first.content, second.content)
assert Image.open(BytesIO(first.content)).size == (320, 320)
assert b"".join(second) == first.content
call_command("resizer_doctor")
with override_settings(DEBUG=False):
    print([one.id for one in run_checks()])
"""


def test_app_works_without_what_windows_lacks(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", SCRIPT, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-1] == "['resizer.E050']"
    assert "engine: " in done.stdout
    assert "child processes" not in done.stdout
    assert done.stderr.count("This system cannot isolate the engine. With DEBUG, it works") == 1
    assert len(list((tmp_path / "variants").rglob("320.jpg"))) == 1


@pytest.fixture
def _unisolated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resource", None)
    monkeypatch.setattr(engines, "_build", engines._build.__wrapped__)


def test_files_cannot_be_passed_on_without_sockets_for_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert can_isolate()
    monkeypatch.delattr(socket, "send_fds")
    assert not can_isolate()


@pytest.mark.usefixtures("_unisolated")
def test_system_without_isolation_makes_no_pictures_in_production(settings: Settings) -> None:
    settings.RESIZER = {}
    with pytest.raises(EngineAbsent, match="cannot isolate the engine"):
        get_engine()
    assert [one.id for one in run_checks(tags=["resizer"])] == ["resizer.E050"]
    settings.RESIZER = {"ISOLATION": False}
    assert get_engine().read_header(io.BytesIO(photograph((8, 6)))).width == 8
    assert run_checks(tags=["resizer"]) == []


@pytest.mark.usefixtures("_unisolated")
def test_developer_is_told_that_nothing_is_isolated(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.RESIZER = {}
    settings.DEBUG = True
    assert get_engine().read_header(io.BytesIO(photograph((8, 6)))).width == 8
    assert "This system cannot isolate the engine. With DEBUG, it works" in caplog.text
    assert run_checks(tags=["resizer"]) == []


def test_libvips_reads_a_file_without_a_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(photograph((64, 48)))
    variant = Variant(source="default", name="a", version="00000000", width=32, format=JPEG)
    engine = LibvipsEngine()
    found = []
    for place in (decoding.DESCRIPTORS, str(tmp_path / "absent")):
        monkeypatch.setattr(decoding, "DESCRIPTORS", place)
        with path.open("rb") as file:
            (rendered,) = engine.render(file, engine.read_header(file), [variant])
        found.append(rendered.content)
    assert found[0] == found[1]


def test_lock_files_need_their_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with pytest.raises(OSError, match="this system has no lock files"):
        lockfiles.lock("a")


@pytest.mark.parametrize("error", [AttributeError, ValueError])
def test_machine_that_does_not_tell_its_memory_has_some(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def refuse(_: str) -> int:
        raise error

    monkeypatch.setattr(os, "sysconf", refuse)
    assert 0 < machine.megabytes() <= machine.UNKNOWN_MEMORY // 1_000_000


def test_file_is_opened_by_its_path_without_descriptors_of_directories(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "supports_dir_fd", set())
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "a.jpg").write_bytes(b"a")
    (tmp_path / "out.jpg").symlink_to(ROOT / "README.md")
    with local.open_file(str(tmp_path / "b" / "a.jpg"), str(tmp_path)) as file:
        assert file.read() == b"a"
    with pytest.raises(FileNotFoundError):
        local.open_file(str(tmp_path / "out.jpg"), str(tmp_path))


def test_doctor_waits_for_a_part_without_timers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(signal, "setitimer")
    finding = Finding(Mark.FINE, "part", "works")
    assert list(within("part", lambda: finding)) == [finding]
