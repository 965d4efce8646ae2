"""Real servers for tests: started on a free port, stopped at the end."""

from __future__ import annotations

import glob
import os
import pwd
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
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).parent.parent
#: Debian has it where no PATH leads.
POSTGRESQL = (*glob.glob("/usr/lib/postgresql/*/bin/postgres"), "postgres")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def django_server(project: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """`manage.py runserver` of a project; gives its address, without a slash at its end."""
    address = f"127.0.0.1:{free_port()}"
    process = subprocess.Popen(
        [sys.executable, "manage.py", "runserver", "--noreload", address],
        cwd=project,
        env=os.environ | dict(environment),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(f"http://{address}/", process)
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(10)


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


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server has stopped"
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
    raise TimeoutError(url)


@contextmanager
def moto_server(module: str = "moto.server", *arguments: str) -> Iterator[str]:
    """A local AWS, which keeps everything in memory; gives its address, without a slash at its end."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", module, "-p", str(port), *arguments],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{address}/moto-api/", process)
        yield address
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def rclone_server(directory: Path) -> Iterator[str]:
    """An S3 server of another make, which keeps a folder of `directory` for each bucket; gives its address.

    It knows no conditional PUT: the last one wins.
    """
    address = f"127.0.0.1:{free_port()}"
    folders = ["--cache-dir", str(directory / "cache"), "--config", str(directory / "none.conf")]
    (directory / "buckets").mkdir()
    process = subprocess.Popen(
        [
            Path(sys.executable).with_name("rclone"),
            *("serve", "s3", "--addr", address, "--auth-key", "testing,testing-secret"),
            *("--vfs-cache-mode", "full", *folders, str(directory / "buckets")),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(f"http://{address}/", process)
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def gunicorn_server(
    environment: Mapping[str, str], *, processes: int = 4, threads: int = 4
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The project in several processes; gives its address, without a slash at its end, and the parent of them all."""
    address = f"127.0.0.1:{free_port()}"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "gunicorn", "config.wsgi", "--bind", address),
            *("--workers", str(processes), "--threads", str(threads), "--timeout", "60"),
            *("--graceful-timeout", "30", "--no-control-socket"),
        ],
        cwd=ROOT,
        env=os.environ | dict(environment),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(f"http://{address}/img/", process)
        yield f"http://{address}", process
    finally:
        process.terminate()
        process.wait(40)


@contextmanager
def redis_server(directory: Path) -> Iterator[str]:
    """A Redis that saves nothing; gives its address."""
    port = free_port()
    process = subprocess.Popen(
        ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""],
        cwd=directory,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for_port(port, process)
        yield f"redis://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


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
        process = subprocess.Popen(
            [
                *(programs / "postgres", "-D", f"{directory}/data", "-p", str(port), "-F"),
                *("-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="),
            ],
            cwd=directory,
            user=user.pw_uid,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        address = f"postgres://tests@127.0.0.1:{port}/postgres"
        try:
            _wait_for_postgresql(address, process)
            yield address
        finally:
            # At once, without waiting for clients.
            process.send_signal(signal.SIGINT)
            process.wait(20)


def _wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server has stopped"
        try:
            socket.create_connection(("127.0.0.1", port), 5).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(port)


def _wait_for_postgresql(address: str, process: subprocess.Popen[bytes]) -> None:
    # It takes connections before it can do anything with them.
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server has stopped"
        try:
            psycopg.connect(address, connect_timeout=5).close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(address)
