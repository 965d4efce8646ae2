"""A deployment of the project, made by Zappa's own commands, on a local AWS."""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import platform
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3

from tests.aws.events import Response
from tests.aws.runtime import ACCOUNT, REGION
from tests.servers import ROOT, moto_server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ZAPPA = Path(sys.executable).with_name("zappa")
#: Of the function, and the beginning of its role's name.
NAME = "resizer-dev"
BUCKETS = ("deployments", "originals", "variants")
ARCHITECTURE = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
PLACEHOLDER = "change-me"
CREDENTIALS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}


@dataclass(frozen=True)
class Deployment:
    endpoint: str
    #: Of the settings and of the policy, with names in the place of placeholders.
    directory: Path
    name: str = NAME
    #: Where commands run.
    project: Path = ROOT
    variables: Mapping[str, str] = field(default_factory=dict)

    def zappa(self, command: str, *arguments: str) -> str:
        """What a command for the stage prints."""
        done = self.run(command, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def command(self, *arguments: str) -> str:
        """What a command that runs in the function prints."""
        return self.zappa(*arguments, "--qualifier", "commands")

    def run(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        with _alone():
            return self._run(command, *arguments)

    def _run(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        settings = str(self.directory / "zappa_settings.json")
        stage = self.name.rpartition("-")[2]
        return subprocess.run(
            [str(ZAPPA), command, stage, *arguments, "--settings_file", settings],
            cwd=self.project,
            env={
                # A developer's own account stays out of it.
                **{name: value for name, value in os.environ.items() if name[:4] != "AWS_"},
                "AWS_CONFIG_FILE": os.devnull,
                "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
                "VIRTUAL_ENV": sys.prefix,
                "AWS_ENDPOINT_URL": self.endpoint,
                "AWS_DEFAULT_REGION": REGION,
                **{name.upper(): value for name, value in CREDENTIALS.items()},
                **self.variables,
            },
            capture_output=True,
            text=True,
            check=False,
        )

    def client(self, service: str) -> Any:
        return boto3.client(service, endpoint_url=self.endpoint, region_name=REGION, **CREDENTIALS)

    @property
    def arn(self) -> str:
        return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{self.name}"

    def policy(self) -> dict[str, Any]:
        """The statements on who may call the function, by their names."""
        policy = self.client("lambda").get_policy(FunctionName=self.name)["Policy"]
        return {one["Sid"]: one for one in json.loads(policy)["Statement"]}

    def address(self) -> str:
        """The Function URL, without a slash at its end."""
        config = self.client("lambda").get_function_url_config(FunctionName=self.name)
        return str(config["FunctionUrl"])

    def fetch(self, path: str) -> Response:
        """Through the Function URL; its host name stands for the local AWS."""
        connection = http.client.HTTPConnection(urlsplit(self.endpoint).netloc)
        host = urlsplit(self.address()).netloc
        connection.request("GET", path, headers={"Host": host, "Accept": "image/avif,*/*"})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        headers = tuple((name.lower(), value) for name, value in answer.getheaders())
        return Response(status=answer.status, headers=headers, body=body)

    def save_package(self, path: Path) -> None:
        """What is deployed at present."""
        code = self.client("lambda").get_function(FunctionName=self.name)["Code"]
        with urllib.request.urlopen(code["Location"]) as answer:
            path.write_bytes(answer.read())


def stranger(endpoint: str) -> Any:
    """A client of Lambda for an administrator of another account."""
    sts = boto3.client("sts", endpoint_url=endpoint, region_name=REGION, **CREDENTIALS)
    role = {"RoleArn": "arn:aws:iam::999999999999:role/admin", "RoleSessionName": "stranger"}
    given = sts.assume_role(**role)["Credentials"]
    return boto3.client(
        "lambda",
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
    )


@contextmanager
def _alone() -> Iterator[None]:
    """Zappa packs in the project's directory, under a name with the second in it: one at a time."""
    with (ROOT / "var" / "zappa.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def deploy(directory: Path) -> Iterator[Deployment]:
    """The stage `dev` as the project has it, on a local AWS with empty buckets; at the end all of it goes."""
    for path in (ROOT / "zappa_settings.json", ROOT / "config/aws/policies/execution.json"):
        text = path.read_text(encoding="utf-8")
        for bucket in BUCKETS:
            text = text.replace(f"{PLACEHOLDER}-{bucket}", bucket)
        text = text.replace(PLACEHOLDER, "for tests only")
        # Tests ask for pictures by their short URLs.
        text = text.replace('"RESIZER_OPEN": ""', '"RESIZER_OPEN": "default"')
        # It will run on this machine.
        text = text.replace('"x86_64"', f'"{ARCHITECTURE}"')
        # Zappa looks for the policy from the project's directory.
        text = text.replace("config/aws/policies/execution.json", str(directory / "execution.json"))
        (directory / path.name).write_text(text, encoding="utf-8")
    with moto_server("tests.aws.server", str(directory)) as endpoint:
        deployment = Deployment(endpoint, directory)
        for bucket in BUCKETS:
            place = {"LocationConstraint": REGION}
            deployment.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration=place)
        assert "Deployment complete" in deployment.zappa("deploy")
        yield deployment
