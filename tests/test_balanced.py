"""Two servers behind a balancer that asks them by turns, and a browser that follows where it is led."""

from __future__ import annotations

import os
import re
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.nginx import Reply, ask, nginx
from tests.pictures import TOLERANCE, decode, difference, draw, encode
from tests.servers import free_port, gunicorn_server, manage, redis_server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from PIL.Image import Image

ROOT = Path(__file__).parent.parent
#: Chromium gives up after as many (net/url_request/url_request.h).
MOST_REDIRECTS = 20
PAGE = """
from resizer import picture
print(picture("static:logo.jpg", formats=[]))
"""
UPRIGHT = draw((640, 480))
TURNED = UPRIGHT.rotate(180)


class Site(NamedTuple):
    address: str
    #: The pages that each server prints.
    pages: list[str]


@contextmanager
def balanced(directory: Path, *logos: Image, **environment: str) -> Iterator[Site]:
    """A server for each logo, which it has collected at a time of its own."""
    with ExitStack() as stack:
        servers, pages = [], []
        for number, logo in enumerate(logos):
            data = directory / str(number)
            (data / "static").mkdir(parents=True)
            path = data / "static/logo.jpg"
            path.write_bytes(encode(logo, quality=90))
            os.utime(path, (1_700_000_000 + number, 1_700_000_000 + number))
            settings = {
                "DJANGO_SETTINGS_MODULE": "tests.balanced_settings",
                "DJANGO_DEBUG": "0",
                "DJANGO_SECRET_KEY": "the same for both",
                "DJANGO_ALLOWED_HOSTS": "127.0.0.1",
                "RESIZER_DATA_DIR": str(data),
                **environment,
            }
            pages.append(manage(ROOT, settings, "shell", "-v", "0", "-c", PAGE))
            server = gunicorn_server(settings, processes=1, threads=2)
            servers.append(stack.enter_context(server)[0].removeprefix("http://"))
        address = f"http://127.0.0.1:{free_port()}"
        upstream = " ".join(f"server {server};" for server in servers)
        http = f"""
    upstream both {{ {upstream} }}
    server {{
        listen {address.removeprefix("http://")};
        location / {{ proxy_pass http://both; proxy_set_header Host $host; }}
    }}
"""
        stack.enter_context(nginx(directory / "nginx", address, http))
        yield Site(address, pages)


def candidates(page: str) -> list[str]:
    found = re.findall(r"/img/[^ ,\"]+", page)
    assert found
    return list(dict.fromkeys(found))


def browse(site: Site, path: str) -> tuple[Reply, int]:
    """What a browser shows in the end, and how often it was led elsewhere."""
    for redirects in range(MOST_REDIRECTS):
        reply = ask(site.address + path)
        if reply.status != 302:
            return reply, redirects
        path = reply.headers["Location"]
    pytest.fail("led in a circle")


pytestmark = [pytest.mark.service("nginx")]


def test_files_that_were_collected_twice_have_one_url(tmp_path: Path) -> None:
    with balanced(tmp_path, UPRIGHT, UPRIGHT) as site:
        first, second = (candidates(page) for page in site.pages)
        assert first == second
        for path in first * 2:
            reply, redirects = browse(site, path)
            assert (reply.status, redirects) == (200, 0)
            assert reply.headers["Cache-Control"].endswith("immutable")


@pytest.mark.parametrize(
    "cache", ["one for each", pytest.param("shared", marks=pytest.mark.service("redis"))]
)
def test_files_that_differ_lead_nobody_in_a_circle(tmp_path: Path, cache: str) -> None:
    with ExitStack() as stack:
        environment: Mapping[str, str] = {}
        if cache == "shared":
            environment = {"TESTS_CACHE": stack.enter_context(redis_server(tmp_path))}
        site = stack.enter_context(balanced(tmp_path, UPRIGHT, TURNED, **environment))
        first, second = (candidates(page) for page in site.pages)
        # What is remembered for both is what one of them has.
        assert (set(first) == set(second)) is (cache == "shared")
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
