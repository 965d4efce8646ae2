"""A server that stores variants after their responses, with a storage that hangs, and processes that are killed."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.conftest import wait_until
from tests.nginx import ask
from tests.pictures import photograph
from tests.projects import rows
from tests.servers import gunicorn_server

if TYPE_CHECKING:
    from pathlib import Path

    from tests.projects import Project


@pytest.fixture
def hold(project: Project, tmp_path: Path) -> Path:
    """While this file exists, the variants storage hangs. The project has one original."""
    project.save("a.jpg", photograph((400, 300)))
    hold = tmp_path / "hold" / "resizer" / "save"
    hold.parent.mkdir(parents=True)
    hold.touch()
    project.environment.update(TESTS_SLOW=str(tmp_path / "hold"), TESTS_RESPOND_FIRST="1")
    return hold


def test_visitors_do_not_wait_for_a_storage_that_hangs(project: Project, hold: Path) -> None:
    with gunicorn_server(project.environment, processes=1) as (address, _process):
        url = f"{address}/img/320/a.jpg"
        first = ask(url)
        again = ask(url)
        assert (first.status, again.status) == (200, 200)
        assert first.body == again.body
        assert project.stored() == rows(project) == []
        hold.unlink()
        wait_until(lambda: rows(project))
    assert project.log() == ["begin", "end"]
    assert project.stored() == rows(project)


def test_process_that_is_killed_between_response_and_file_costs_a_render(
    project: Project, hold: Path
) -> None:
    with gunicorn_server(project.environment, processes=2, is_forked=True) as (address, _process):
        url = f"{address}/img/320/a.jpg"
        first = ask(url)
        assert first.status == 200
        # The engine goes on beside the response, for the sketch.
        wait_until(lambda: project.log() == ["begin", "end"])
        os.kill(int(project.lines()[0].split()[1]), signal.SIGKILL)
        hold.unlink()
        started = time.monotonic()
        again = ask(url)
        assert (again.status, again.body) == (200, first.body)
        # The kernel has released the lock of the process.
        assert time.monotonic() - started < 10
    assert project.log() == ["begin", "end", "begin", "end"]
    assert project.stored() == rows(project) != []


def test_second_process_gets_the_file_of_the_first(project: Project, tmp_path: Path) -> None:
    """Both processes are asked at once, again and again, and each variant is made once."""
    names = [f"{number}.jpg" for number in range(6)]
    for name in names:
        project.save(name, photograph((400, 300)))
    with (
        gunicorn_server(project.environment, processes=2, is_forked=True) as (address, _process),
        ThreadPoolExecutor(8) as pool,
    ):
        for name in names:
            replies = list(pool.map(ask, [f"{address}/img/320/{name}"] * 8))
            assert {reply.status for reply in replies} == {200}
            assert len({reply.body for reply in replies}) == 1
    assert project.log().count("begin") == len(names)
    assert len(project.stored()) == len(rows(project)) == len(names)
