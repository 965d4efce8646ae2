"""Real servers for tests: started on a free port, stopped at the end."""

from __future__ import annotations

import contextlib
import glob
import os
import pwd
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

ROOT = Path(__file__).parent.parent
#: Debian has it where no PATH leads.
POSTGRESQL = (*glob.glob("/usr/lib/postgresql/*/bin/postgres"), "postgres")
MARIADB = ("mariadbd", "/usr/sbin/mariadbd")


def free_port() -> int:
    """One that nobody is given who asks the system for any, as long as it takes a server to start."""
    while True:
        port = random.SystemRandom().randrange(15_000, 32_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


@contextmanager
def running(
    command: Sequence[str | Path],
    ask: Callable[[], object],
    *,
    stop: signal.Signals = signal.SIGTERM,
    seconds: float = 10,
    **options: Any,
) -> Iterator[subprocess.Popen[bytes]]:
    """A server from the moment when `ask` raises no OSError any more; in the end it has so many seconds to stop."""
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options
    )
    try:
        deadline = time.monotonic() + 30
        while True:
            assert process.poll() is None, "the server has stopped"
            try:
                ask()
            except OSError:
                assert time.monotonic() < deadline, "the server does not answer"
                time.sleep(0.05)
            else:
                break
        yield process
    finally:
        process.send_signal(stop)
        process.wait(seconds)


def ask_for(url: str) -> None:
    """Raises OSError unless something answers, whatever it says."""
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except urllib.error.HTTPError as error:
        error.close()


@contextmanager
def django_server(project: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """`manage.py runserver` of a project; gives its address, without a slash at its end."""
    address = f"127.0.0.1:{free_port()}"
    command = [sys.executable, "manage.py", "runserver", "--noreload", address]
    ask = partial(ask_for, f"http://{address}/")
    with running(command, ask, cwd=project, env=os.environ | dict(environment)):
        yield f"http://{address}"


def manage(project: Path, environment: Mapping[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=project,
        env=os.environ | dict(environment),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


#: In one process, because a start takes half a second.
GALLERY = """
from django.core.management import call_command
call_command("migrate", verbosity=0)
call_command("load_gallery")
"""


def load_gallery(data: Path, then: str = "", **more: str) -> dict[str, str]:
    """Fill the gallery of a directory, and run some code. Returns the environment of its processes."""
    environment = {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DJANGO_DEBUG": "1",
        "RESIZER_DATA_DIR": str(data),
        **more,
    }
    manage(ROOT, environment, "shell", "-v0", "-c", GALLERY + then)
    return environment


@contextmanager
def moto_server(module: str = "tests.aws.storage", *arguments: str) -> Iterator[str]:
    """A local AWS, which keeps everything in memory; gives its address, without a slash at its end."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-W", "ignore", "-m", module, "-p", str(port), *arguments]
    with running(command, partial(ask_for, f"{address}/moto-api/"), cwd=ROOT):
        yield address


def s3_with(address: str, *buckets: str) -> Any:
    """boto3's client of a local AWS, with these new buckets."""
    # Most tests need no S3, and start sooner without its client.
    import boto3

    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    client = boto3.client("s3", endpoint_url=address, region_name="us-east-1", **keys)
    for bucket in buckets:
        client.create_bucket(Bucket=bucket)
    return client


@contextmanager
def rclone_server(directory: Path) -> Iterator[str]:
    """An S3 server of another make, which keeps a folder of `directory` for each bucket; gives its address.

    It knows no conditional PUT: the last one wins.
    """
    address = f"127.0.0.1:{free_port()}"
    (directory / "buckets").mkdir()
    command: list[str | Path] = [
        Path(sys.executable).with_name("rclone"),
        *("serve", "s3", "--addr", address, "--auth-key", "testing,testing-secret"),
        *("--vfs-cache-mode", "full", "--cache-dir", directory / "cache"),
        *("--config", directory / "none.conf", directory / "buckets"),
    ]
    with running(command, partial(ask_for, f"http://{address}/")):
        yield f"http://{address}"


@contextmanager
def gunicorn_server(
    environment: Mapping[str, str],
    *,
    processes: int = 4,
    threads: int = 4,
    is_forked: bool = False,
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The project in several processes; gives its address, without a slash at its end, and the parent of them all.

    Forked ones start sooner: their parent has loaded the project for all.
    """
    address = f"127.0.0.1:{free_port()}"
    command = [
        *(sys.executable, "-m", "gunicorn", "config.wsgi", "--bind", address),
        *("--workers", str(processes), "--threads", str(threads), "--timeout", "60"),
        *("--graceful-timeout", "30", "--no-control-socket"),
        *(["--preload"] if is_forked else []),
    ]
    ask = partial(ask_for, f"http://{address}/img/")
    with running(command, ask, seconds=40, cwd=ROOT, env=os.environ | dict(environment)) as process:
        yield f"http://{address}", process


@contextmanager
def redis_server(directory: Path) -> Iterator[str]:
    """A Redis that saves nothing; gives its address."""
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with running(
        command, lambda: socket.create_connection(("127.0.0.1", port), 5).close(), cwd=directory
    ):
        yield f"redis://127.0.0.1:{port}"


def _ask_postgresql(address: str) -> None:
    """It takes connections before it can do anything with them."""
    # Most tests need neither database, and start sooner without their clients.
    import psycopg

    try:
        psycopg.connect(address, connect_timeout=5).close()
    except psycopg.OperationalError as error:
        raise ConnectionError from error


def _ask_mariadb(port: int | None, query: str) -> None:
    import pymysql

    try:
        with pymysql.connect(host="127.0.0.1", port=port, user="root") as connection:
            connection.cursor().execute(query)
    except pymysql.OperationalError as error:
        raise ConnectionError from error


@contextmanager
def postgresql_server() -> Iterator[str]:
    """A PostgreSQL with an empty database; gives its address, as DATABASE_URL has it."""
    port = free_port()
    programs = Path(next(filter(None, map(shutil.which, POSTGRESQL)))).resolve().parent
    # It refuses to run as root, and then may not read the tests' directories.
    user = pwd.getpwnam("postgres") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    with tempfile.TemporaryDirectory(prefix="resizer-postgresql-", dir="/tmp") as directory:
        os.chown(directory, user.pw_uid, user.pw_gid)
        subprocess.run(
            [programs / "initdb", "-D", f"{directory}/data", "-A", "trust", "-U", "tests", "-N"],
            check=True,
            capture_output=True,
            user=user.pw_uid,
            cwd=directory,
        )
        command: list[str | Path] = [
            *(programs / "postgres", "-D", f"{directory}/data", "-p", str(port), "-F"),
            *("-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="),
        ]
        address = f"postgres://tests@127.0.0.1:{port}/postgres"
        with running(
            command,
            partial(_ask_postgresql, address),
            # At once, without waiting for clients.
            stop=signal.SIGINT,
            seconds=20,
            cwd=directory,
            user=user.pw_uid,
        ):
            yield address


def postgresql_database(server: str) -> str:
    """The address of a new database on a PostgreSQL, which takes a tenth of the time of a new server."""
    import psycopg

    name = f"tests_{secrets.token_hex(4)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"{server.rpartition('/')[0]}/{name}"


def mariadb_database(server: str, character_set: str = "utf8mb4") -> str:
    """The address of a new database on a MariaDB."""
    name = f"tests_{secrets.token_hex(4)}"
    query = f"CREATE DATABASE {name} CHARACTER SET {character_set}"
    _ask_mariadb(urlsplit(server).port, query)
    return f"{server.rpartition('/')[0]}/{name}"


@contextmanager
def mariadb_server() -> Iterator[str]:
    """A MariaDB with an empty database; gives its address, as DATABASE_URL has it."""
    port = free_port()
    program = next(filter(None, map(shutil.which, MARIADB)))
    with tempfile.TemporaryDirectory(prefix="resizer-mariadb-", dir="/tmp") as directory:
        options = [
            *("--no-defaults", f"--datadir={directory}/data", "--innodb-log-file-size=4M"),
            f"--user={pwd.getpwuid(os.geteuid()).pw_name}",
        ]
        subprocess.run(
            ["mariadb-install-db", *options, "--auth-root-authentication-method=normal"],
            check=True,
            capture_output=True,
            cwd=directory,
        )
        command = [
            *(program, *options, f"--port={port}", "--bind-address=127.0.0.1"),
            *(f"--socket={directory}/socket", f"--pid-file={directory}/pid"),
            # Nobody pulls the plug of a test.
            *("--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=16M"),
        ]
        query = "CREATE DATABASE IF NOT EXISTS tests CHARACTER SET utf8mb4"
        with running(command, partial(_ask_mariadb, port, query), seconds=30, cwd=directory):
            yield f"mysql://root@127.0.0.1:{port}/tests"
