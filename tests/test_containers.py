"""Dockerfile and compose.yaml are right, and what they start shows the gallery."""

from __future__ import annotations

import configparser
import fnmatch
import os
import re
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import pytest
import yaml

from tests import containers
from tests.conftest import wait_until
from tests.containers import COMPOSE, INSTRUCTIONS, Environment, Server, instruction
from tests.documents import examples, read
from tests.nginx import ask, nginx
from tests.processes import tree
from tests.servers import ROOT, ask_for, free_port, postgresql_server, redis_server, running

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVICES = COMPOSE["services"]
#: Those that run the project.
OURS = ("web", "worker", "setup")
PROJECT = (ROOT / "config" / "settings.py").read_text(encoding="utf-8")
KNOWN = set(re.findall(r"^    ([A-Z_]{6,})  ", PROJECT, re.MULTILINE))


def test_dockerfile_passes_its_linter() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, ROOT / "Dockerfile"], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("", 0)


def test_compose_file_follows_the_specification() -> None:
    # It has no wheel for older Pythons, and no types.
    compose_spec = pytest.importorskip("compose_spec")
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    compose_spec.ComposeSpecification.model_validate(COMPOSE)
    compose_spec.PyCompose.from_yaml(yaml.safe_dump(COMPOSE)).validate()
    assert "latest" not in text
    for service in SERVICES.values():
        assert set(service.get("depends_on", ())) <= set(SERVICES)
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert source in COMPOSE["volumes"] or (ROOT / source).is_file()


def test_image_is_built_of_files_that_are_there_and_sent_to_the_builder() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    sent = {line[1:] for line in lines if line.startswith("!")}
    copied = {
        path
        for word, rest in INSTRUCTIONS
        if word == "COPY" and not rest.startswith("--from")
        for path in rest.split()[:-1]
    }
    assert copied
    for path in copied:
        assert (ROOT / path).exists()
        assert path.split("/")[0] in sent
        refused = [line for line in lines if line[0] not in "#*!"]
        assert not [line for line in refused if fnmatch.fnmatch(path, line)]
    pip = next(rest for word, rest in INSTRUCTIONS if word == "RUN" and "pip install" in rest)
    assert pip.split("--requirement ")[1].split()[0] in copied


def test_containers_have_few_rights() -> None:
    assert instruction("USER").isdigit()
    assert int(instruction("USER")) > 0
    for name in (*OURS, "nginx", "redis"):
        assert SERVICES[name]["read_only"] is True
        assert SERVICES[name]["cap_drop"] == ["ALL"]
    # Others on the network cannot use the secrets that everybody knows.
    assert [service["ports"] for service in SERVICES.values() if "ports" in service] == [
        ["127.0.0.1:8000:8080"]
    ]


def test_variables_of_the_containers_are_known() -> None:
    for name in (*OURS,):
        others = ("AWS_", "GRANIAN_", "PATH", "PYTHON")
        ours = {one for one in containers.environment_of(name) if not one.startswith(others)}
        assert ours <= KNOWN
        for value in containers.environment_of(name).values():
            host = urlsplit(value).hostname if "://" in value else None
            assert host is None or host in SERVICES


def test_page_has_the_variables_of_the_settings() -> None:
    page = read("production/containers")
    table = page.split("## Settings\n")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert {name for row in rows for name in re.findall("`([A-Z_]+)`", row)} == KNOWN


class Site(NamedTuple):
    address: str
    web: Server
    environment: dict[str, str]
    program: Environment

    def run(self, *command: str) -> str:
        done = subprocess.run(
            self.program.run(list(command)),
            cwd=ROOT,
            env=self.program.variables(self.environment),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """All services of compose.yaml, as processes in the order of `depends_on`."""
    directory = tmp_path_factory.mktemp("compose")
    program = containers.make_environment(directory / "venv")
    with ExitStack() as stack:
        environment = containers.environment_of("web") | {
            "DATABASE_URL": stack.enter_context(postgresql_server()),
            "REDIS_URL": f"{stack.enter_context(redis_server(directory))}/0",
            "AWS_ENDPOINT_URL": stack.enter_context(containers.s3_server(directory)),
            "TMPDIR": str(directory),
            # Of the image, and without use here: files are in buckets.
            "RESIZER_DATA_DIR": str(directory / "data"),
        }
        setup = containers.command_of("setup")
        assert setup[:2] == ["sh", "-c"]
        subprocess.run(
            setup, cwd=ROOT, env=program.variables(environment), check=True, capture_output=True
        )
        web = stack.enter_context(containers.web_server(environment, program))
        address = f"http://127.0.0.1:{free_port()}"
        stack.enter_context(nginx(directory / "nginx", address, proxy(directory, address, web)))
        yield Site(address, web, environment, program)


def proxy(directory: Path, address: str, web: Server) -> str:
    """The nginx.conf of compose.yaml, for this machine."""
    text = (ROOT / "config" / "edge" / "compose.conf").read_text(encoding="utf-8")
    for there, here in {
        "server web:8000;": f"server {web.address.removeprefix('http://')};",
        "listen 8080;": f"listen {address.removeprefix('http://')};",
        "/var/cache/nginx": str(directory / "nginx"),
    }.items():
        assert there in text
        text = text.replace(there, here)
    return text


services = [
    pytest.mark.service("nginx"),
    pytest.mark.service("postgresql"),
    pytest.mark.service("redis"),
]


def pictures(page: str) -> list[str]:
    """The URLs of all candidates, each once."""
    return list(dict.fromkeys(re.findall(r"/img/[^ \"]+\.(?:avif|jpg|png)", page)))


class TestCompose:
    pytestmark = services

    def test_gallery_shows_its_pictures_and_nginx_keeps_them(self, site: Site) -> None:
        page = ask(f"{site.address}/").body.decode()
        urls = pictures(page)
        assert len(urls) > 50
        for url in urls[::25]:
            replies = [ask(site.address + url) for _ in range(2)]
            assert [one.status for one in replies] == [200, 200]
            assert replies[0].headers["Content-Type"].startswith("image/")
            assert replies[1].headers["X-Cache"] == "HIT"
            assert replies[0].body == replies[1].body

    def test_svg_of_the_bucket_is_sent_to_browsers(self, site: Site) -> None:
        page = ask(f"{site.address}/awkward/").body.decode()
        (url,) = re.findall(r'src="([^"]+\.svg)"', page)
        assert url == "/originals/awkward/drawing.svg"
        reply = ask(site.address + url)
        drawing = ROOT / "config/gallery/photographs/awkward/drawing.svg"
        assert (reply.status, reply.body) == (200, drawing.read_bytes())
        assert reply.headers["Content-Type"] == "image/svg+xml"
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert reply.headers["Content-Security-Policy"].endswith("; sandbox")
        # Other originals stay closed, and no path leads out of the bucket.
        for other in ("awkward/none.svg", "awkward/tiny.jpg", "../variants/a.svg", "%2e%2e/a.svg"):
            assert ask(f"{site.address}/originals/{other}").status in {400, 404}

    def test_nginx_keeps_one_copy_of_a_variant(self, site: Site) -> None:
        path = pictures(ask(f"{site.address}/").body.decode())[0]
        for spelling in (path.replace("img", "%69mg"), path.replace(".", "%2E")):
            led = ask(f"{site.address}{spelling}?x=1")
            assert (led.status, led.headers["Location"]) == (301, f"{path}?x=1")
            assert led.headers["Cache-Control"] == "private, no-store"

    def test_admin_has_its_style_sheets(self, site: Site) -> None:
        page = ask(f"{site.address}/admin/login/").body.decode()
        sheets = re.findall(r'href="(/static/[^"]+\.css)"', page)
        assert sheets
        for sheet in sheets:
            assert ask(f"{site.address}{sheet}").headers["Content-Type"] == "text/css"

    def test_image_is_healthy_while_it_serves(self, site: Site) -> None:
        port = str(urlsplit(site.web.address).port)
        check = site.program.run(containers.health_command())
        variables = site.program.variables(site.environment | {"GRANIAN_PORT": port})
        assert subprocess.run(check, env=variables).returncode == 0
        nobody = variables | {"GRANIAN_PORT": str(free_port())}
        done = subprocess.run(check, env=nobody, capture_output=True)
        assert done.returncode != 0

    def test_worker_makes_the_variants_of_an_upload(self, site: Site) -> None:
        save = """
from pathlib import Path
from django.core.files import File
import resizer
from config.gallery.models import Photo
from django_tasks_db.models import DBTaskResult
# To make those of the whole gallery takes long.
DBTaskResult.objects.all().delete()
with Path("config/gallery/photographs/awkward/tiny.jpg").open("rb") as file:
    photo = Photo(title="New", alt="New")
    photo.image.save("new.jpg", File(file))
print(resizer.picture(photo.image))
"""
        page = site.run("python", "manage.py", "shell", "-v", "0", "-c", save)
        # It ends when there is nothing left to do.
        site.run(*containers.command_of("worker"), "--batch", "--no-startup-delay")
        for url in pictures(page):
            reply = ask(site.web.address + url)
            assert (reply.status, reply.headers["Server-Timing"]) == (200, 'resizer;desc="hit"')


def test_server_of_systemd_outlives_a_killed_process(tmp_path: Path) -> None:
    """As when memory is short. Without an option, granian stops as a whole."""
    page = read("production/nginx")
    (text,) = re.findall(r"```ini\n(.+?)```", page, re.DOTALL)
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # as its documentation says
    unit.read_string(text)
    service = unit["Service"]
    assert service["Restart"] == "always"
    # The same as in the shell, but for what a server for years needs.
    (typed,) = re.findall(r"^\.venv/bin/granian (.*)$", page, re.MULTILINE)
    program, *given = service["ExecStart"].split()
    assert program == f"{service['WorkingDirectory']}/.venv/bin/granian"
    assert [one for one in given if one != "--respawn-failed-workers"] == typed.split()
    environment = {
        "PATH": os.environ["PATH"],
        "DJANGO_SECRET_KEY": "for tests only",
        "DATABASE_URL": "none",
        "RESIZER_DATA_DIR": str(tmp_path),
        "RESIZER_HEALTH_URL": "/health/",
        # Not the seconds that a loop of crashes should take.
        "GRANIAN_RESPAWN_INTERVAL": "0.1",
    }
    port = str(free_port())
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "granian", "--port", port, *given]
    with running(
        command, lambda: ask_for(f"{address}/img/"), seconds=40, cwd=ROOT, env=environment
    ) as server:
        count = int(given[given.index("--workers") + 1])
        wait_until(lambda: len(tree(server.pid)) == 1 + count)
        workers = tree(server.pid) - {server.pid}
        os.kill(min(workers), signal.SIGKILL)
        wait_until(lambda: len(tree(server.pid) - {server.pid, min(workers)}) >= count)
        assert ask(f"{address}/health/").status == 200
        assert server.poll() is None
        # After a killed process, granian may not stop by itself. The unit bounds that by TimeoutStopSec.
        assert int(service["TimeoutStopSec"]) <= 60
        for one in tree(server.pid):
            os.kill(one, signal.SIGKILL)


def test_project_alone_serves_variants_without_database_and_buckets(tmp_path: Path) -> None:
    """With the variables of the image, by the file that starts a function of Tencent."""
    port = free_port()
    bootstrap = next(
        one.text for one in examples(read("production/containers")) if "-m granian" in one.text
    )
    for there, here in {
        "/var/lang/python311/bin/python3.11": sys.executable,
        "--host 0.0.0.0 --port 9000": f"--host 127.0.0.1 --port {port}",
    }.items():
        assert there in bootstrap
        bootstrap = bootstrap.replace(there, here)
    environment = {
        **containers.image_environment(),
        "PATH": os.environ["PATH"],
        "DJANGO_SECRET_KEY": "for tests only",
        "DJANGO_ALLOWED_HOSTS": "127.0.0.1",
        "RESIZER_OPEN": "default",
        "RESIZER_DATA_DIR": str(tmp_path),
    }
    tiny = ROOT / "config/gallery/photographs/awkward/tiny.jpg"
    (tmp_path / "originals" / "tiny.jpg").write_bytes(tiny.read_bytes())
    address = f"http://127.0.0.1:{port}"
    command = ["sh", "-c", bootstrap]
    with running(command, lambda: ask_for(f"{address}/img/"), cwd=ROOT, env=environment):
        statuses = {path: ask(address + path).status for path in ("/", "/admin/", "/health/")}
        assert statuses == {"/": 200, "/admin/": 404, "/health/": 200}
        reply = ask(f"{address}/img/32/tiny.jpg")
        assert (reply.status, reply.headers["Content-Type"]) == (200, "image/jpeg")
