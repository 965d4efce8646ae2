"""Many clients of a server of several processes with four threads each: variants are made once, and in turn."""

from __future__ import annotations

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from resizer.concurrency import machine
from resizer.conf import read_settings
from tests.conftest import wait_until
from tests.nginx import Reply, ask
from tests.pictures import decode, photograph
from tests.processes import watched
from tests.projects import Project, ask_together, rows
from tests.servers import (
    ROOT,
    gunicorn_server,
    manage,
    postgresql_server,
    s3_with,
)

#: Of servers with eight threads: most of them wait for a thread.
CLIENTS = 40
LOCK_SECONDS = read_settings({})[0].LOCK_SECONDS
S3 = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "RESIZER_VARIANTS_BUCKET": "variants-of-hosts",
}


def _ask_for_one(project: Project, *, renders: int, is_forked: bool = False) -> None:
    """Many ask for one variant, then many for one of a broken original, in at most so many renders each."""
    content = photograph((1600, 1200))
    project.save("whole.jpg", content)
    project.save("broken.jpg", content[: len(content) // 2])
    with gunicorn_server(project.environment, processes=2, is_forked=is_forked) as (address, _):
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


def test_processes_of_a_machine_make_a_variant_once(project: Project) -> None:
    _ask_for_one(project, renders=1, is_forked=True)
    (key,) = project.stored()
    assert rows(project) == [key]


@pytest.mark.service("postgresql")
def test_hosts_that_share_a_postgresql_make_a_variant_once(project: Project) -> None:
    import psycopg

    with postgresql_server() as database:
        project.environment.update(TESTS_CACHE="cache", TESTS_HOSTS="1", DATABASE_URL=database)
        manage(ROOT, project.environment, "migrate", "resizer")
        manage(ROOT, project.environment, "createcachetable")
        _ask_for_one(project, renders=1)
        with psycopg.connect(database) as connection:
            rows = connection.execute("SELECT key FROM resizer_cachedvariant").fetchall()
    (key,) = project.stored()
    assert rows == [(key,)]


def test_hosts_that_share_only_a_bucket_keep_one_variant(project: Project, moto_url: str) -> None:
    project.environment.update(S3, AWS_ENDPOINT_URL=moto_url, TESTS_HOSTS="1")
    client = s3_with(moto_url, S3["RESIZER_VARIANTS_BUCKET"])
    # One for each host.
    _ask_for_one(project, renders=2)
    (stored,) = client.list_objects_v2(Bucket=S3["RESIZER_VARIANTS_BUCKET"])["Contents"]
    assert [f"img/{key}" for key in rows(project)] == [stored["Key"]]


def test_many_variants_at_once_are_made_in_turn_or_refused(project: Project) -> None:
    widths = (16, 24, 32, 48, 64, 96, 128, 192, 256, 320)
    content = photograph((400, 300))
    for number in range(10):
        project.save(f"{number}.jpg", content)
    project.save("warm.jpg", content)
    project.environment["TESTS_WAITING"] = "2"
    with gunicorn_server(project.environment, is_forked=True) as (address, process):
        warm = f"{address}/img/320/warm.jpg"
        assert ask(warm).status == 200
        wait_until(lambda: rows(project))
        urls = [f"{address}/img/{width}/{number}.jpg" for number in range(10) for width in widths]
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
        # One may be at work beside its response, for the sketch.
        again = ask_together(urls, 2)
        assert {reply.status for reply in again} == {200}
    assert len(project.stored()) == len(set(rows(project))) == 101
    at_once = most = 0
    for word in project.log():
        at_once += 1 if word == "begin" else -1
        most = max(most, at_once)
    assert most == 2
