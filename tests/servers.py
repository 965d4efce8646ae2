"""Real servers for tests: started on a free port, stopped at the end."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).parent.parent


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
