"""The time of a hit while other clients request new variants: `make bench-load`.

Milliseconds of a hit: the median, the 95th percentile and the slowest. First the server is idle. Then 250 clients
request 500 new variants. Then 60 and 500 clients request one new variant each at the same moment, 1080 px wide and in
AVIF. gunicorn has the options of the guide, without nginx before it.
"""

from __future__ import annotations

import selectors
import socket
import statistics
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from urllib.parse import urlsplit

from resizer.concurrency import machine
from tests.nginx import ask
from tests.pictures import photograph
from tests.servers import ROOT, gunicorn_server, manage

CLIENTS = 250
WIDTHS = (128, 192, 256, 320, 480, 640, 800, 1080, 1200, 1366)
NAMES = [f"{number}.jpg" for number in range(50)]
IDLE_HITS = 500
#: How many ask at the same moment.
RUSHES = (60, 500)
#: For how long hits are timed at least, once they have asked, seconds.
RUSH_SECONDS = 5


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        environment = fill(Path(place))
        workers = 2 * machine.cores()
        with gunicorn_server(environment, processes=workers, threads=12) as (address, _server):
            warm = f"{address}/img/320/warm.jpg"
            # Once for each process, which remembers for itself.
            for _ in range(20 * workers):
                time_hit(warm)
            print(
                f"hits of a server of {workers} processes with 12 threads each, ms: median, 95th percentile, slowest"
            )
            idle = [time_hit(warm) for _ in range(IDLE_HITS)]
            show("idle", idle)
            started = time.perf_counter()
            storm, refused = time_storm(address, warm)
            seconds = time.perf_counter() - started
            show(f"storm of {seconds:.0f} s, {refused} times refused", storm)
            print(f"{statistics.median(storm) / statistics.median(idle):.1f} times the idle median")
            for clients in RUSHES:
                hits, statuses = time_rush(address, warm, clients)
                show(f"rush of {clients} clients, answered {dict(statuses)}", hits)


def fill(directory: Path) -> dict[str, str]:
    """A project with originals; gives its environment."""
    environment = {
        "DJANGO_SECRET_KEY": "for measuring only",
        "DJANGO_ALLOWED_HOSTS": "127.0.0.1",
        "RESIZER_OPEN": "default",
        "DJANGO_LOG_LEVEL": "CRITICAL",
        "RESIZER_DATA_DIR": str(directory),
    }
    manage(ROOT, environment, "migrate")
    (directory / "originals").mkdir()
    for name in (*NAMES, "warm.jpg"):
        (directory / "originals" / name).write_bytes(photograph((1600, 1200)))
    large = photograph((4000, 3000))
    for clients in RUSHES:
        for number in range(clients):
            (directory / "originals" / f"rush-{clients}-{number}.jpg").write_bytes(large)
    return environment


def time_hit(url: str) -> float:
    """Milliseconds."""
    started = time.perf_counter()
    reply = ask(url)
    assert reply.status == 200, reply
    return (time.perf_counter() - started) * 1000


def time_storm(address: str, warm: str) -> tuple[list[float], int]:
    """Hits until all variants are made, and how often one was refused."""
    is_over = threading.Event()
    hits: list[float] = []

    def hit() -> None:
        while not is_over.is_set():
            hits.append(time_hit(warm))

    def make(url: str) -> int:
        refused = 0
        while (status := ask(url).status) != 200:
            assert status == 503, status
            refused += 1
            # As `Retry-After` says.
            time.sleep(1)
        return refused

    urls = [f"{address}/img/{width}/{name}" for name in NAMES for width in WIDTHS]
    with ThreadPoolExecutor(CLIENTS) as clients, ThreadPoolExecutor(1) as visitor:
        hitting = visitor.submit(hit)
        try:
            refused = sum(clients.map(make, urls))
        finally:
            is_over.set()
        hitting.result()
    return hits, refused


def time_rush(address: str, warm: str, clients: int) -> tuple[list[float], Counter[int]]:
    """Hits while others ask all at once, each for a variant that nobody has asked for; how those were answered."""
    paths = [f"/img/1080/rush-{clients}-{number}.jpg" for number in range(clients)]
    # In a process of its own: so many clients in this one would keep the hits waiting for themselves.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as rush:
        statuses = rush.submit(ask_at_once, address, paths)
        begun = time.perf_counter()
        hits = []
        while not statuses.done() or time.perf_counter() - begun < RUSH_SECONDS:
            hits.append(time_hit(warm))
        return hits, statuses.result()


def ask_at_once(address: str, paths: list[str]) -> Counter[int]:
    """Ask for all paths at the same moment, and count what is answered."""
    host, port = urlsplit(address).netloc.split(":")
    waiting = selectors.DefaultSelector()
    statuses: Counter[int] = Counter()
    connections = [socket.create_connection((host, int(port))) for _ in paths]
    for connection, path in zip(connections, paths, strict=True):
        head = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: image/avif\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode())
        waiting.register(connection, selectors.EVENT_READ)
    while waiting.get_map():
        for key, _ in waiting.select():
            connection = key.fileobj
            assert isinstance(connection, socket.socket)
            statuses[int(connection.recv(12).split()[1])] += 1
            waiting.unregister(connection)
            connection.close()
    return statuses


def show(name: str, milliseconds: list[float]) -> None:
    *_, most = statistics.quantiles(milliseconds, n=20)
    columns = (statistics.median(milliseconds), most, max(milliseconds))
    print(*(f"{one:7.1f}" for one in columns), f" {name}, {len(milliseconds)} hits")


if __name__ == "__main__":
    main()
