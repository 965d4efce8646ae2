"""AWS Lambda on this machine: a package, unpacked read-only, under AWS's own runtime client (awslambdaric).

Function       the package and its settings; starts an environment when it is called, as Lambda does
Environment    one process of the runtime client
RuntimeAPI     what that process asks for work
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import json
import os
import queue
import subprocess
import sys
import threading
import time
import uuid
import zipfile
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any, BinaryIO, Self

#: What Lambda lets in and out, JSON and base64 included: 6 MiB and 100 bytes.
MAX_PAYLOAD_BYTES = 6_291_556
#: What starting may take, seconds. Lambda gives 10; a machine that runs tests may be busy.
START_SECONDS = 60
#: What lies beside the package on Lambda: the runtime client and the SDK.
RUNTIME = (
    *("awslambdaric", "simplejson", "snapshot-restore-py"),
    *("boto3", "botocore", "s3transfer", "jmespath", "python-dateutil", "six", "urllib3"),
)
REGION = "eu-west-1"
ACCOUNT = "123456789012"
#: Goes before a command: root, too, may then write only where a file's mode permits it.
WITHOUT_ROOT = (
    ("setpriv", "--bounding-set", "-dac_override,-dac_read_search") if os.geteuid() == 0 else ()
)


#: Directories by the digest of their package.
_unpacked: dict[str, Path] = {}


class FunctionFailed(Exception):
    """The function has not answered; what Lambda tells about it, `{"errorType": …, "errorMessage": …}`."""

    def __init__(self, payload: bytes) -> None:
        super().__init__(payload.decode())
        self.payload = payload

    @property
    def type(self) -> str:
        return str(json.loads(self.payload)["errorType"])


class Work(NamedTuple):
    request_id: str
    invoked_arn: str
    payload: bytes
    deadline: float  # POSIX seconds


class Outcome(NamedTuple):
    payload: bytes
    failed: bool = False
    #: Lambda trusts the environment no longer.
    is_last: bool = False


@dataclass(frozen=True, kw_only=True)
class Function:
    """What Lambda knows of a function. `call` starts an environment if none is left: a cold start."""

    package: Path
    #: Where the package is unpacked, and the log written.
    directory: Path
    handler: str
    variables: Mapping[str, str] = field(default_factory=dict)
    timeout_seconds: float = 29
    memory_megabytes: int = 1769
    name: str = "function"
    #: An environment answers one request at a time, and there is one.
    turn: threading.Lock = field(default_factory=threading.Lock)
    environments: list[Environment] = field(default_factory=list)

    @property
    def task_root(self) -> Path:
        return self.directory / "task"

    @property
    def log(self) -> str:
        """What all environments have printed."""
        file = self.directory / "log"
        return file.read_text(encoding="utf-8") if file.exists() else ""

    def arn(self, qualifier: str | None = None) -> str:
        """As a caller names the function: with an alias or a version, or without."""
        parts = ("arn:aws:lambda", REGION, ACCOUNT, "function", self.name)
        return ":".join((*parts, qualifier) if qualifier else parts)

    def call(self, payload: bytes, qualifier: str | None = None) -> bytes:
        """Raises FunctionFailed."""
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise FunctionFailed(_error("RequestEntityTooLarge", f"{len(payload)} bytes"))
        with self.turn:
            if not self.environments or not self.environments[-1].is_alive:
                self.environments.append(self._start())
            environment = self.environments[-1]
            outcome = environment.run(payload, self.timeout_seconds, self.arn(qualifier))
        if outcome.failed:
            raise FunctionFailed(outcome.payload)
        return outcome.payload

    def stop(self) -> None:
        for environment in self.environments:
            environment.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start(self) -> Environment:
        if not self.task_root.exists():
            _unpack(self.package, self.task_root)
        runtime = self.directory / "runtime"
        if not runtime.exists():
            _lay_out_runtime(runtime)
        client = [sys.executable, "-S", "-P", "-m", "awslambdaric", self.handler]
        with (self.directory / "log").open("ab") as log:
            return Environment(
                [*WITHOUT_ROOT, *client], self.task_root, self._variables(runtime), log
            )

    def _variables(self, runtime: Path) -> dict[str, str]:
        """Nothing of this machine's own. https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html"""
        return {
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_SESSION_TOKEN": "session-token-of-the-role",
            **self.variables,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
            "AWS_LAMBDA_FUNCTION_NAME": self.name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self.memory_megabytes),
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{self.name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": "2026/11/22/[$LATEST]0",
            "_HANDLER": self.handler,
            "LAMBDA_TASK_ROOT": str(self.task_root),
            "LAMBDA_RUNTIME_DIR": str(runtime),
            # The package goes before what the runtime brings.
            "PYTHONPATH": f"{self.task_root}:{runtime}",
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
        }


class Environment:
    """A process of the runtime client, and what it asks for work."""

    def __init__(
        self, command: list[str], directory: Path, variables: Mapping[str, str], log: BinaryIO
    ) -> None:
        self._work: queue.Queue[Work | None] = queue.Queue()
        self._outcomes: queue.Queue[Outcome] = queue.Queue()
        self._is_started = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(RuntimeAPI, self))
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self._process = subprocess.Popen(
            command,
            cwd=directory,
            env={**variables, "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_port}"},
            stdout=log,
            stderr=log,
        )
        threading.Thread(target=self._watch, daemon=True).start()

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def run(self, payload: bytes, timeout_seconds: float, invoked_arn: str) -> Outcome:
        """Give the process an event, and wait for what becomes of it."""
        seconds = timeout_seconds if self._is_started.wait(START_SECONDS) else 0
        self._work.put(Work(str(uuid.uuid4()), invoked_arn, payload, time.time() + seconds))
        try:
            outcome = self._outcomes.get(timeout=seconds)
        except queue.Empty:
            message = f"Task timed out after {timeout_seconds:.2f} seconds"
            outcome = Outcome(_error("Sandbox.Timedout", message), failed=True, is_last=True)
        if outcome.is_last:
            self.stop()
        return outcome

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        self._work.put(None)
        self._server.shutdown()
        self._server.server_close()

    def next(self) -> Work | None:
        """The next event, once there is one; None at the end."""
        self._is_started.set()
        return self._work.get()

    def finish(self, outcome: Outcome) -> bool:
        """False if the answer is larger than Lambda lets out."""
        is_allowed = len(outcome.payload) <= MAX_PAYLOAD_BYTES
        if not is_allowed:
            message = f"Response payload size exceeded maximum allowed payload size ({MAX_PAYLOAD_BYTES} bytes)."
            payload = _error("Function.ResponseSizeTooLarge", message)
            outcome = Outcome(payload, failed=True, is_last=True)
        self._outcomes.put(outcome)
        self._is_started.set()
        return is_allowed

    def _watch(self) -> None:
        status = self._process.wait()
        message = f"Runtime exited with status {status}"
        self.finish(Outcome(_error("Runtime.ExitError", message), failed=True, is_last=True))


class RuntimeAPI(BaseHTTPRequestHandler):
    """https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html"""

    protocol_version = "HTTP/1.1"

    def __init__(self, environment: Environment, *arguments: Any) -> None:
        self.environment = environment
        super().__init__(*arguments)

    def do_GET(self) -> None:
        work = self.environment.next()
        if work is None:
            self.close_connection = True
            return
        headers = {
            "Lambda-Runtime-Aws-Request-Id": work.request_id,
            "Lambda-Runtime-Deadline-Ms": str(int(work.deadline * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": work.invoked_arn,
            "Lambda-Runtime-Trace-Id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700",
        }
        self._answer(200, work.payload, headers)

    def do_POST(self) -> None:
        payload = self.rfile.read(int(self.headers["Content-Length"]))
        outcome = Outcome(
            payload,
            failed=self.path.endswith("/error"),
            is_last=self.path.endswith("/init/error"),
        )
        # The runtime client gives up at 413.
        status = 202 if self.environment.finish(outcome) else 413
        self._answer(status, b'{"status": "OK"}', {})

    def _answer(self, status: int, payload: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {
            **headers,
            "Content-Type": "application/json",
            "Content-Length": str(len(payload)),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(payload)

    def handle(self) -> None:
        # A process that is stopped leaves its connection behind.
        with contextlib.suppress(ConnectionError):
            super().handle()

    def log_message(self, *_: object) -> None:
        """The function's own log is enough."""


def _error(kind: str, message: str) -> bytes:
    return json.dumps({"errorType": kind, "errorMessage": message}).encode()


def _unpack(package: Path, directory: Path) -> None:
    """Or link to where this process has unpacked the same bytes before: nobody writes there."""
    digest = hashlib.sha256(package.read_bytes()).hexdigest()
    former = _unpacked.setdefault(digest, directory)
    if former.exists():
        directory.symlink_to(former)
        return
    _unpacked[digest] = directory
    with zipfile.ZipFile(package) as archive:
        archive.extractall(directory)
    for path in [directory, *directory.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)


def _lay_out_runtime(directory: Path) -> None:
    """Links to what Lambda itself brings, and to nothing else of what is installed here."""
    directory.mkdir()
    for name in RUNTIME:
        distribution = importlib.metadata.distribution(name)
        for top in {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}:
            (directory / top).symlink_to(str(distribution.locate_file(top)))
