"""Many clients of a server for which renders, storages or sources are slow: other requests still get a thread."""

from __future__ import annotations

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from tests.conftest import wait_until
from tests.hostile_server import Talk, head, hostile_server
from tests.nginx import Reply, ask
from tests.pictures import encode, photograph
from tests.servers import gunicorn_server

if TYPE_CHECKING:
    from pathlib import Path

    from tests.projects import Project


def ask_while_held(urls: list[str], warm: str, hold: Path, *, stuck: int) -> list[Reply]:
    """While this file holds their work, all requests but so many are refused, and a picture that is there is shown."""
    with ThreadPoolExecutor(len(urls)) as pool:
        hold.touch()
        asked = [pool.submit(ask, url) for url in urls]
        try:
            wait_until(lambda: sum(not one.done() for one in asked) <= stuck)
            hits = [ask(warm).status for _ in range(50)]
            refused = [one.result() for one in asked if one.done()]
        finally:
            hold.unlink()
        replies = [one.result() for one in asked]
    assert set(hits) == {200}
    assert len(refused) >= len(urls) - stuck
    assert {(one.status, one.headers["Retry-After"]) for one in refused} == {(503, "1")}
    return replies


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
    with gunicorn_server(project.environment, processes=2, is_forked=True) as (address, _process):
        warm = f"{address}/img/320/warm.jpg"
        assert ask(warm).status == 200
        urls = [f"{address}/img/{width}/{name}" for name, width in cold]
        # Two in each process; no render goes on, so those keep their threads.
        replies = ask_while_held(urls, warm, hold, stuck=4)
    assert 200 in {one.status for one in replies}


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
    with gunicorn_server(project.environment, processes=2, is_forked=True) as (address, _process):
        warm = f"{address}/img/320/warm.jpg"
        assert ask(warm).status == 200
        urls = [f"{address}/img/320/_web/{name}" for name in names]
        replies = ask_while_held(urls, warm, hold, stuck=6)
        assert {one.status for one in replies} == {200, 503}
        assert ask(urls[-1]).status == 200


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
            gunicorn_server(project.environment, processes=2, threads=5, is_forked=True) as (
                address,
                _process,
            ),
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
