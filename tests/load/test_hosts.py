"""The containers of compose.yaml on two hosts: four processes that share PostgreSQL, Redis and S3, and nothing else."""

from __future__ import annotations

import http.client
import os
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests import containers
from tests.conftest import wait_until
from tests.nginx import ask
from tests.pictures import decode, photograph
from tests.processes import tree
from tests.projects import ask_together
from tests.servers import ROOT, manage, postgresql_server, redis_server
from tests.wire import wire_to

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.containers import Server

#: Three times the threads of all processes.
CLIENTS = 48
pytestmark = [pytest.mark.service("postgresql"), pytest.mark.service("redis")]


class Shared(NamedTuple):
    """What all hosts use."""

    database: str
    s3: str


class Farm(NamedTuple):
    hosts: list[Server]
    directory: Path
    shared: Shared
    environment: dict[str, str]

    def save(self, name: str, content: bytes | None = None) -> None:
        body = photograph((1600, 1200)) if content is None else content
        self._s3().put_object(Bucket="originals", Key=name, Body=body)

    def stored(self) -> list[str]:
        """The widths and formats of all variants."""
        found = self._s3().list_objects_v2(Bucket="variants", Prefix=f"{self.directory.name}/")
        keys = [one["Key"].rpartition("/") for one in found.get("Contents", ())]
        # One version.
        assert len({directory for directory, *_ in keys}) <= 1
        return sorted(name for *_, name in keys)

    def _s3(self) -> Any:
        import boto3

        given = self.environment
        return boto3.client(
            "s3",
            endpoint_url=self.shared.s3,
            aws_access_key_id=given["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=given["AWS_SECRET_ACCESS_KEY"],
            region_name=given["AWS_DEFAULT_REGION"],
        )

    def log(self) -> list[str]:
        """The first words of what the engines of all processes wrote."""
        path = self.directory / "engine.log"
        return [line.split()[0] for line in path.read_text().splitlines()] if path.exists() else []

    def ask_all(self, path: str) -> list[bytes]:
        """The picture, from each host."""
        replies = [ask(host.address + path) for host in self.hosts]
        assert {reply.status for reply in replies} == {200}
        return [reply.body for reply in replies]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    directory = tmp_path_factory.mktemp("shared")
    with postgresql_server() as database, containers.s3_server(directory) as s3:
        shared = Shared(database, s3)
        manage(ROOT, environment_of(shared, directory), "migrate", "resizer")
        yield shared


def environment_of(shared: Shared, directory: Path) -> dict[str, str]:
    return containers.environment_of("web") | {
        "DJANGO_SETTINGS_MODULE": "tests.load_settings",
        "DATABASE_URL": shared.database,
        "AWS_ENDPOINT_URL": shared.s3,
        "RESIZER_OPEN": "default",
        # What another test has made is not there.
        "RESIZER_VARIANTS_PREFIX": directory.name,
        "RESIZER_DATA_DIR": str(directory),
        "TESTS_LOG": str(directory / "engine.log"),
        "TESTS_LOCKS": str(directory / "locks"),
        # As many as may wait for one variant, however slow the machine is at present.
        "GRANIAN_BLOCKING_THREADS": "4",
    }


@contextmanager
def farm(shared: Shared, directory: Path, redis: str, **environment: str) -> Iterator[Farm]:
    """Two hosts of two processes each, with temporary directories of their own."""
    with ExitStack() as stack:
        hosts = []
        for name in ("one", "two"):
            place = directory / name
            place.mkdir()
            given = {
                "TMPDIR": str(place),
                "TESTS_LOCKS": str(place / "locks"),
                "TESTS_CACHE": redis,
            }
            settings = environment_of(shared, directory) | given | environment
            assert settings["GRANIAN_WORKERS"] == "2"
            hosts.append(stack.enter_context(containers.web_server(settings)))
        yield Farm(hosts, directory, shared, environment_of(shared, directory))


def test_hosts_make_a_variant_once_and_show_it_without_redis_and_postgresql(
    shared: Shared, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        redis = stack.enter_context(ExitStack())
        cache = redis.enter_context(redis_server(tmp_path))
        database = stack.enter_context(ExitStack())
        wire = database.enter_context(wire_to(shared.database))
        address = wire.url.replace("http://", "postgres://tests@") + "/postgres"
        site = stack.enter_context(farm(shared, tmp_path, cache, DATABASE_URL=address))
        site.save("whole.jpg")
        content = photograph((1600, 1200))
        site.save("broken.jpg", content[: len(content) // 2])
        _assert_made_once(site)
        warm = site.ask_all("/img/640/whole.jpg")
        redis.close()
        assert site.ask_all("/img/640/whole.jpg") == warm
        assert len(set(site.ask_all("/img/480/whole.jpg"))) == 1
        database.close()
        assert site.ask_all("/img/640/whole.jpg") == warm
        assert len(set(site.ask_all("/img/320/whole.jpg"))) == 1
        wait_until(lambda: site.stored() == ["320.jpg", "480.jpg", "640.jpg"])


def _assert_made_once(site: Farm) -> None:
    urls = [f"{host.address}/img/640/whole.jpg" for host in site.hosts]
    replies = ask_together(urls * (CLIENTS // 2), CLIENTS)
    assert Counter(reply.status for reply in replies) == {200: CLIENTS}
    assert len({reply.body for reply in replies}) == 1
    assert decode(replies[0].body).size == (640, 480)
    assert site.log() == ["begin", "end"]
    # After its response.
    wait_until(lambda: site.stored() == ["640.jpg"])
    urls = [f"{host.address}/img/640/broken.jpg" for host in site.hosts]
    replies = ask_together(urls * (CLIENTS // 2), CLIENTS)
    assert Counter(reply.status for reply in replies) == {422: CLIENTS}
    assert site.log() == ["begin", "end"] * 2


def test_work_of_a_host_that_is_killed_is_taken_over_in_seconds(
    shared: Shared, tmp_path: Path
) -> None:
    hold = tmp_path / "hold"
    hold.touch()
    with (
        redis_server(tmp_path) as redis,
        farm(shared, tmp_path, redis, TESTS_HOLD=str(hold), TESTS_LEASE="2") as site,
        ThreadPoolExecutor(2) as pool,
    ):
        site.save("killed.jpg")
        first, second = (f"{host.address}/img/640/killed.jpg" for host in site.hosts)
        lost = pool.submit(ask, first)
        wait_until(lambda: site.log() == ["begin"])
        waiting = pool.submit(ask, second)
        for pid in tree(site.hosts[0].process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            lost.result()
        wait_until(lambda: site.log() == ["begin", "begin"])
        hold.unlink()
        # With a lease of LOCK_SECONDS, it would be 503.
        assert waiting.result().status == 200
        assert site.log() == ["begin", "begin", "end"]
