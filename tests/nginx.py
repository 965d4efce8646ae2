"""A real nginx for tests: started with what stands in `http {…}`, stopped at the end."""

from __future__ import annotations

import grp
import http.client
import os
import pwd
import shutil
import subprocess
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from tests.servers import ask_for, running

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

#: Debian has it where an ordinary user's PATH does not lead.
PROGRAMS = ("nginx", "/usr/sbin/nginx")
#: Of Debian's libnginx-mod-http-js.
JAVASCRIPT_MODULE = "/usr/lib/nginx/modules/ngx_http_js_module.so"

MAIN = """
{modules}
daemon off;
{user}
worker_processes 1;
pid {directory}/nginx.pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path {directory}/client_body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    scgi_temp_path {directory}/scgi;
    uwsgi_temp_path {directory}/uwsgi;
{http}
}}
"""


class Reply(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes


@contextmanager
def nginx(
    directory: Path, address: str, http: str, *, user: str = "root"
) -> Iterator[subprocess.Popen[bytes]]:
    """Run nginx in a directory of its own; `address` is one where it will answer.

    Started by root, it becomes `user`. Another user than root may not read the tests' directories.
    """
    command = _command(directory, http, user)
    with running(command, partial(ask_for, f"{address}/")) as process:
        yield process


def check(directory: Path, http: str) -> str:
    """What nginx says of a configuration without starting it. Empty if it is fine."""
    done = subprocess.run([*_command(directory, http), "-t", "-q"], capture_output=True, text=True)
    return done.stderr


def _command(directory: Path, http: str, user: str = "root") -> list[str | Path]:
    group = grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_name if os.geteuid() == 0 else ""
    directory.mkdir(parents=True, exist_ok=True)
    configuration = directory / "nginx.conf"
    configuration.write_text(
        MAIN.format(
            modules=f"load_module {JAVASCRIPT_MODULE};" if "js_import" in http else "",
            user=f"user {user} {group};" if group else "",
            directory=directory,
            http=http,
        ),
        encoding="utf-8",
    )
    program = next(filter(None, map(shutil.which, PROGRAMS)))
    return [program, "-c", configuration, "-e", directory / "error.log"]


def ask(url: str, method: str = "GET", headers: Mapping[str, str] | None = None) -> Reply:
    """One request; its path is sent as it is written, and redirects are not followed."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=60)
    try:
        connection.request(method, url.partition(parts.netloc)[2], headers=headers or {})
        response = connection.getresponse()
        return Reply(response.status, response.headers, response.read())
    finally:
        connection.close()
