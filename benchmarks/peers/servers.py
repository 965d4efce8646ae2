"""What a picture costs from other image servers, beside ours: `make bench-peers`.

All servers run at once and take turns, so that a busy machine harms all of them. Each gets what two processes of it
can do. JPEG of 640 px from photographs of 12 MP:

- cold: the first request for a variant, one at a time: CPU (mean) and time on the clock (median);
- herd: as many clients ask for the same new variant at once: CPU in single renders, the slowest client, and how many
  were told to ask again;
- warm: a variant that is there, over 16 connections: CPU of a request, requests a second. ipx stores nothing;
- memory: what all processes of a server hold afterwards (PSS, proc_pid_smaps(5));
- bytes: at the same SSIMULACRA2, of the gallery's photographs, interpolated between four qualities. The reference is
  reduced with Lanczos, so a coarser reduction costs bytes too.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from PIL import Image, ImageOps

from benchmarks.encoders import Point, at, score
from benchmarks.originals import PHOTOGRAPHS
from benchmarks.served import GRANIAN, GUNICORN, Load, ask, serving
from tests.pictures import photograph
from tests.processes import processor_seconds, tree
from tests.servers import ROOT, free_port, manage, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Where `make` installs thumbor, and the packages of npm.
PLACE = ROOT / "var/peers"
WIDTH = 640
SIZE = (4000, 3000)
COLD = 30
HERDS = (50, 200)
WARM_ROUNDS = 4
WARM_REQUESTS = 1000
QUALITY = 80
#: As the pages for production have it.
OURS = (*GRANIAN, "wsgi", "--blocking-threads", "24")
#: The settings of next/image list its qualities.
QUALITIES = (54, 68, 80, 90)
SCORE = 70
GALLERY = sorted(PHOTOGRAPHS.glob("*.jpg"))
#: A name for each kind of request, so that each original is cold once.
NAMES = [
    *("warm", "first"),
    *(f"cold-{number}" for number in range(COLD)),
    *(f"herd-{clients}" for clients in HERDS),
]


class Server(NamedTuple):
    name: str
    port: int
    pid: int
    #: The path of a variant in JPEG, by the name of its original and its quality.
    path: Callable[[str, int], str]


def main() -> None:
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        originals = place / "originals"
        write_originals(originals)
        servers = [stack.enter_context(start(place)) for start in (thumbor, ipx, next_image)]
        servers += [
            stack.enter_context(ours(place, *one))
            for one in (
                ("ours, granian", OURS, "auto"),
                ("ours, gunicorn", (*GUNICORN, "--threads", "4"), "auto"),
                ("ours, Pillow", OURS, "resizer.engines.pillow.PillowEngine"),
            )
        ]
        for server in servers:
            # Libraries are loaded by each of its processes.
            for _ in range(8):
                visit(server, "first")
        cold = {server.name: [] for server in servers}
        for number in range(COLD):
            for server in servers[number % 2 :] + servers[: number % 2]:
                cold[server.name].append(
                    costs(server, lambda s=server, n=number: visit(s, f"cold-{n}"))
                )
        herds: dict[tuple[str, int], tuple[float, float, int]] = {}
        for clients in HERDS:
            for server in servers:
                refused: list[int] = []
                cost = costs(
                    server,
                    lambda s=server, n=clients, r=refused: r.append(herd(s, f"herd-{n}", n)),
                )
                herds[server.name, clients] = (*cost, refused[0])
        warm = measure_warm(servers)
        sizes = measure_bytes(servers)
        show(servers, cold, herds, warm, sizes)


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


@contextmanager
def ours(place: Path, name: str, command: tuple[str, ...], engine: str) -> Iterator[Server]:
    """The project behind a server, with an index and signed URLs, as `make run` has them."""
    directory = place / name.replace(" ", "-")
    directory.mkdir()
    (directory / "originals").symlink_to(place / "originals")
    environment = {
        "DJANGO_SECRET_KEY": "for measuring only",
        "DJANGO_ALLOWED_HOSTS": "127.0.0.1",
        "DJANGO_SETTINGS_MODULE": "benchmarks.peers.servers_settings",
        "DJANGO_LOG_LEVEL": "CRITICAL",
        "RESIZER_DATA_DIR": str(directory),
        "BENCH_ENGINE": engine,
    }
    manage(ROOT, environment, "migrate")
    # A page with the tags has described the originals.
    script = (
        "import json, sys; from resizer.markup import picture; names, qualities = json.load(sys.stdin);"
        f"print(json.dumps([[n, q, picture.url(n + '.jpg', width={WIDTH}, format='jpeg', quality=q)]"
        " for n in names for q in qualities]))"
    )
    names = sorted(path.stem for path in (place / "originals").iterdir())
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", script],
        cwd=ROOT,
        env=os.environ | environment,
        input=json.dumps([names, QUALITIES]),
        text=True,
        capture_output=True,
        check=True,
    )
    paths = {(name, quality): path for name, quality, path in json.loads(done.stdout)}
    with serving(command, "benchmarks.served_apps:wrapped_wsgi", environment) as (port, pid):
        yield Server(name, port, pid, lambda stem, quality: paths[stem, quality])


@contextmanager
def thumbor(place: Path) -> Iterator[Server]:
    """With two processes and the variants on the disk."""
    configuration = place / "thumbor.conf"
    configuration.write_text(
        "LOADER = 'thumbor.loaders.file_loader'\n"
        f"FILE_LOADER_ROOT_PATH = {str(place / 'originals')!r}\n"
        "STORAGE = 'thumbor.storages.no_storage'\n"
        "RESULT_STORAGE = 'thumbor.result_storages.file_storage'\n"
        f"RESULT_STORAGE_FILE_STORAGE_ROOT_PATH = {str(place / 'thumbor')!r}\n"
        "RESULT_STORAGE_STORES_UNSAFE = True\n"
        "ALLOW_UNSAFE_URL = True\n"
        "MAX_AGE = 31536000\n"
    )
    port = free_port()
    command = [
        *(PLACE / "thumbor/bin/thumbor", "--port", str(port), "--ip", "127.0.0.1"),
        *("--processes", "2", "--conf", configuration, "--log-level", "error"),
    ]
    with running(command, lambda: knock(port), seconds=30) as process:
        yield Server(
            "thumbor",
            port,
            process.pid,
            lambda stem, quality: f"/unsafe/{WIDTH}x0/filters:quality({quality})/{stem}.jpg",
        )


@contextmanager
def ipx(place: Path) -> Iterator[Server]:
    port = free_port()
    command = [
        *(PLACE / "node_modules/.bin/ipx", "serve"),
        *("--dir", place / "originals", "--port", str(port), "--host", "127.0.0.1"),
    ]
    with running(command, lambda: knock(port), seconds=30, cwd=PLACE) as process:
        yield Server(
            "ipx",
            port,
            process.pid,
            lambda stem, quality: f"/w_{WIDTH},f_jpeg,q_{quality}/{stem}.jpg",
        )


@contextmanager
def next_image(place: Path) -> Iterator[Server]:
    """A project of one empty page, built, with the originals as its public files."""
    project = PLACE / "next"
    shutil.rmtree(project, ignore_errors=True)
    (project / "pages").mkdir(parents=True)
    (project / "package.json").write_text('{"private": true}')
    (project / "pages/index.js").write_text("export default function Page() { return null }\n")
    images = {"deviceSizes": [WIDTH], "qualities": QUALITIES, "minimumCacheTTL": 31_536_000}
    options = json.dumps({"images": images, "outputFileTracingRoot": str(PLACE)})
    (project / "next.config.js").write_text(f"module.exports = {options}\n")
    shutil.copytree(place / "originals", project / "public")
    program = [*("node", PLACE / "node_modules/next/dist/bin/next")]
    environment = os.environ | {"NEXT_TELEMETRY_DISABLED": "1", "NODE_ENV": "production"}
    subprocess.run(
        [*program, "build", "--webpack"],
        cwd=project,
        env=environment,
        check=True,
        capture_output=True,
    )
    port = free_port()
    command = [*program, "start", "--port", str(port), "--hostname", "127.0.0.1"]
    with running(command, lambda: knock(port), seconds=30, cwd=project, env=environment) as process:
        yield Server(
            "next/image",
            port,
            process.pid,
            lambda stem, quality: (
                f"/_next/image?url={quote(f'/{stem}.jpg', safe='')}&w={WIDTH}&q={quality}"
            ),
        )


def knock(port: int) -> None:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", "/")
    connection.getresponse().read()
    connection.close()


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


def measure_warm(servers: list[Server]) -> dict[str, tuple[float, float]]:
    """CPU ms of a request, and requests a second: the medians of some rounds."""
    rounds: dict[str, list[tuple[float, float]]] = {server.name: [] for server in servers}
    with get_context("spawn").Pool(1) as client:
        for _ in range(WARM_ROUNDS):
            for server in servers:
                # What renders each time gets fewer requests.
                requests = 40 if server.name == "ipx" else WARM_REQUESTS
                load = Load(server.path("warm", QUALITY), 200)
                client.apply(ask, (server.port, load, requests // 5))
                before, begun = processor_seconds(server.pid), time.perf_counter()
                client.apply(ask, (server.port, load, requests))
                seconds = time.perf_counter() - begun
                cpu = (processor_seconds(server.pid) - before) / requests * 1000
                rounds[server.name].append((cpu, requests / seconds))
    return {
        name: (statistics.median(cpu for cpu, _ in of), statistics.median(rate for _, rate in of))
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


def show(
    servers: list[Server],
    cold: dict[str, list[tuple[float, float]]],
    herds: dict[tuple[str, int], tuple[float, float, int]],
    warm: dict[str, tuple[float, float]],
    sizes: dict[str, float],
) -> None:
    titles = ["server", "cold: CPU ms", "clock ms"]
    titles += [f"herd of {clients}: CPU × / slowest ms / refused" for clients in HERDS]
    titles += ["warm: CPU ms", "requests/s", "memory MB", f"bytes at score {SCORE}"]
    print("| " + " | ".join(titles) + " |")
    print("|---" * len(titles) + "|")
    for server in servers:
        # The system counts in steps of 10 ms.
        cpu = statistics.mean(cpu for cpu, _ in cold[server.name])
        clock = statistics.median(clock for _, clock in cold[server.name])
        cells = [server.name, f"{cpu:.0f}", f"{clock:.0f}"]
        for clients in HERDS:
            together, slowest, refused = herds[server.name, clients]
            cells.append(f"{together / cpu:.1f} / {slowest:.0f} / {refused}")
        each, rate = warm[server.name]
        cells += [f"{each:.2f}", f"{rate:.0f}", f"{proportional_megabytes(server.pid):.0f}"]
        cells.append(f"{sizes[server.name]:.0f} %")
        print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
