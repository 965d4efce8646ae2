"""What a picture costs from other image servers, beside ours: `make bench-peers`.

All servers run at once and take turns, so that a busy machine harms all of them. Each gets what two processes of it
can do. JPEG of 640 px from photographs of 12 MP:

- cold: the first request for a variant, one at a time: CPU (mean) and time on the clock (median). Right before it, the
  server renders other pictures, because a machine may take memory from processes that do nothing while others have
  their turn;
- herd: as many clients ask for the same new variant at once: CPU in single renders, the slowest client, and how many
  were told to ask again;
- warm: a variant that is there, over 16 connections: CPU of a request, requests a second. ipx stores nothing;
- memory: what all processes of a server hold afterwards (PSS, proc_pid_smaps(5));
- bytes: at the same SSIMULACRA2, of the gallery's photographs, interpolated between four qualities. The reference is
  reduced with Lanczos, so a coarser reduction costs bytes too;
- a hit of ours behind nginx, beside a plain file of the same nginx, which is one process;
- what strangers send: `strangers.py`.

Prints the tables of docs/explanation/benchmarks.md, and draws the chart there. BENCH_LOOK=1 measures little, to see
whether all works.
"""

from __future__ import annotations

import io
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.client import HTTPConnection
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image, ImageOps

from benchmarks import tables
from benchmarks.encoders import Point, at, score
from benchmarks.originals import PHOTOGRAPHS
from benchmarks.peers import strangers
from benchmarks.peers.chart import Panel, draw
from benchmarks.peers.starts import (
    BY_GRANIAN,
    IS_LOOK,
    QUALITIES,
    Server,
    in_front,
    ipx,
    next_image,
    ours,
    thumbor,
    wagtail,
)
from benchmarks.served import GUNICORN, Load, ask
from tests.pictures import photograph
from tests.processes import processor_seconds, tree
from tests.servers import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE = (4000, 3000)
HERDS = (50, 200)
COLD = 2 if IS_LOOK else 30
WARM_ROUNDS = 1 if IS_LOOK else 4
WARM_REQUESTS = 1000
#: nginx takes so little that the system has to count more of them.
NGINX_REQUESTS = 8000
#: Renders before each cold request: its two processes take turns as they like.
BEFORE = 3
QUALITY = 80
SCORE = 70
BY_GUNICORN = (*GUNICORN, "--threads", "4")
CHART = ROOT / "docs/images/servers.svg"
GALLERY = sorted(PHOTOGRAPHS.glob("*.jpg"))[: 1 if IS_LOOK else None]
#: A name for each kind of request, so that each original is cold once.
NAMES = [
    *("warm", "first"),
    *(f"cold-{number}" for number in range(COLD)),
    *(f"before-{number}-{turn}" for number in range(COLD) for turn in range(BEFORE)),
    *(f"herd-{clients}" for clients in HERDS),
]


class Warm(NamedTuple):
    cpu: float  # milliseconds
    rate: float  # requests a second


class Row(NamedTuple):
    """What was measured of one server."""

    server: Server
    cold_cpu: float  # milliseconds
    cold_clock: float  # milliseconds
    #: CPU in single renders, the slowest client in milliseconds, and how many were refused.
    herds: list[tuple[float, float, int]]
    warm: Warm
    megabytes: float
    bytes: float  # percent


def main() -> None:
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        originals = place / "originals"
        write_originals(originals)
        servers = [stack.enter_context(start(place)) for start in (thumbor, ipx, next_image)]
        servers += [
            stack.enter_context(wagtail(place, *one))
            for one in (("Wagtail, granian", BY_GRANIAN), ("Wagtail, gunicorn", BY_GUNICORN))
        ]
        strangers.write_originals(originals)
        of_ours = [
            stack.enter_context(ours(place, *one))
            for one in (
                ("ours, granian", BY_GRANIAN, "auto"),
                ("ours, gunicorn", BY_GUNICORN, "auto"),
                ("ours, Pillow", BY_GRANIAN, "resizer.engines.pillow.PillowEngine"),
            )
        ]
        servers += of_ours
        rows = measure(servers)
        show(rows)
        in_turns = [*stack.enter_context(in_front(place, of_ours[0])), *of_ours[:2]]
        show_hits(in_turns, measure_warm(in_turns, NGINX_REQUESTS))
        # Beside a hit that reads its file, as their URLs are not repeated either.
        cold_ones = [
            stack.enter_context(ours(place, f"{server.name} ", command, hot_bytes="none"))
            for server, command in zip(of_ours, (BY_GRANIAN, BY_GUNICORN), strict=False)
        ]
        strangers.show_strangers(strangers.measure_strangers(cold_ones))
    chart(rows)


def measure(servers: list[Server]) -> list[Row]:
    for server in servers:
        # Libraries are loaded by each of its processes.
        for _ in range(8):
            visit(server, "first")
    cold: dict[str, list[tuple[float, float]]] = {server.name: [] for server in servers}
    for number in range(COLD):
        for server in servers[number % 2 :] + servers[: number % 2]:
            for turn in range(BEFORE):
                visit(server, f"before-{number}-{turn}")
            # What comes after their responses.
            time.sleep(0.1)
            cold[server.name].append(
                costs(server, lambda s=server, n=number: visit(s, f"cold-{n}"))  # type: ignore[misc]
            )
    # The system counts in steps of 10 ms.
    renders = {name: statistics.mean(cpu for cpu, _ in of) for name, of in cold.items()}
    herds: dict[str, list[tuple[float, float, int]]] = {server.name: [] for server in servers}
    for clients in HERDS:
        for server in servers:
            refused: list[int] = []
            cpu, slowest = costs(
                server,
                lambda s=server, n=clients, r=refused: r.append(herd(s, f"herd-{n}", n)),  # type: ignore[misc]
            )
            herds[server.name].append((cpu / renders[server.name], slowest, refused[0]))
    warm = measure_warm(servers, WARM_REQUESTS)
    sizes = measure_bytes(servers)
    return [
        Row(
            server,
            renders[server.name],
            statistics.median(clock for _, clock in cold[server.name]),
            herds[server.name],
            warm[server.name],
            proportional_megabytes(server.pid),
            sizes[server.name],
        )
        for server in servers
    ]


def write_originals(directory: Path) -> None:
    directory.mkdir()
    content = photograph(SIZE)
    for name in NAMES:
        (directory / f"{name}.jpg").write_bytes(content)
    for number, path in enumerate(GALLERY):
        # Upright: not all servers turn a picture.
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image).convert("RGB")
            upright.save(directory / f"gallery-{number}.jpg", quality=95)


def ask_once(server: Server, stem: str) -> int:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("GET", server.path(stem, QUALITY), headers={"Accept": "image/jpeg"})
    response = connection.getresponse()
    response.read()
    connection.close()
    assert response.status in {200, 503}, (server.name, response.status)
    return response.status


def visit(server: Server, stem: str, quality: int = QUALITY) -> bytes:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("GET", server.path(stem, quality), headers={"Accept": "image/jpeg"})
    response = connection.getresponse()
    content = response.read()
    connection.close()
    assert response.status == 200, (server.name, response.status, content[:300])
    assert response.headers.get_content_type() == "image/jpeg", (server.name, response.headers)
    return content


def herd(server: Server, stem: str, clients: int) -> int:
    """Returns how many clients were told to ask again."""
    with ThreadPoolExecutor(clients) as pool:
        return sum(pool.map(lambda _: ask_once(server, stem) != 200, range(clients)))


def costs(server: Server, act: Callable[[], object]) -> tuple[float, float]:
    """CPU and clock of an act, ms. The CPU includes what the server does within a quarter of a second after it."""
    before, begun = processor_seconds(server.pid), time.perf_counter()
    act()
    clock = time.perf_counter() - begun
    time.sleep(0.25)
    return (processor_seconds(server.pid) - before) * 1000, clock * 1000


def measure_warm(servers: list[Server], most: int) -> dict[str, Warm]:
    """The medians of some rounds with so many requests."""
    rounds: dict[str, list[Warm]] = {server.name: [] for server in servers}
    with get_context("spawn").Pool(1) as client:
        for _ in range(WARM_ROUNDS):
            for server in servers:
                # What renders each time gets fewer requests.
                requests = 40 if server.name == "ipx" else most
                load = Load(server.path("warm", QUALITY), 200)
                client.apply(ask, (server.port, load, requests // 5))
                before, begun = processor_seconds(server.pid), time.perf_counter()
                client.apply(ask, (server.port, load, requests))
                seconds = time.perf_counter() - begun
                cpu = (processor_seconds(server.pid) - before) / requests * 1000
                rounds[server.name].append(Warm(cpu, requests / seconds))
    return {
        name: Warm(*(statistics.median(one) for one in zip(*of, strict=True)))
        for name, of in rounds.items()
    }


def measure_bytes(servers: list[Server]) -> dict[str, float]:
    """Bytes at the same SSIMULACRA2, of all photographs together, in percent of the first server's."""
    totals = dict.fromkeys((server.name for server in servers), 0.0)
    for number, path in enumerate(GALLERY):
        points: dict[str, list[Point]] = {server.name: [] for server in servers}
        with Image.open(path) as image, tempfile.NamedTemporaryFile(suffix=".png") as file:
            upright = ImageOps.exif_transpose(image).convert("RGB")
            for server in servers:
                for quality in QUALITIES:
                    content = visit(server, f"gallery-{number}", quality)
                    with Image.open(io.BytesIO(content)) as variant:
                        upright.resize(variant.size, Image.Resampling.LANCZOS).save(file.name)
                    found = score(Path(file.name), content)
                    points[server.name].append(Point(found, quality, len(content), 0))
        for name, measured in points.items():
            totals[name] += at(measured, SCORE).bytes
    first = totals[servers[0].name]
    return {name: 100 * total / first for name, total in totals.items()}


def proportional_megabytes(pid: int) -> float:
    total = 0
    for each in tree(pid):
        rollup = Path(f"/proc/{each}/smaps_rollup").read_text()
        total += next(
            int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")
        )
    return total / 1000


def show(rows: list[Row]) -> None:
    titles = ["server", "cold: CPU ms", "clock ms"]
    titles += [f"herd of {clients}: CPU × / slowest ms" for clients in HERDS]
    titles += ["warm: CPU ms", "requests/s", "memory MB", f"bytes at score {SCORE}"]
    table = []
    for row in rows:
        cells = [row.server.name, f"{row.cold_cpu:.0f}", f"{row.cold_clock:.0f}"]
        cells += [f"{together:.1f} / {slowest:.0f}" for together, slowest, _ in row.herds]
        cells += [f"{row.warm.cpu:.2f}", f"{row.warm.rate:,.0f}", f"{row.megabytes:.0f}"]
        table.append([*cells, f"{row.bytes:.0f} %"])
    tables.publish(titles, table)
    print("Refused in a herd:", {row.server.name: [one for *_, one in row.herds] for row in rows})


def show_hits(servers: list[Server], warm: dict[str, Warm]) -> None:
    rows = [
        [server.name, f"{warm[server.name].cpu:.3f}", f"{warm[server.name].rate:,.0f}"]
        for server in servers
    ]
    tables.publish(["a hit", "CPU ms", "requests/s"], rows)


def chart(rows: list[Row]) -> None:
    """Draw the chart, with its alternative text for the page."""
    named = {row.server.name.replace(", ", " with "): row for row in rows}
    panels = [
        Panel(title, {name: of(row) for name, row in named.items()})
        for title, of in (
            ("Requests a second for a stored picture", lambda row: row.warm.rate),
            ("First request for a picture, ms", lambda row: row.cold_clock),
            ("Bytes at equal quality, %", lambda row: row.bytes),
        )
    ]
    draw(CHART, panels)
    tables.publish_picture(CHART.name, ". ".join(panel.words for panel in panels) + ".")


if __name__ == "__main__":
    main()
