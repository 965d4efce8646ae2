"""How `make bench-peers` starts each server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from benchmarks.served import GRANIAN, serving
from tests.nginx import nginx
from tests.servers import ROOT, free_port, manage, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Where `make` installs thumbor, and the packages of npm.
PLACE = ROOT / "var/peers"
#: Where it installs Wagtail.
PEERS = Path(os.environ.get("BENCH_PEERS") or ROOT / ".venv-peers")
#: Whether to see only if all works.
IS_LOOK = os.environ.get("BENCH_LOOK") == "1"
WIDTH = 640
#: The settings of next/image list its qualities.
QUALITIES = (54, 68, 80, 90)
#: As the pages for production have it.
BY_GRANIAN = (*GRANIAN, "wsgi", "--blocking-threads", "24")


class Server(NamedTuple):
    name: str
    port: int
    pid: int
    #: The path of a variant in JPEG, by the name of its original and its quality.
    path: Callable[[str, int], str]
    #: Of its processes.
    environment: dict[str, str] = {}


@contextmanager
def ours(
    place: Path, name: str, command: tuple[str, ...], engine: str = "auto", hot_bytes: str = ""
) -> Iterator[Server]:
    """The project behind a server, with an index and signed URLs, as `make run` has them. `hot_bytes` may be "none"."""
    directory = place / name.replace(", ", "-").replace(" ", "-")
    directory.mkdir()
    (directory / "originals").symlink_to(place / "originals")
    environment = {
        "DJANGO_SECRET_KEY": "for measuring only",
        "DJANGO_ALLOWED_HOSTS": "127.0.0.1",
        "DJANGO_SETTINGS_MODULE": "benchmarks.peers.servers_settings",
        "DJANGO_LOG_LEVEL": "CRITICAL",
        "RESIZER_DATA_DIR": str(directory),
        "BENCH_ENGINE": engine,
        "BENCH_HOT_BYTES": hot_bytes,
    }
    manage(ROOT, environment, "migrate")
    found = ask_project(environment, "pictures", WIDTH, QUALITIES)
    with serving(command, "benchmarks.served_apps:wrapped_wsgi", environment) as (port, pid):
        yield Server(name, port, pid, finder(found), environment)


def ask_project(environment: dict[str, str], *arguments: object) -> Any:
    """What `paths.py` tells of a server of ours."""
    written = [one if isinstance(one, str) else json.dumps(one) for one in arguments]
    return tell(sys.executable, "benchmarks.peers.paths", *written, **environment)


def tell(python: str | Path, module: str, *arguments: str, **environment: str) -> Any:
    done = subprocess.run(
        [python, "-W", "ignore", "-m", module, *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def finder(found: list[tuple[str, int, str]]) -> Callable[[str, int], str]:
    paths = {(name, quality): path for name, quality, path in found}
    return lambda stem, quality: paths[stem, quality]


@contextmanager
def in_front(place: Path, server: Server) -> Iterator[tuple[Server, Server]]:
    """nginx before a server of ours, as `config/edge/nginx.conf` has it; and the same nginx with a plain file."""
    data = Path(server.environment["RESIZER_DATA_DIR"])
    ports = free_port(), free_port()
    http = (ROOT / "config/edge/nginx.conf").read_text()
    for placeholder, value in {
        "listen 80;": f"listen 127.0.0.1:{ports[0]};",
        "listen [::]:80;": "",
        "resizer.example.com": "127.0.0.1",
        "127.0.0.1:8000": f"127.0.0.1:{server.port}",
        "/srv/resizer": str(data),
    }.items():
        http = http.replace(placeholder, value)
    plain = data / "variants" / server.path("warm", 80).removeprefix("/img/")
    (place / "plain").mkdir()
    shutil.copy(plain, place / "plain/plain.jpg")
    http += f"server {{ listen 127.0.0.1:{ports[1]}; root {place}/plain; sendfile on; }}"
    with nginx(place / "nginx", f"http://127.0.0.1:{ports[1]}", http) as process:
        yield (
            server._replace(name=f"{server.name}, behind nginx", port=ports[0], pid=process.pid),
            Server("nginx, a plain file", ports[1], process.pid, lambda *_: "/plain.jpg"),
        )


@contextmanager
def wagtail(place: Path, name: str, command: tuple[str, ...]) -> Iterator[Server]:
    directory = place / name.replace(", ", "-")
    directory.mkdir()
    (directory / "originals").symlink_to(place / "originals")
    environment = {"BENCH_PLACE": str(directory)}
    module, python = "benchmarks.peers.wagtail_app", PEERS / "bin/python"
    found = tell(python, module, str(WIDTH), json.dumps(QUALITIES), **environment)
    with serving(command, f"{module}:application", environment, python) as (port, pid):
        yield Server(name, port, pid, finder(found))


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
    home = PLACE.resolve()
    project = home / "next"
    shutil.rmtree(project, ignore_errors=True)
    (project / "pages").mkdir(parents=True)
    (project / "package.json").write_text('{"private": true}')
    (project / "pages/index.js").write_text("export default function Page() { return null }\n")
    images = {"deviceSizes": [WIDTH], "qualities": QUALITIES, "minimumCacheTTL": 31_536_000}
    options = json.dumps({"images": images, "outputFileTracingRoot": str(home)})
    (project / "next.config.js").write_text(f"module.exports = {options}\n")
    shutil.copytree(place / "originals", project / "public")
    program = [*("node", home / "node_modules/next/dist/bin/next")]
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
