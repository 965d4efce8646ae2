"""Servers that are told to end, and processes that are killed, while clients ask and files disappear."""

from __future__ import annotations

import http.client
import os
import random
import signal
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from resizer.maintenance.purging import UNFINISHED_SECONDS
from tests.conftest import wait_until
from tests.nginx import Reply, ask
from tests.pictures import decode, photograph
from tests.projects import rows
from tests.servers import ROOT, gunicorn_server, manage

if TYPE_CHECKING:
    from tests.projects import Project

#: How many processes are killed, one after the other …
KILLED = 16
#: … each after so many more pictures, however slow the machine is at present.
ANSWERS = 8
CLIENTS = 10
WIDTHS = (64, 128, 256, 320, 480)
#: Longer than any picture takes here, and shorter than anybody waits for a lock.
PROMPT_SECONDS = 15


class Clients:
    """Many that ask for one picture after the other, and do not mind what is refused or cut off."""

    def __init__(self, urls: list[str]) -> None:
        self._urls = urls
        self.is_over = threading.Event()
        #: How often each status came; None is a connection that was cut.
        self.statuses: Counter[int | None] = Counter()
        #: What was answered, each once.
        self.pictures: set[tuple[str, bytes]] = set()

    def ask(self) -> None:
        while not self.is_over.is_set():
            url = random.choice(self._urls)
            try:
                reply = ask(url)
            except (OSError, http.client.HTTPException):
                self.statuses[None] += 1
                continue
            self.statuses[reply.status] += 1
            if reply.status == 200:
                self.pictures.add((url, reply.body))


def _kill_one(server: int) -> None:
    """One of the server's processes, whatever it is at."""
    children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
    # It may have ended just now.
    with suppress(ProcessLookupError):
        os.kill(int(random.choice(children)), signal.SIGKILL)


def _delete_some(variants: Path) -> None:
    for path in variants.rglob("*.*"):
        if path.is_file() and not path.name.startswith(".") and random.random() < 0.2:
            path.unlink()


def _delete_until_answered(clients: Clients, variants: Path) -> None:
    """Delete some variants again and again, until clients have got some more pictures."""
    wanted = clients.statuses[200] + ANSWERS
    ends_at = time.monotonic() + 60
    while clients.statuses[200] < wanted:
        assert time.monotonic() < ends_at
        _delete_some(variants)
        clients.is_over.wait(0.05)


def _width(url: str) -> int:
    return int(url.split("/")[-2])


def _ask_promptly(url: str) -> Reply:
    started_at = time.monotonic()
    reply = ask(url)
    assert time.monotonic() - started_at < PROMPT_SECONDS
    return reply


def _ask_for_all(urls: list[str]) -> list[Reply]:
    with ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(_ask_promptly, urls))
    assert {reply.status for reply in replies} == {200}
    return replies


def test_processes_that_are_killed_leave_every_variant_whole_and_recorded(
    project: Project,
) -> None:
    for number in range(10):
        project.save(f"{number}.jpg", photograph((800, 600 + number)))
    paths = [f"/img/{width}/{number}.jpg" for width in WIDTHS for number in range(10)]
    with gunicorn_server(project.environment, is_forked=True) as (address, server):
        urls = [f"{address}{path}" for path in paths]
        clients = Clients(urls)
        with ThreadPoolExecutor(CLIENTS) as pool:
            asking = [pool.submit(clients.ask) for _ in range(CLIENTS)]
            try:
                for _ in range(KILLED):
                    _delete_until_answered(clients, project.directory / "variants")
                    _kill_one(server.pid)
            finally:
                clients.is_over.set()
            for one in asking:
                one.result()
        assert set(clients.statuses) <= {200, 503, None}
        assert clients.statuses[200] > len(urls)
        for url, picture in clients.pictures:
            assert decode(picture).width == _width(url)
        _ask_for_all(urls)
    # Processes that remember nothing look at what the killed ones have left.
    with gunicorn_server(project.environment, is_forked=True) as (address, _server):
        urls = [f"{address}{path}" for path in paths]
        replies = _ask_for_all(urls)
    keys = [reply.headers["Content-Location"].removeprefix("/img/") for reply in replies]
    assert len(set(keys)) == len(urls)
    for url, reply, key in zip(urls, replies, keys, strict=True):
        stored = (project.directory / "variants" / key).read_bytes()
        assert stored == reply.body
        assert decode(stored).width == _width(url)
    unfinished = set(project.stored()) - set(keys)
    long_ago = time.time() - UNFINISHED_SECONDS - 1
    for name in unfinished:
        assert Path(name).name.startswith(".")
        assert name.endswith(".tmp")
        os.utime(project.directory / "variants" / name, (long_ago, long_ago))
    manage(ROOT, project.environment, "resizer_purge")
    assert project.stored() == sorted(keys)
    assert sorted(rows(project)) == sorted(keys)


def test_server_that_is_told_to_end_lets_a_render_finish(project: Project, tmp_path: Path) -> None:
    project.save("a.jpg", photograph((400, 300)))
    hold = tmp_path / "hold"
    hold.touch()
    log = tmp_path / "gunicorn.log"
    project.environment["TESTS_HOLD"] = str(hold)
    project.environment["GUNICORN_CMD_ARGS"] = f"--error-logfile {log}"
    with (
        gunicorn_server(project.environment, processes=1) as (address, process),
        ThreadPoolExecutor(1) as pool,
    ):
        reply = pool.submit(ask, f"{address}/img/320/a.jpg")
        wait_until(lambda: project.log() == ["begin"])
        process.terminate()
        wait_until(lambda: "Handling signal: term" in log.read_text())
        hold.unlink()
        assert reply.result().status == 200
        assert process.wait(30) == 0
    assert len(project.stored()) == 1


def test_process_that_is_killed_leaves_its_work_to_another(
    project: Project, tmp_path: Path
) -> None:
    project.save("a.jpg", photograph((400, 300)))
    hold = tmp_path / "hold"
    hold.touch()
    project.environment["TESTS_HOLD"] = str(hold)
    with (
        gunicorn_server(project.environment, processes=2, is_forked=True) as (address, _process),
        ThreadPoolExecutor(1) as pool,
    ):
        url = f"{address}/img/320/a.jpg"
        reply = pool.submit(ask, url)
        wait_until(lambda: project.log() == ["begin"])
        os.kill(int(project.lines()[0].split()[1]), signal.SIGKILL)
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            reply.result()
        hold.unlink()
        assert ask(url).status == 200
    assert project.log() == ["begin", "begin", "end"]
    assert rows(project) == project.stored() != []
