from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from resizer.concurrency import semaphores as counted
from resizer.concurrency.admission import admit
from resizer.concurrency.waiting import Deadline
from resizer.engines.memory import estimate
from resizer.errors import Busy
from tests.engines.rendering import header, variant

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_django import Settings


@pytest.fixture(params=["machine", "process"], autouse=True)
def places(request: pytest.FixtureRequest, tmp_path: Path, settings: Settings) -> Iterator[None]:
    """Places in files, or where there can be none, in the process."""
    directory = tmp_path / "locks"
    if request.param == "process":
        directory.write_text("a file")
    settings.RESIZER = {"LOCK_DIRECTORY": str(directory)}
    yield
    assert not any(counted._held.values())


def takes() -> int:
    return estimate(header(), variant(640))


def render() -> str:
    """Let in at once, or refused."""
    with admit(takes, Deadline(0)):
        return "rendered"


def limit(settings: Settings, **limits: int) -> None:
    settings.RESIZER = {**settings.RESIZER, **limits}


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set when somebody pauses."""
    event = threading.Event()
    monkeypatch.setattr("resizer.concurrency.waiting.release_connections", event.set)
    return event


def test_no_more_renders_than_places(settings: Settings, waits: threading.Event) -> None:
    limit(settings, MAX_RENDERS=2, MAX_RENDER_MEGABYTES=10_000)
    with admit(takes, Deadline(0)), admit(takes, Deadline(0)):
        with pytest.raises(Busy, match="waited too long for a core"):
            render()
        assert not waits.is_set()
    assert render() == "rendered"


def test_no_more_megabytes_than_the_budget(settings: Settings) -> None:
    megabytes = estimate(header(), variant(640))
    limit(settings, MAX_RENDERS=8, MAX_RENDER_MEGABYTES=2 * megabytes)
    with (
        admit(takes, Deadline(0)),
        admit(takes, Deadline(0)),
        pytest.raises(Busy),
    ):
        render()


def test_who_is_alone_is_let_in_whatever_it_takes(settings: Settings) -> None:
    limit(settings, MAX_RENDER_MEGABYTES=1)
    with admit(takes, Deadline(0)), pytest.raises(Busy):
        render()


def test_default_is_what_the_machine_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resizer.concurrency.machine.cores", lambda: 1)
    with admit(takes, Deadline(0)), pytest.raises(Busy):
        render()
    monkeypatch.setattr("resizer.concurrency.machine.cores", lambda: 2)
    monkeypatch.setattr("resizer.concurrency.machine.megabytes", lambda: 100)
    with admit(takes, Deadline(0)), pytest.raises(Busy):
        render()


def test_who_waits_gets_the_place_of_who_leaves(settings: Settings, waits: threading.Event) -> None:
    limit(settings, MAX_RENDERS=1)

    def wait() -> str:
        with admit(takes, Deadline(10)):
            return "rendered"

    with ThreadPoolExecutor(1) as pool:
        with admit(takes, Deadline(0)):
            waiter = pool.submit(wait)
            assert waits.wait(10)
            assert not waiter.done()
        assert waiter.result(10) == "rendered"


def test_those_beyond_the_queue_are_refused_at_once(
    settings: Settings, waits: threading.Event
) -> None:
    limit(settings, MAX_RENDERS=1, MAX_WAITING=1)

    def wait() -> None:
        with admit(takes, Deadline(10)):
            pass

    with ThreadPoolExecutor(1) as pool:
        with admit(takes, Deadline(0)):
            waiter = pool.submit(wait)
            assert waits.wait(10)
            with pytest.raises(Busy, match="too many renders wait already"):
                wait()
        waiter.result(10)


def test_error_frees_the_place(settings: Settings) -> None:
    limit(settings, MAX_RENDERS=1)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), admit(takes, Deadline(0)):
            raise ZeroDivisionError


def test_no_descriptor_is_left_open(settings: Settings) -> None:
    limit(settings, MAX_RENDERS=2)
    before = len(os.listdir("/dev/fd"))
    with (
        admit(takes, Deadline(0)),
        admit(takes, Deadline(0)),
        pytest.raises(Busy),
    ):
        render()
    # What other tests have left may go meanwhile.
    assert len(os.listdir("/dev/fd")) <= before
