"""Many clients of a server of four processes with four threads each."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import sqlite3
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import boto3
import psycopg
import pytest
from PIL import Image

from resizer.concurrency import machine
from resizer.conf import read_settings
from tests.conftest import files, wait_until
from tests.hostile_server import Talk, head, hostile_server
from tests.nginx import Reply, ask
from tests.pictures import decode, encode, photograph
from tests.processes import watched
from tests.servers import (
    ROOT,
    gunicorn_server,
    manage,
    moto_server,
    postgresql_server,
    redis_server,
)

#: Of servers with 16 threads: most of them wait for a thread.
CLIENTS = 80
LOCK_SECONDS = read_settings({})[0].LOCK_SECONDS
S3 = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "RESIZER_VARIANTS_BUCKET": "variants",
}


class Project(NamedTuple):
    """One that is not served yet."""

    directory: Path
    environment: dict[str, str]

    def save(self, name: str, content: bytes) -> None:
        path = self.directory / "originals" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)

    def stored(self) -> list[str]:
        return files(self.directory / "variants")

    def lines(self) -> list[str]:
        """What the engines of all processes did, such as "begin 4711"."""
        path = Path(self.environment["TESTS_LOG"])
        return path.read_text().splitlines() if path.exists() else []

    def log(self) -> list[str]:
        return [line.split()[0] for line in self.lines()]


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of SQLite with all tables."""
    directory = tmp_path_factory.mktemp("tables")
    manage(ROOT, _environment(directory), "migrate")
    return directory / "db.sqlite3"


@pytest.fixture
def project(tables: Path, tmp_path: Path) -> Project:
    directory = tmp_path / "data"
    directory.mkdir()
    shutil.copy(tables, directory)
    return Project(directory, _environment(directory))


def _environment(directory: Path) -> dict[str, str]:
    return {
        "DJANGO_SETTINGS_MODULE": "tests.load_settings",
        "DJANGO_SECRET_KEY": "for tests only",
        "DJANGO_ALLOWED_HOSTS": "127.0.0.1",
        "RESIZER_OPEN": "default",
        "RESIZER_DATA_DIR": str(directory),
        "TESTS_LOCKS": str(directory / "locks"),
        "TESTS_LOG": str(directory / "engine.log"),
    }


def ask_together(urls: list[str], clients: int) -> list[Reply]:
    with ThreadPoolExecutor(clients) as pool:
        return list(pool.map(ask, urls))


def _ask_for_one(project: Project, *, renders: int) -> None:
    """Many ask for one variant, then many for one of a broken original, in at most so many renders each."""
    content = photograph((1600, 1200))
    project.save("whole.jpg", content)
    project.save("broken.jpg", content[: len(content) // 2])
    with gunicorn_server(project.environment) as (address, _process):
        whole = ask_together([f"{address}/img/640/whole.jpg"] * CLIENTS, CLIENTS)
        assert Counter(reply.status for reply in whole) == {200: CLIENTS}
        assert len({reply.body for reply in whole}) == 1
        assert len({reply.headers["Content-Location"] for reply in whole}) == 1
        assert decode(whole[0].body).size == (640, 480)
        assert 1 <= project.log().count("begin") <= renders
        made = len(project.log())
        broken = ask_together([f"{address}/img/640/broken.jpg"] * CLIENTS, CLIENTS)
        assert Counter(reply.status for reply in broken) == {422: CLIENTS}
        assert 1 <= project.log()[made:].count("begin") <= renders


def rows(project: Project) -> list[str]:
    with closing(sqlite3.connect(project.directory / "db.sqlite3")) as connection:
        return [key for (key,) in connection.execute("SELECT key FROM resizer_cachedvariant")]


def test_processes_of_a_machine_make_a_variant_once(project: Project) -> None:
    _ask_for_one(project, renders=1)
    (key,) = project.stored()
    assert rows(project) == [key]


@pytest.mark.service("redis")
def test_hosts_that_share_a_redis_make_a_variant_once(project: Project, tmp_path: Path) -> None:
    with redis_server(tmp_path) as redis:
        project.environment.update(TESTS_CACHE=redis, TESTS_HOSTS="1")
        _ask_for_one(project, renders=1)
    (key,) = project.stored()
    assert rows(project) == [key]


@pytest.mark.service("postgresql")
def test_hosts_that_share_a_postgresql_make_a_variant_once(project: Project) -> None:
    with postgresql_server() as database:
        project.environment.update(TESTS_CACHE="cache", TESTS_HOSTS="1", DATABASE_URL=database)
        manage(ROOT, project.environment, "migrate", "resizer")
        manage(ROOT, project.environment, "createcachetable")
        _ask_for_one(project, renders=1)
        with psycopg.connect(database) as connection:
            rows = connection.execute("SELECT key FROM resizer_cachedvariant").fetchall()
    (key,) = project.stored()
    assert rows == [(key,)]


def test_hosts_that_share_only_a_bucket_keep_one_variant(project: Project) -> None:
    with moto_server() as moto:
        project.environment.update(S3, AWS_ENDPOINT_URL=moto, TESTS_HOSTS="1")
        client = boto3.client(
            "s3",
            endpoint_url=moto,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
            region_name="us-east-1",
        )
        client.create_bucket(Bucket="variants")
        # One for each host.
        _ask_for_one(project, renders=4)
        (stored,) = client.list_objects_v2(Bucket="variants")["Contents"]
    assert [f"img/{key}" for key in rows(project)] == [stored["Key"]]


def test_many_variants_at_once_are_made_in_turn_or_refused(project: Project) -> None:
    widths = (16, 24, 32, 48, 64, 96, 128, 192, 256, 320)
    content = photograph((400, 300))
    for number in range(20):
        project.save(f"{number}.jpg", content)
    project.save("warm.jpg", content)
    project.environment["TESTS_WAITING"] = "2"
    with gunicorn_server(project.environment) as (address, process):
        warm = f"{address}/img/320/warm.jpg"
        assert ask(warm).status == 200
        urls = [f"{address}/img/{width}/{number}.jpg" for number in range(20) for width in widths]
        is_over = threading.Event()
        hits: list[int] = []

        def ask_for_warm() -> None:
            while not is_over.wait(0.02):
                hits.append(ask(warm).status)

        def ask_and_wait(url: str) -> tuple[Reply, float]:
            started = time.monotonic()
            return ask(url), time.monotonic() - started

        with (
            watched(process.pid) as seen,
            ThreadPoolExecutor(1) as pool,
            ThreadPoolExecutor(100) as clients,
        ):
            asking = pool.submit(ask_for_warm)
            try:
                waited = list(clients.map(ask_and_wait, urls))
            finally:
                is_over.set()
            asking.result()
        assert set(hits) == {200}
        replies = [reply for reply, _ in waited]
        assert max(seconds for _, seconds in waited) < LOCK_SECONDS
        # Small pictures: mostly the libraries. Of children there are no more than may work at once.
        assert max(seen.peaks.values()) < 150_000_000
        # And of each process that ends one that may not have ended yet.
        assert seen.most <= 1 + 4 * (2 + 2 + machine.cores())
        for reply in replies:
            assert reply.status in {200, 503}
            assert reply.headers["Retry-After"] == ("1" if reply.status == 503 else None)
        # Two at work, one who waits, and a place for the one who stops waiting.
        again = ask_together(urls, 3)
        assert {reply.status for reply in again} == {200}
    assert len(project.stored()) == len(set(rows(project))) == 201
    at_once = most = 0
    for word in project.log():
        at_once += 1 if word == "begin" else -1
        most = max(most, at_once)
    assert most == 2


@pytest.mark.parametrize("names", ["{}.jpg", "same.jpg"], ids=["originals", "widths"])
def test_threads_that_wait_leave_others_for_what_is_there(
    project: Project, tmp_path: Path, names: str
) -> None:
    content = photograph((400, 300))
    hold = tmp_path / "hold"
    widths = (16, 24, 32, 48, 64, 96, 128, 192, 256, 320)
    cold = sorted({(names.format(number), width) for number in range(4) for width in widths})
    for name in {"warm.jpg", *(name for name, _ in cold)}:
        project.save(name, content)
    project.environment.update(TESTS_HOLD=str(hold), TESTS_THREADS="2")
    with (
        gunicorn_server(project.environment, processes=2) as (address, _process),
        ThreadPoolExecutor(len(cold)) as pool,
    ):
        warm = f"{address}/img/320/warm.jpg"
        assert ask(warm).status == 200
        hold.touch()
        asked = [pool.submit(ask, f"{address}/img/{width}/{name}") for name, width in cold]
        try:
            # All of them but two in each process; no render goes on, so those keep their threads.
            wait_until(lambda: sum(not one.done() for one in asked) <= 4)
            hits = [ask(warm).status for _ in range(50)]
            refused = [one.result() for one in asked if one.done()]
        finally:
            hold.unlink()
        replies = [one.result() for one in asked]
    assert set(hits) == {200}
    assert len(refused) >= len(cold) - 4
    assert {(one.status, one.headers["Retry-After"]) for one in refused} == {(503, "1")}
    assert Counter(one.status for one in replies)[200] >= 1


@pytest.mark.parametrize("held", ["slow/size", "slow/open", "resizer/save"])
def test_storage_that_is_slow_does_not_take_all_threads(
    project: Project, tmp_path: Path, held: str
) -> None:
    content = photograph((400, 300))
    names = [f"{number}.jpg" for number in range(40)]
    for name in ("warm.jpg", *names):
        project.save(name, content)
    hold = tmp_path / "hold" / held
    hold.parent.mkdir(parents=True)
    project.environment.update(TESTS_SLOW=str(tmp_path / "hold"), TESTS_THREADS="3")
    with (
        gunicorn_server(project.environment, processes=2) as (address, _process),
        ThreadPoolExecutor(len(names)) as pool,
    ):
        warm = f"{address}/img/320/warm.jpg"
        assert ask(warm).status == 200
        hold.touch()
        asked = [pool.submit(ask, f"{address}/img/320/_web/{name}") for name in names]
        try:
            wait_until(lambda: sum(not one.done() for one in asked) <= 6)
            hits = [ask(warm).status for _ in range(50)]
            refused = [one.result() for one in asked if one.done()]
        finally:
            hold.unlink()
        replies = [one.result() for one in asked]
        assert set(hits) == {200}
        assert len(refused) >= len(names) - 6
        assert {(one.status, one.headers["Retry-After"]) for one in refused} == {(503, "1")}
        assert {one.status for one in replies} == {200, 503}
        assert ask(f"{address}/img/320/_web/{names[-1]}").status == 200


@pytest.mark.parametrize("kind", ["TESTS_WEB", "TESTS_BUCKET"], ids=["web", "S3"])
@pytest.mark.parametrize("sent", [20, 2_000, 80_000], ids=["headers", "starts", "bodies"])
def test_source_that_is_slow_does_not_take_all_threads(
    project: Project, kind: str, sent: int
) -> None:
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

    project.save("warm.jpg", photo)
    project.save("cold.jpg", photograph((1200, 900)))
    with hostile_server() as web:
        web.on("", serve)
        project.environment.update({kind: web.url, "TESTS_FETCHES": "2"})
        with (
            gunicorn_server(project.environment, processes=2, threads=5) as (address, _process),
            ThreadPoolExecutor(16) as pool,
        ):
            warm = f"{address}/img/320/warm.jpg"
            assert ask(warm).status == 200
            urls = [f"{address}/img/320/_web/{number}.jpg" for number in range(16)]
            asked = [pool.submit(ask_until_well, url) for url in urls]
            try:
                wait_until(lambda: are_stuck() >= 4)
                # Whom the source keeps waiting keeps nobody else: each of these would wait for a minute.
                hits = [ask(warm).status for _ in range(20)]
                made = [ask(f"{address}/img/{width}/cold.jpg").status for width in (320, 640, 1080)]
                # A first look that took long has ended by now, or will.
                wait_until(lambda: are_stuck() == 4)
            finally:
                is_well.set()
            replies = [reply for one in asked for reply in one.result()]
    assert set(hits) == set(made) == {200}
    assert Counter(reply.status for reply in replies)[200] == len(urls)
    assert {reply.status for reply in replies} == {200, 503}
    assert {reply.headers["Retry-After"] for reply in replies if reply.status != 200} == {"1"}


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
        gunicorn_server(project.environment, processes=2) as (address, _process),
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
