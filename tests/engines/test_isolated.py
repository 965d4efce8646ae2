"""Engines in child processes."""

from __future__ import annotations

import io
import json
import logging
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any, cast

import pytest
from django.core.exceptions import ImproperlyConfigured
from PIL import Image

from resizer import conf
from resizer.concurrency import machine
from resizer.conf import get_settings
from resizer.engines import get_engine, load_engine
from resizer.engines.guarded import GuardedEngine
from resizer.engines.isolation import children as children_module
from resizer.engines.isolation.child import MAX_LINES, Beginning, Incomplete, Task, serve
from resizer.engines.isolation.children import Child, Children, children
from resizer.engines.isolation.engine import IsolatedEngine
from resizer.engines.isolation.messages import Message, receive, send
from resizer.engines.protocol import Rendered, Sketch
from resizer.errors import (
    Busy,
    EngineAbsent,
    EngineFailed,
    RenderKilled,
    ResizerError,
    TooManyPixels,
    TooMuchWork,
    UndecodableOriginal,
    UnsupportedFormat,
)
from resizer.formats import AVIF, GIF, HEAD_BYTES, JPEG, PNG, WEBP
from resizer.scratch import open_scratch
from tests.conftest import files, save, wait_until
from tests.engines.rendering import variant
from tests.pictures import decode, draw, encode, photograph
from tests.servers import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import BinaryIO

    from django.test import Client
    from freezegun.api import FrozenDateTimeFactory
    from pytest_django import Settings

PHOTO = photograph((800, 600))
#: As they are outside of tests.
PATIENCE, STOPPED = children_module.PATIENCE, children_module.STOPPED


@pytest.fixture(scope="module", autouse=True)
def children_end() -> Iterator[None]:
    """A test takes over the child of the one before: starting one takes longer than most tests."""
    children.end()
    yield
    children.end()


@pytest.fixture
def no_children() -> Iterator[None]:
    """For tests that count children, or start them in a way of their own."""
    children.end()
    yield
    children.end()


def pids() -> list[int]:
    return sorted(child.pid for child in children)


def isolated(name: str = "auto") -> IsolatedEngine:
    return IsolatedEngine(name if name == "auto" else f"tests.engines.misbehaving.{name}")


def render(name: str = "auto", content: bytes = PHOTO) -> bytes:
    """What an engine makes of a picture, of which the usual engine has read the header."""
    file = io.BytesIO(content)
    header = load_engine("auto").read_header(file)
    (rendered,) = isolated(name).render(file, header, [variant()])
    assert (rendered.width, rendered.height) == (320, 240)
    return rendered.content


@pytest.fixture(params=["in memory", "on disk"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[bytes], BinaryIO]]:
    files: list[BinaryIO] = []

    def open_(content: bytes) -> BinaryIO:
        if request.param == "in memory":
            return io.BytesIO(content)
        path = tmp_path / "file"
        path.write_bytes(content)
        files.append(path.open("rb"))
        return files[-1]

    yield open_
    for file in files:
        file.close()


def test_engine_is_isolated_unless_settings_say_otherwise(settings: Settings) -> None:
    assert isinstance(get_engine(), IsolatedEngine)
    settings.RESIZER = {"ISOLATION": False}
    assert isinstance(get_engine(), GuardedEngine)


@pytest.mark.parametrize("wrong", ["yes", 1, None])
def test_isolation_is_on_or_off(settings: Settings, wrong: object) -> None:
    settings.RESIZER = {"ISOLATION": wrong}
    with pytest.raises(ImproperlyConfigured, match="True or False"):
        get_engine()


@pytest.mark.usefixtures("no_children")
def test_child_makes_what_the_engine_makes(opened: Callable[[bytes], BinaryIO]) -> None:
    engine, direct = isolated(), load_engine("auto")
    file = opened(encode(draw((640, 480), "RGBA"), "PNG"))
    header = engine.read_header(file)
    assert header == direct.read_header(file)
    assert header.format is PNG
    wanted = [variant(320, target) for target in (AVIF, JPEG, PNG, WEBP)]
    made = list(engine.render(file, header, wanted))
    assert [one.content for one in made] == [
        one.content for one in direct.render(file, header, wanted)
    ]
    assert all(one.decode_seconds >= 0 and one.encode_seconds > 0 for one in made)
    assert len(pids()) == 1


@pytest.mark.usefixtures("no_children")
def test_child_is_not_asked_what_the_engine_can() -> None:
    engine = isolated()
    assert (engine.can_read(JPEG), engine.can_write(AVIF), engine.can_write(GIF)) == (
        True,
        True,
        False,
    )
    assert pids() == []


@pytest.mark.usefixtures("no_children")
def test_settings_that_change_reach_a_child_that_is_there(settings: Settings) -> None:
    before = render()
    (pid,) = pids()
    settings.RESIZER = {"EXTRA_FORMATS": ["tiff"]}
    tiff = encode(draw((800, 600)), "TIFF")
    assert isolated().read_header(io.BytesIO(tiff)).format.name == "tiff"
    settings.RESIZER = {}
    with pytest.raises(UnsupportedFormat):
        isolated().read_header(io.BytesIO(tiff))
    assert render() == before
    assert pids() == [pid]


class Remote(io.BytesIO):
    """A file that would have to be fetched."""

    asked: list[int]

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.asked = []

    def read(self, size: int | None = -1) -> bytes:
        content = super().read(size)
        self.asked.append(len(content))
        return content


def test_only_the_beginning_of_a_remote_file_is_read_for_its_header() -> None:
    remote = Remote(photograph((1600, 1200)) + bytes(1_000_000))
    assert isolated().read_header(remote).width == 1600
    assert sum(remote.asked) <= HEAD_BYTES + 1000


@pytest.mark.usefixtures("no_children")
def test_header_behind_the_beginning_is_found() -> None:
    comment = b"\xff\xfe\xff\xff" + bytes(65_533)
    remote = Remote(PHOTO[:2] + comment * 3 + PHOTO[2:])
    assert isolated().read_header(remote).width == 800
    assert len(pids()) == 1


def test_who_wants_more_than_the_whole_file_is_told_no() -> None:
    with pytest.raises(UndecodableOriginal):
        isolated("Insatiable").read_header(io.BytesIO(PHOTO))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (PHOTO[:9000], UndecodableOriginal),
        (b"<svg/>", UnsupportedFormat),
        (b"", UnsupportedFormat),
    ],
)
def test_errors_are_those_of_the_engine(content: bytes, expected: type[ResizerError]) -> None:
    engine = isolated()
    file = io.BytesIO(content)
    with pytest.raises(expected):
        list(engine.render(file, engine.read_header(file), [variant()]))


def test_error_between_variants_is_raised_in_its_place() -> None:
    file = io.BytesIO(PHOTO)
    engine = isolated("Interrupted")
    header = engine.read_header(file)
    answers = engine.render(file, header, [variant(320), variant(480)])
    assert next(answers).width == 320
    with pytest.raises(TooManyPixels, match="the second"):
        next(answers)


@pytest.mark.usefixtures("no_children")
def test_child_that_has_met_a_broken_file_is_replaced() -> None:
    render()
    before = pids()
    with pytest.raises(UndecodableOriginal):
        render(content=PHOTO[:9000])
    assert len(pids()) == len(before)
    assert pids() != before


@pytest.mark.usefixtures("no_children")
@pytest.mark.parametrize("name", ["Endless", "EndlessHeader"])
def test_child_that_takes_too_long_is_killed(settings: Settings, name: str) -> None:
    render()
    (pid,) = pids()
    usual = settings.RESIZER
    settings.RESIZER = {**usual, "RENDER_SECONDS": 1}
    started_at = time.monotonic()
    ask = render if name == "Endless" else lambda it: isolated(it).read_header(io.BytesIO(PHOTO))
    with pytest.raises(TooMuchWork, match="not done within 1 s"):
        ask(name)
    assert time.monotonic() - started_at >= 1
    settings.RESIZER = usual
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert decode(render()).size == (320, 240)


@pytest.mark.usefixtures("no_children")
@pytest.mark.parametrize("name", ["Starved", "Stopped"])
def test_child_that_has_had_no_core_is_no_fault_of_the_picture(
    settings: Settings, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    render()
    monkeypatch.setattr(children_module, "PATIENCE", PATIENCE)
    monkeypatch.setattr(children_module, "STOPPED", STOPPED)
    (pid,) = pids()
    usual = settings.RESIZER
    settings.RESIZER = {**usual, "RENDER_SECONDS": 1}
    with pytest.raises(Busy, match="s of a core in"):
        render(name)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    settings.RESIZER = usual
    assert decode(render()).size == (320, 240)


def test_child_that_has_had_no_core_for_a_while_goes_on(settings: Settings) -> None:
    settings.RESIZER = {"RENDER_SECONDS": 1}
    assert decode(render("Late")).size == (320, 240)


def test_child_that_stops_while_it_speaks_is_no_fault_of_the_picture(settings: Settings) -> None:
    settings.RESIZER = {"RENDER_SECONDS": 1}
    with pytest.raises(Busy, match="in the middle of an answer"):
        render("SayingHalfAWord")


class Hasty(socket.socket):
    """A connection to one that ends as soon as it has heard the head of a message."""

    other: socket.socket

    def sendall(self, data: Any, *flags: int) -> None:
        super().sendall(data, *flags)
        self.other.close()


def test_task_is_sent_to_a_child_that_ends_as_soon_as_it_has_heard_it() -> None:
    ours, theirs = socket.socketpair()
    with Hasty(fileno=ours.detach()) as connection:
        connection.other = theirs
        # How it has ended is told by its end.
        send(connection, Message(b"task"))


def test_clock_tells_where_the_system_does_not_tell_of_cores(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "processor_seconds", lambda _: None)
    settings.RESIZER = {"RENDER_SECONDS": 1}
    with pytest.raises(TooMuchWork, match="not done within 1 s"):
        render("Stopped")


def test_picture_whose_child_is_killed_is_not_tried_at_every_request(
    settings: Settings, client: Client, clock: FrozenDateTimeFactory, db: None
) -> None:
    sources = {"default": {"OPEN": True}}
    settings.RESIZER = {"SOURCES": sources, "ENGINE": "tests.engines.misbehaving.Killed"}
    for name in ("a.jpg", "b.jpg"):
        save(name)
        response = client.get(f"/img/320/{name}")
        assert (response.status_code, response["Retry-After"]) == (503, "10")
        assert response["Cache-Control"] == "no-store"
    # A header, which nobody has read.
    save("c.jpg")
    settings.RESIZER = {"SOURCES": sources, "ENGINE": "tests.engines.misbehaving.KilledAtTheHeader"}
    assert client.get("/img/320/c.jpg").status_code == 503
    settings.RESIZER = {"SOURCES": sources}
    clock.tick(9)
    urls = ["/img/320/a.jpg", "/img/480/a.jpg", "/img/320/c.jpg"]
    for url in urls:
        # Its other widths as well.
        response = client.get(url)
        assert (response.status_code, response["Retry-After"]) == (503, "10")
    clock.tick(2)
    assert [client.get(url).status_code for url in urls] == [200, 200, 200]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Aborted", UndecodableOriginal),
        ("Exiting", UndecodableOriginal),
        ("ExitingWell", Busy),
        ("Greedy", EngineFailed),
        ("Killed", RenderKilled),
        ("OutOfTime", TooMuchWork),
        ("SayingDeeply", UndecodableOriginal),
        # What else it may say is read alike on every Python.
        *(
            pytest.param(f"Saying{what}", UndecodableOriginal, marks=pytest.mark.once)
            for what in (
                *("AList", "AnError", "ForAnother", "HTML", "Half", "InTheHead", "Infinity"),
                *("Less", "Missing", "NoJSON", "Nothing", "Sizes", "TooMuch"),
            )
        ),
    ],
)
def test_what_goes_wrong_in_a_child_ends_there(name: str, expected: type[ResizerError]) -> None:
    render()
    before = len(os.listdir("/dev/fd"))
    with pytest.raises(expected) as raised:
        render(name)
    assert type(raised.value) is expected
    assert decode(render()).size == (320, 240)
    # What other tests have left may go meanwhile.
    assert len(os.listdir("/dev/fd")) <= before


@pytest.mark.once
@pytest.mark.parametrize(
    "name",
    [
        "Headless",
        "OfAnotherFormat",
        "OfManyFrames",
        "OfNoSize",
        "OfOddOrientation",
        "OfUnknownFormat",
        "WithAFlagThatIsNone",
        "WithHugeSides",
    ],
)
def test_header_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(UndecodableOriginal, match="no valid header"):
        isolated(name).read_header(io.BytesIO(PHOTO))


# Its child says that it has ended, and hangs.
@pytest.mark.usefixtures("no_children")
def test_length_of_a_file_is_what_the_server_knows_of_it() -> None:
    header = isolated("WithAWrongLength").read_header(io.BytesIO(PHOTO))
    assert header.bytes == len(PHOTO)


def test_files_that_a_child_sends_are_not_taken() -> None:
    render()
    before = len(os.listdir("/dev/fd"))
    for _ in range(3):
        with pytest.raises(UndecodableOriginal):
            isolated("Returning").read_header(io.BytesIO(PHOTO))
    # What other tests have left may go meanwhile.
    assert len(os.listdir("/dev/fd")) <= before


@pytest.mark.usefixtures("no_children")
@pytest.mark.parametrize("name", ["Afterwards", "SayingAfterTheEnd", "SleepingAfterwards"])
def test_what_a_child_says_afterwards_is_told_to_nobody(name: str) -> None:
    other = encode(draw((800, 600)).transpose(Image.Transpose.ROTATE_180), "PNG")
    expected = render(content=other)
    before = pids()
    assert decode(render(name)).size == (320, 240)
    assert pids() != before
    assert render(content=other) == expected


@pytest.mark.parametrize("name", ["SketchingNumbers", "SketchingCode", "SketchingNothing"])
def test_sketch_that_a_child_makes_up_is_refused(name: str) -> None:
    file = io.BytesIO(PHOTO)
    header = load_engine("auto").read_header(file)
    rendering = isolated(name).render_with_sketch(file, header, [variant()])
    assert isinstance(next(rendering), Rendered)
    with pytest.raises(UndecodableOriginal, match="no valid sketch"):
        next(rendering)


@pytest.mark.parametrize("name", ["SayingNoLog", "SayingOddLines"])
def test_log_of_a_child_is_not_believed(name: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(Busy):
        render(name)
    told = [(one.levelname, one.getMessage()) for one in caplog.records]
    assert told == [("ERROR", r"In a child process: 'so\nmuch'")][: name == "SayingOddLines"]


def test_log_of_a_child_has_few_lines_of_bounded_length(caplog: pytest.LogCaptureFixture) -> None:
    assert render("Chatty")
    lines = [one.getMessage() for one in caplog.records]
    assert len(lines) == MAX_LINES
    assert all(len(line) < 1100 and "\n" not in line for line in lines)


def test_fault_of_an_engine_is_logged_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(EngineFailed, match="KeyError"):
        render("Faulty")
    (record,) = [one for one in caplog.records if one.levelname == "ERROR"]
    assert "two lines" in record.getMessage()
    assert "\n" not in record.getMessage()


def test_engine_that_returns_no_header_has_failed(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(EngineFailed, match="AttributeError"):
        isolated("OfNoKind").read_header(io.BytesIO(PHOTO))
    assert "The engine has failed" in caplog.text


def test_engine_that_is_not_there_is_no_fault_of_the_picture(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(EngineAbsent, match="NoSuchEngine"):
        render("NoSuchEngine")
    assert "cannot be loaded" in caplog.text


@pytest.mark.usefixtures("no_children")
def test_child_knows_no_secrets_and_has_limits(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.RESIZER = {
        "SIGNING_KEY": "a secret",
        "SOURCES": {"press": {"OPTIONS": {"storage": "another secret"}}},
    }
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a third secret")
    monkeypatch.setenv("LANGFUSE_SECRET_KEY", "a fourth secret")
    with pytest.raises(UndecodableOriginal) as raised:
        render("Knowing")
    told = json.loads(str(raised.value).strip("'"))
    assert "secret" not in str(told["environment"]) + str(told["key"]) + str(told["sources"])
    assert "AWS_SECRET_ACCESS_KEY" not in told["environment"]
    assert not told["project"]
    assert (told["nice"], told["core"]) == (min(os.nice(0) + 10, 19), 0)
    assert 10 < told["processor"] < 30
    assert 0 < told["addresses"] < 3_000_000_000
    assert int(told["expendable"]) == 500
    # Its connection, two times nothing, the original, and what lists them.
    assert told["files"] == 5


@pytest.mark.usefixtures("no_children")
def test_child_of_a_server_that_is_told_to_end_goes_on() -> None:
    render()
    (pid,) = pids()
    for one in (signal.SIGTERM, signal.SIGINT):
        os.kill(pid, one)
    render()
    assert pids() == [pid]


@pytest.mark.usefixtures("no_children")
def test_child_that_has_died_meanwhile_is_replaced() -> None:
    render()
    (child,) = children
    os.kill(child.pid, signal.SIGKILL)
    wait_until(lambda: not child.is_alive)
    render()
    assert pids() != [child.pid]


@pytest.mark.usefixtures("no_children")
def test_child_whose_variants_are_wanted_no_longer_is_replaced() -> None:
    file = io.BytesIO(PHOTO)
    engine = isolated()
    header = engine.read_header(file)
    before = pids()
    with closing(cast("Any", engine.render(file, header, [variant(320), variant(480)]))) as answers:
        next(answers)
    assert len(pids()) == 1
    assert pids() != before


@pytest.mark.usefixtures("no_children")
def test_no_more_children_are_kept_than_render_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "cores", lambda: 2)
    pool = Children()
    borrowed = [pool.borrow() for _ in range(3)]
    assert len({child.pid for child in borrowed}) == len(list(pool)) == 3
    for child in borrowed:
        pool.give_back(child)
    assert len(list(pool)) == 2
    pool.end()
    assert list(pool) == []
    assert not any(child.is_alive for child in borrowed)


@pytest.mark.usefixtures("no_children")
def test_as_many_children_are_kept_as_settings_let_render(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    monkeypatch.setattr(machine, "cores", lambda: 1)
    settings.RESIZER = {"MAX_RENDERS": 3}
    pool = Children()
    borrowed = [pool.borrow() for _ in range(4)]
    for child in borrowed:
        pool.give_back(child)
    assert len(list(pool)) == 3
    pool.end()


@pytest.mark.usefixtures("no_children")
def test_who_finds_all_children_at_work_waits_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "cores", lambda: 1)
    monkeypatch.setattr(children_module, "BORROW_SECONDS", 0.1)
    pool = Children()
    first, second = pool.borrow(), pool.borrow()
    with pytest.raises(Busy, match="are busy"):
        pool.borrow()
    monkeypatch.setattr(children_module, "BORROW_SECONDS", 10)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(pool.borrow)
        pool.give_back(first)
        assert waiting.result(10) is first
    # No more are kept than render at once, whatever becomes of the others.
    pool.give_back(first)
    pool.replace(second)
    assert list(pool) == [first]
    pool.end()


@pytest.mark.usefixtures("no_children")
def test_child_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children_module, "END_SECONDS", 0.1)
    child = Child()
    with open_scratch() as file:
        file.write(PHOTO)
        file.flush()
        child.begin(task_for("tests.engines.misbehaving.EndlessHeader"), file.fileno())
        child.end()
    assert not child.is_alive


RENDER = """
import io, pickle, sys
from resizer.conf import adopt_settings, read_settings
from resizer.engines import load_engine
from resizer.engines.isolation import child
from tests.engines.rendering import render_one, variant
from tests.pictures import photograph
adopt_settings(pickle.dumps(read_settings({})[0]))
print(render_one(load_engine("auto"), photograph(), variant()).size, "django" in sys.modules)
"""


@pytest.mark.parametrize("library", ["pyvips", "PIL"])
def test_rendering_needs_no_django(library: str) -> None:
    script = (
        RENDER if library == "pyvips" else f"import sys; sys.modules['pyvips'] = None\n{RENDER}"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "(320, 240) False\n"


@pytest.mark.usefixtures("no_children")
@pytest.mark.parametrize("path", ["/no/such/python3", "python-that-is-not-there"])
def test_without_children_pictures_are_busy(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setattr(sys, "executable", path)
    with pytest.raises(Busy, match="can be started"):
        render()


@pytest.mark.usefixtures("no_children")
def test_child_that_cannot_begin_is_no_fault_of_the_picture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(Busy, match="is not there"):
        render()


@pytest.mark.usefixtures("no_children")
def test_path_of_modules_may_hold_what_is_no_text(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, tmp_path])
    assert decode(render()).size == (320, 240)


@pytest.mark.usefixtures("no_children")
def test_python_is_found_within_another_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/usr/sbin/uwsgi")
    assert decode(render()).size == (320, 240)


FORK = """
import io, os
from django.conf import settings
settings.configure()
from resizer.engines import get_engine
from resizer.engines.isolation.children import children
from tests.pictures import photograph

def look():
    get_engine().read_header(io.BytesIO(photograph((80, 60))))
    return [child.pid for child in children]

(before,) = look()
if os.fork() == 0:
    (pid,) = look()
    os._exit(1 if pid == before else 0)
assert os.waitstatus_to_exitcode(os.wait()[1]) == 0
assert look() == [before]
print("fine")
"""


def test_forked_server_has_children_of_its_own() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("fine\n", "")


def test_request_for_a_picture_that_takes_too_long_is_refused_and_the_next_is_served(
    settings: Settings,
    client: Client,
    variants: Path,
    db: None,
) -> None:
    save("a.jpg")
    save("b.jpg")
    sources = {"default": {"OPEN": True}}
    settings.RESIZER = {
        "SOURCES": sources,
        "RENDER_SECONDS": 1,
        "ENGINE": "tests.engines.misbehaving.Endless",
    }
    response = client.get("/img/320/a.jpg")
    assert (response.status_code, response.content) == (
        422,
        b"The original would take too much work to decode.",
    )
    assert files(variants) == []
    settings.RESIZER = {"SOURCES": sources}
    assert client.get("/img/320/b.jpg").status_code == 200


# The child's own lines, in a thread of this process.


@pytest.fixture
def told() -> Iterator[Callable[..., list[Message]]]:
    """Has a task done, and gives what is answered."""

    def tell(task: Task, content: bytes = PHOTO, answers: int = 2) -> list[Message]:
        ours, theirs = socket.socketpair()
        limits: list[Task] = []
        thread = threading.Thread(target=serve, args=[theirs, limits.append])
        thread.start()
        with ours, open_scratch() as file:
            assert receive(ours, seconds=10) == Message(b"{}")
            file.write(content)
            file.flush()
            send(ours, Message(pickle.dumps(task)), descriptor=file.fileno())
            received = [receive(ours, seconds=10, most_bytes=10**6) for _ in range(answers)]
        thread.join(10)
        theirs.close()
        assert limits == [task]
        return received

    yield tell
    conf._adopted.clear()
    conf.adopt_settings.cache_clear()
    get_settings.cache_clear()


def task_for(engine: str = "auto", **facts: Any) -> Task:
    known: dict[str, Any] = {
        "token": "one of many",
        "settings": pickle.dumps(get_settings()),
        "header": None,
        "variants": (),
        "length": len(PHOTO),
        "seconds": 10,
        "megabytes": 1000,
    }
    return Task(engine=engine, **{**known, **facts})


def words_of(message: Message) -> Any:
    words = json.loads(message.head)
    assert words.pop("task") == "one of many"
    return words


def test_child_ends_when_nobody_is_there() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        thread = threading.Thread(target=serve, args=[theirs, lambda _: None])
        thread.start()
        assert receive(ours, seconds=10) == Message(b"{}")
        ours.close()
        thread.join(10)
        assert not thread.is_alive()


def test_child_answers_a_header(told: Callable[..., list[Message]]) -> None:
    answer, end = told(task_for())
    header = load_engine("auto").read_header(io.BytesIO(PHOTO))
    assert words_of(answer) == {"header": ["jpeg", *header[1:]]}
    assert words_of(end) == {"end": True}


def test_child_answers_variants_one_by_one(told: Callable[..., list[Message]]) -> None:
    header = load_engine("auto").read_header(io.BytesIO(PHOTO))
    wanted = (variant(320), variant(480))
    *answers, end = told(task_for(header=header, variants=wanted), answers=3)
    assert words_of(end) == {"end": True}
    assert [words_of(one)["rendered"][:2] for one in answers] == [[320, 240], [480, 360]]
    assert [decode(one.body).width for one in answers] == [320, 480]


def test_child_answers_a_sketch_after_the_variants(told: Callable[..., list[Message]]) -> None:
    header = load_engine("auto").read_header(io.BytesIO(PHOTO))
    task = task_for(header=header, variants=(variant(320),))._replace(with_sketch=True)
    picture, sketch, end = told(task, answers=3)
    assert "rendered" in words_of(picture)
    focal, color, blur = words_of(sketch)["sketch"]
    assert Sketch(tuple(focal), color, blur).is_safe
    assert words_of(end) == {"end": True}


def test_child_asks_for_more_than_a_beginning(told: Callable[..., list[Message]]) -> None:
    (answer,) = told(task_for(length=1_000_000), PHOTO[:100], 1)
    assert words_of(answer) == {"incomplete": True}


def test_child_tells_errors_from_faults_and_failures(told: Callable[..., list[Message]]) -> None:
    (answer,) = told(task_for(length=10), b"no picture", 1)
    assert words_of(answer)["error"] == "UnsupportedFormat"
    header = load_engine("auto").read_header(io.BytesIO(PHOTO))
    faulty = "tests.engines.misbehaving.Faulty"
    (answer,) = told(task_for(faulty, header=header, variants=(variant(),)), answers=1)
    assert words_of(answer)["error"] == "EngineFailed"
    assert [level for level, _ in words_of(answer)["log"]] == [logging.ERROR]
    chatty = "tests.engines.misbehaving.Chatty"
    (answer,) = told(task_for(chatty, header=header, variants=(variant(),)), answers=1)
    assert len(words_of(answer)["log"]) == MAX_LINES
    (answer,) = told(task_for("tests.engines.misbehaving.OfNoKind"), answers=1)
    assert words_of(answer)["fault"]
    (answer,) = told(task_for("no.such.Engine"), answers=1)
    assert words_of(answer)["failure"]


def test_beginning_reads_as_a_file_does_as_far_as_it_goes() -> None:
    beginning = Beginning(b"0123456789", 100)
    assert (beginning.read(4), beginning.tell()) == (b"0123", 4)
    assert beginning.seek(-2, os.SEEK_CUR) == 2
    assert beginning.read(3) == b"234"
    assert beginning.seek(0, os.SEEK_END) == 100
    assert beginning.read(5) == b""
    beginning.seek(5)
    for size in (6, -1, None):
        with pytest.raises(Incomplete):
            beginning.read(size)
    assert beginning.read(5) == b"56789"


def test_message_is_cut_by_the_end_of_its_sender() -> None:
    ours, theirs = socket.socketpair()
    with ours:
        theirs.sendall(b"\0\0\0\5\0\0\0\0ab")
        theirs.close()
        with pytest.raises(EOFError):
            receive(ours)


def test_message_that_drips_in_ends_at_the_deadline() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"\0\0\0\5\0\0\0\0ab")
        with pytest.raises(TimeoutError):
            receive(ours, seconds=0.05)
