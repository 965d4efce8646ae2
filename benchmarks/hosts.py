"""How throughput grows with the processes of a server: `make bench-hosts`.

Hits and new variants a second, with 1, 2 and 4 processes, behind one Redis, as compose.yaml starts them. Processes
help until the cores are full: of a machine with two cores, one is also busy with asking.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.load import WIDTHS
from benchmarks.originals import PHOTOGRAPHS
from tests.containers import image_environment, web_server
from tests.nginx import ask
from tests.projects import ask_together
from tests.servers import ROOT, manage, redis_server

if TYPE_CHECKING:
    from collections.abc import Mapping

PROCESSES = (1, 2, 4)
#: As many as may wait for new variants in one process.
CLIENTS = 8
HITS = 2000
ORIGINALS = 10


def main() -> None:
    print("processes  hits/s  new variants/s")
    with tempfile.TemporaryDirectory() as place, redis_server(Path(place)) as redis:
        for number, processes in enumerate(PROCESSES):
            directory = Path(place) / str(number)
            hits, renders = measure(fill(directory), redis, processes)
            print(f"{processes:9}  {hits:6.0f}  {renders:14.1f}")


def fill(directory: Path) -> dict[str, str]:
    """A project with originals; gives its environment."""
    environment = image_environment() | {
        "DJANGO_SECRET_KEY": f"for measuring only {directory}",
        "DJANGO_ALLOWED_HOSTS": "127.0.0.1",
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATABASE_URL": "",
        "RESIZER_OPEN": "default",
        "RESIZER_DATA_DIR": str(directory),
    }
    (directory / "originals").mkdir(parents=True)
    content = min(PHOTOGRAPHS.glob("*.jpg")).read_bytes()
    for number in range(ORIGINALS):
        (directory / "originals" / f"{number}.jpg").write_bytes(content)
    manage(ROOT, environment, "migrate")
    return environment


def measure(environment: Mapping[str, str], redis: str, processes: int) -> tuple[float, float]:
    """Hits and new variants a second."""
    given = {"GRANIAN_WORKERS": str(processes), "REDIS_URL": redis}
    with web_server({**environment, **given}) as server:
        urls = [
            f"{server.address}/img/{width}/{number}.jpg"
            for number in range(ORIGINALS)
            for width in WIDTHS
        ]
        renders = rate(urls)
        location = ask(urls[0]).headers["Content-Location"]
        return rate([f"{server.address}{location}"] * HITS), renders


def rate(urls: list[str]) -> float:
    begun = time.perf_counter()
    replies = ask_together(urls, CLIENTS)
    seconds = time.perf_counter() - begun
    assert {reply.status for reply in replies} == {200}, [
        (one.status, one.body[:90]) for one in replies if one.status != 200
    ][:3]
    return len(urls) / seconds


if __name__ == "__main__":
    main()
