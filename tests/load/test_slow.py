"""Many clients of a server for which renders, storages or sources are slow: other requests still get a thread."""

from __future__ import annotations

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import pytest
from PIL import Image

from tests import projects
from tests.conftest import wait_until
from tests.hostile_server import HostileServer, Talk, head, hostile_server
from tests.nginx import Reply, ask
from tests.pictures import encode, photograph
from tests.projects import Project, rows
from tests.servers import gunicorn_server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


class Site(NamedTuple):
    """A server of two processes; `warm` is the URL of a variant that is stored."""

    project: Project
    address: str
    warm: str


@contextmanager
def served(
    directory: Path, migrated: Path, environment: Mapping[str, str], threads: int = 4
) -> Iterator[Site]:
    project = projects.make(migrated, directory / "data")
    project.environment.update(environment)
    project.save("warm.jpg", photograph((400, 300)))
    with gunicorn_server(project.environment, processes=2, threads=threads, is_forked=True) as (
        address,
        _process,
    ):
        warm = f"{address}/img/320/warm.jpg"
        assert ask(warm).status == 200
        # After its response.
        wait_until(lambda: rows(project))
        yield Site(project, address, warm)


def ask_while_held(site: Site, urls: list[str], hold: Path, *, stuck: int) -> list[Reply]:
    """While this file holds their work, all requests but so many are refused, and a picture that is there is shown."""
    with ThreadPoolExecutor(len(urls)) as pool:
        hold.touch()
        asked = [pool.submit(ask, url) for url in urls]
        try:
            wait_until(lambda: sum(not one.done() for one in asked) <= stuck)
            hits = [ask(site.warm).status for _ in range(50)]
            refused = [one.result() for one in asked if one.done()]
        finally:
            hold.unlink()
        replies = [one.result() for one in asked]
    # Until they are stored, they have their threads.
    shown = {one.headers["Content-Location"] for one in replies if one.status == 200}
    wait_until(lambda: shown <= {f"/img/{key}" for key in rows(site.project)})
    assert set(hits) == {200}
    assert len(refused) >= len(urls) - stuck
    assert {(one.status, one.headers["Retry-After"]) for one in refused} == {(503, "1")}
    return replies


@pytest.fixture(scope="module")
def hold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """While this file exists, no render goes on."""
    return tmp_path_factory.mktemp("hold") / "hold"


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory, migrated: Path, hold: Path) -> Iterator[Site]:
    environment = {"TESTS_HOLD": str(hold), "TESTS_THREADS": "2"}
    with served(tmp_path_factory.mktemp("held"), migrated, environment) as site:
        yield site


@pytest.mark.parametrize("names", ["{}.jpg", "same.jpg"], ids=["originals", "widths"])
def test_threads_that_wait_leave_others_for_what_is_there(
    held: Site, hold: Path, names: str
) -> None:
    widths = (16, 24, 32, 48, 64, 96, 128, 192, 256, 320)
    cold = sorted({(names.format(number), width) for number in range(4) for width in widths})
    for name in {name for name, _ in cold}:
        held.project.save(name, photograph((400, 300)))
    urls = [f"{held.address}/img/{width}/{name}" for name, width in cold]
    # Two in each process; no render goes on, so those keep their threads.
    replies = ask_while_held(held, urls, hold, stuck=4)
    assert 200 in {one.status for one in replies}


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Iterator[tuple[Site, Path]]:
    """One with slow storages, and the directory of the files that hold them up."""
    directory = tmp_path_factory.mktemp("slow")
    hold = directory / "hold"
    environment = {"TESTS_SLOW": str(hold), "TESTS_THREADS": "3"}
    with served(directory, migrated, environment) as site:
        yield site, hold


@pytest.mark.parametrize("held", ["slow/size", "slow/open", "resizer/save"])
def test_storage_that_is_slow_does_not_take_all_threads(slow: tuple[Site, Path], held: str) -> None:
    site, directory = slow
    names = [f"{held.replace('/', '-')}-{number}.jpg" for number in range(20)]
    for name in names:
        site.project.save(name, photograph((400, 300)))
    hold = directory / held
    hold.parent.mkdir(parents=True, exist_ok=True)
    urls = [f"{site.address}/img/320/_web/{name}" for name in names]
    replies = ask_while_held(site, urls, hold, stuck=6)
    assert {one.status for one in replies} == {200, 503}
    assert ask(urls[-1]).status == 200


class Web(NamedTuple):
    """A site with sources on the web."""

    server: HostileServer
    site: Site


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Iterator[Web]:
    with hostile_server() as server:
        keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
        sources = {"TESTS_WEB": server.url, "TESTS_BUCKET": server.url, "TESTS_FETCHES": "2"}
        directory = tmp_path_factory.mktemp("web")
        with served(directory, migrated, keys | sources, threads=5) as site:
            yield Web(server, site)


@pytest.mark.parametrize("source", ["web", "bucket"])
@pytest.mark.parametrize("sent", [20, 2_000, 80_000], ids=["headers", "starts", "bodies"])
def test_source_that_is_slow_does_not_take_all_threads(web: Web, source: str, sent: int) -> None:
    # Many bytes of few pixels: neither drawn nor decoded for long.
    photo = encode(Image.effect_noise((400, 300), 100), quality=95)
    headers = {"ETag": '"one"', "Last_Modified": "Thu, 26 Nov 2026 09:00:00 GMT"}
    content = head(Content_Length=str(len(photo)), X_Long="x" * 1000, **headers) + photo
    assert len(content) > sent + 10_000
    is_well = threading.Event()
    slow: dict[Talk, float] = {}

    def serve(talk: Talk) -> None:
        """So much at once; then a byte now and then, until it is well again or nobody listens any more."""
        slow[talk] = time.monotonic()
        try:
            talk.send(content[:sent])
            position = sent
            while not is_well.wait(0.05):
                talk.send(content[position : position + 1])
                position += 1
            talk.send(content[position:])
        finally:
            del slow[talk]

    def are_stuck() -> int:
        """How many wait, and for longer than a first look at a picture takes."""
        now = time.monotonic()
        return sum(now - since > 1 and not talk.is_over for talk, since in list(slow.items()))

    def ask_until_well(url: str) -> list[Reply]:
        replies = [ask(url)]
        while replies[-1].status != 200:
            is_well.wait(1)  # as Retry-After says
            replies.append(ask(url))
        return replies

    name = f"{source}-{sent}"
    server, site = web
    site.project.save(f"{name}.jpg", photograph((400, 300)))
    server.on("", serve)
    with ThreadPoolExecutor(16) as pool:
        urls = [f"{site.address}/img/320/_{source}/{name}-{number}.jpg" for number in range(16)]
        asked = [pool.submit(ask_until_well, url) for url in urls]
        try:
            wait_until(lambda: are_stuck() >= 4)
            # Whom the source keeps waiting keeps nobody else: each of these would wait for a minute.
            hits = [ask(site.warm).status for _ in range(20)]
            made = [
                ask(f"{site.address}/img/{width}/{name}.jpg").status for width in (64, 128, 256)
            ]
            # A first look that took long has ended by now, or will.
            wait_until(lambda: are_stuck() == 4)
        finally:
            is_well.set()
        replies = [reply for one in asked for reply in one.result()]
    assert set(hits) == set(made) == {200}
    assert Counter(reply.status for reply in replies)[200] == len(urls)
    assert {reply.status for reply in replies} == {200, 503}
    assert {reply.headers["Retry-After"] for reply in replies if reply.status != 200} == {"1"}


def test_hits_of_a_storage_that_hangs_leave_threads_for_pages(
    project: Project, tmp_path: Path
) -> None:
    content = photograph((64, 48))
    names = [f"{number}.jpg" for number in range(30)]
    for name in names:
        project.save(name, content)
    hold = tmp_path / "hold" / "resizer" / "open"
    hold.parent.mkdir(parents=True)
    project.environment.update(TESTS_SLOW=str(tmp_path / "hold"))
    with (
        gunicorn_server(project.environment, processes=1, threads=12) as (address, _process),
        ThreadPoolExecutor(len(names)) as pool,
    ):
        urls = [f"{address}/img/64/{name}" for name in names]
        assert {ask(url).status for url in urls} == {200}
        hold.touch()
        asked = [pool.submit(ask, url) for url in urls]
        try:
            wait_until(lambda: any(one.done() for one in asked))
            # A page, though it shows no picture.
            assert ask(f"{address}/img/").status == 404
        finally:
            hold.unlink()
        statuses = {one.result().status for one in asked}
    assert statuses == {200, 503}
