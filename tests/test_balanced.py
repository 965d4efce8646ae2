"""Two servers behind a balancer that asks them by turns, and a browser that follows where it is led."""

from __future__ import annotations

import os
import re
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.nginx import Reply, ask, nginx
from tests.pictures import TOLERANCE, decode, difference, draw, encode
from tests.servers import free_port, gunicorn_server, redis_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Chromium gives up after as many (net/url_request/url_request.h).
MOST_REDIRECTS = 20
UPRIGHT = draw((640, 480))
TURNED = UPRIGHT.rotate(180)


class Site(NamedTuple):
    address: str
    #: Of the servers behind it.
    servers: list[str]

    def candidates(self, name: str) -> list[list[str]]:
        """What the page of each server offers of a static file."""
        pages = [ask(f"{server}/page/{name}").body.decode() for server in self.servers]
        found = [re.findall(r"/img/[^ ,\"]+", page) for page in pages]
        assert all(found)
        return [list(dict.fromkeys(one)) for one in found]


@contextmanager
def balanced(directory: Path, **environment: str) -> Iterator[Site]:
    """Two servers, which have each collected `same.jpg` and another `logo.jpg`, at a time of its own."""
    with ExitStack() as stack:
        servers = []
        for number, logo in enumerate((UPRIGHT, TURNED)):
            data = directory / str(number)
            (data / "static").mkdir(parents=True)
            for name, image in {"same.jpg": UPRIGHT, "logo.jpg": logo}.items():
                path = data / "static" / name
                path.write_bytes(encode(image, quality=90))
                os.utime(path, (1_700_000_000 + number, 1_700_000_000 + number))
            settings = {
                "DJANGO_SETTINGS_MODULE": "tests.balanced_settings",
                "DJANGO_DEBUG": "0",
                "DJANGO_SECRET_KEY": "the same for both",
                "DJANGO_ALLOWED_HOSTS": "127.0.0.1",
                "RESIZER_DATA_DIR": str(data),
                **environment,
            }
            server = gunicorn_server(settings, processes=1, threads=2)
            servers.append(stack.enter_context(server)[0])
        address = f"http://127.0.0.1:{free_port()}"
        upstream = " ".join(f"server {one.removeprefix('http://')};" for one in servers)
        http = f"""
    upstream both {{ {upstream} }}
    server {{
        listen {address.removeprefix("http://")};
        location / {{ proxy_pass http://both; proxy_set_header Host $host; }}
    }}
"""
        stack.enter_context(nginx(directory / "nginx", address, http))
        yield Site(address, servers)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Each server has a cache of its own."""
    with balanced(tmp_path_factory.mktemp("balanced")) as site:
        yield site


def browse(site: Site, path: str) -> tuple[Reply, int]:
    """What a browser shows in the end, and how often it was led elsewhere."""
    for redirects in range(MOST_REDIRECTS):
        reply = ask(site.address + path)
        if reply.status != 302:
            return reply, redirects
        path = reply.headers["Location"]
    pytest.fail("led in a circle")


pytestmark = [pytest.mark.service("nginx")]


def test_files_that_were_collected_twice_have_one_url(site: Site) -> None:
    first, second = site.candidates("same.jpg")
    assert first == second
    for path in first * 2:
        reply, redirects = browse(site, path)
        assert (reply.status, redirects) == (200, 0)
        assert reply.headers["Cache-Control"].endswith("immutable")


def test_files_that_differ_lead_nobody_in_a_circle(site: Site) -> None:
    first, second = site.candidates("logo.jpg")
    assert not set(first) & set(second)
    _browse_all(site, first, second)


@pytest.mark.service("redis")
def test_files_that_differ_lead_nobody_in_a_circle_with_a_shared_cache(tmp_path: Path) -> None:
    with (
        redis_server(tmp_path) as redis,
        balanced(tmp_path / "balanced", TESTS_CACHE=redis) as site,
    ):
        first, second = site.candidates("logo.jpg")
        # What is remembered for both is what one of them has.
        assert first == second
        _browse_all(site, first, second)


def _browse_all(site: Site, first: list[str], second: list[str]) -> None:
    for path in [*first, *second] * 3:
        reply, _ = browse(site, path)
        assert reply.status == 200
        shown = decode(reply.body)
        away = [difference(shown, one.resize(shown.size)) for one in (UPRIGHT, TURNED)]
        assert min(away) < TOLERANCE
        # The picture of the other server is nobody's for long.
        wanted = away[0] if path in first else away[1]
        if wanted >= TOLERANCE:
            assert reply.headers["Cache-Control"] == "public, max-age=60"
