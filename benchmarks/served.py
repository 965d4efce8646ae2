"""What a server pays for a request for a variant: `make bench-served`.

CPU milliseconds of all processes of a server for a request, and requests a second, the median of some rounds in turns.
16 connections are kept alive. Beside "hit", the URLs that strangers can send: of a former version, of a missing
original, with a wrong signature, with an unlisted width, and of a broken original. "bare" is a WSGI or ASGI
application without checks that sends the same file and headers: the limit.

To choose: python -m benchmarks.served gunicorn granian
"""

from __future__ import annotations

import dataclasses
import itertools
import os
import selectors
import socket
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.originals import PHOTOGRAPHS
from tests.processes import processor_seconds
from tests.servers import ROOT, free_port, manage, redis_server, running

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

CONNECTIONS = 16
REQUESTS = 2000
ROUNDS = 4

GUNICORN = (
    "gunicorn",
    "{app}",
    "--bind",
    "127.0.0.1:{port}",
    "--no-control-socket",
    "--workers",
    "2",
)
GRANIAN = ("granian", "{app}", "--port", "{port}", "--workers", "2", "--no-ws", "--interface")
UVICORN = (
    *("uvicorn", "{app}", "--port", "{port}", "--workers", "2", "--no-access-log"),
    *("--log-level", "error"),
)
#: The command and the interface of each.
SERVERS = {
    "gunicorn": ((*GUNICORN, "--threads", "4"), "wsgi"),
    "gunicorn 2x12": ((*GUNICORN, "--threads", "12"), "wsgi"),
    "granian": ((*GRANIAN, "wsgi"), "wsgi"),
    "granian asgi": ((*GRANIAN, "asgi"), "asgi"),
    "uvicorn": (UVICORN, "asgi"),
}
#: Which ones get the URLs of strangers.
STRANGERS = ("gunicorn wrapped", "gunicorn django", "granian wrapped", "gunicorn wrapped, Redis")
APPS = ("bare", "wrapped", "django")


class Load(NamedTuple):
    path: str
    status: int
    headers: str = ""
    #: In turns, instead of `path`.
    paths: Sequence[str] = ()


def main() -> None:
    chosen = sys.argv[1:] or list(SERVERS)
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        environment = fill(place)
        with_redis = {"RESIZER_BENCH_REDIS": stack.enter_context(redis_server(place))}
        loads = prepare(environment)
        servers = []
        for name in chosen:
            command, interface = SERVERS[name]
            for app in APPS:
                path = f"benchmarks.served_apps:{app}_{interface}"
                servers.append((f"{name} {app}", command, path, {}))
            if name in {"gunicorn", "granian"}:
                path = f"benchmarks.served_apps:wrapped_{interface}"
                servers.append((f"{name} wrapped, Redis", command, path, with_redis))
        started = [
            (name, *stack.enter_context(serving(command, app, environment | more)))
            for name, command, app, more in servers
        ]
        measure(started, loads)


def fill(directory: Path) -> dict[str, str]:
    """A project with originals; gives its environment."""
    environment = {
        "DJANGO_SECRET_KEY": "for measuring only",
        "DJANGO_ALLOWED_HOSTS": "127.0.0.1,testserver",
        "DJANGO_SETTINGS_MODULE": "benchmarks.served_settings",
        "DJANGO_LOG_LEVEL": "CRITICAL",
        "RESIZER_OPEN": "default",
        "RESIZER_DATA_DIR": str(directory),
    }
    manage(ROOT, environment, "migrate")
    originals = directory / "originals"
    originals.mkdir()
    large = min(PHOTOGRAPHS.glob("*.jpg")).read_bytes()
    (originals / "warm.jpg").write_bytes(large)
    (originals / "broken.jpg").write_bytes(large[: len(large) // 3])
    return environment


def prepare(environment: Mapping[str, str]) -> dict[str, Load]:
    """Sign the URLs, in the project."""
    os.environ.update(environment)
    import django

    django.setup()
    from django.test import Client

    from resizer import originals
    from resizer.keys.variant import parse_key, write_key
    from resizer.links.mount import mount_path
    from resizer.links.signing import sign
    from resizer.markup import picture

    mount = mount_path()
    path = picture.url("warm.jpg", width=640, format="jpeg")
    parsed = parse_key(path.removeprefix(mount))
    assert parsed is not None
    # The bare application makes nothing. A busy machine takes several attempts.
    assert any(Client().get(path).status_code == 200 for _ in range(20))

    def forge(**changes: object) -> str:
        variant = dataclasses.replace(parsed.variant, **changes)
        return mount + write_key(variant, sign(variant))

    broken = originals.look_up("broken.jpg").variant(
        parsed.variant.recipe, 640, parsed.variant.format
    )
    return {
        "hit": Load(path, 200),
        "304": Load(path, 304, "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT\r\n"),
        "former version": Load(forge(version="01234567"), 200),
        "missing original": Load(forge(name="missing.jpg"), 404),
        "wrong signature": Load(path.replace(parsed.signature, "x" * 14), 403),
        "unlisted width": Load(forge(width=641), 302),
        "broken original": Load(mount + write_key(broken, sign(broken)), 422),
    }


@contextmanager
def serving(
    command: tuple[str, ...],
    app: str,
    environment: Mapping[str, str],
    python: str | Path = sys.executable,
) -> Iterator[tuple[int, int]]:
    """Port and process of a server."""
    port = free_port()
    filled = [part.format(app=app, port=port) for part in command]
    options = {"cwd": ROOT, "env": os.environ | dict(environment)}

    def knock() -> None:
        socket.create_connection(("127.0.0.1", port), 5).close()

    with running([python, "-m", *filled], knock, seconds=30, **options) as process:
        yield port, process.pid


def measure(started: list[tuple[str, int, int]], loads: Mapping[str, Load]) -> None:
    costs: dict[tuple[str, str], list[tuple[float, float]]] = {}
    with get_context("spawn").Pool(1) as client:
        for _ in range(ROUNDS):
            for name, port, pid in started:
                for what, load in loads.items():
                    if what != "hit" and name not in STRANGERS:
                        continue
                    # Each process asks source and engine again after a while.
                    client.apply(ask, (port, load, 300))
                    before, begun = processor_seconds(pid), time.perf_counter()
                    client.apply(ask, (port, load, REQUESTS))
                    seconds = time.perf_counter() - begun
                    cost = (processor_seconds(pid) - before) / REQUESTS * 1000
                    costs.setdefault((name, what), []).append((cost, REQUESTS / seconds))
    print(f"{'':24}{'':18} CPU ms  of a hit  requests/s")
    for (name, what), figures in costs.items():
        cost, rate = (statistics.median(one) for one in zip(*figures, strict=True))
        hit = statistics.median(one for one, _ in costs[name, "hit"])
        print(f"{name:24}{what:18} {cost:6.3f}  {cost / hit:8.2f}  {rate:10.0f}")


def ask(port: int, load: Load, requests: int) -> None:
    """Send so many requests, over connections that are kept alive."""
    end = f" HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: image/avif\r\n{load.headers}\r\n"
    requests_of = (
        f"GET {path}{end}".encode() for path in itertools.cycle(load.paths or [load.path])
    )
    waiting = selectors.DefaultSelector()
    for _ in range(CONNECTIONS):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.sendall(next(requests_of))
        waiting.register(connection, selectors.EVENT_READ, bytearray())
    left = requests
    while left > 0:
        for key, _ in waiting.select():
            connection, received = key.fileobj, key.data
            chunk = connection.recv(262_144)
            assert chunk, (load, bytes(received))
            received += chunk
            if not is_whole(received):
                continue
            status = int(received[9:12])
            # Before the first render, the broken original is merely unknown.
            assert status == load.status or status in {200, 503}, (load, bytes(received[:500]))
            left -= 1
            received.clear()
            connection.sendall(next(requests_of))
    for key in list(waiting.get_map().values()):
        key.fileobj.close()


def is_whole(received: bytearray) -> bool:
    head, separator, body = received.partition(b"\r\n\r\n")
    if not separator:
        return False
    lower = head.lower()
    position = lower.find(b"content-length:")
    if position < 0:
        return b"chunked" not in lower or received.endswith(b"0\r\n\r\n")
    return len(body) >= int(lower[position + 15 :].split(b"\r\n", 1)[0])


if __name__ == "__main__":
    main()
