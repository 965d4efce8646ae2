"""The life of a deployment, with Zappa's own commands, against a local AWS."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.aws.events import Response
from tests.aws.runtime import REGION
from tests.pictures import TOLERANCE, decode, difference, photograph
from tests.servers import ROOT, moto_server

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.function

ZAPPA = Path(sys.executable).with_name("zappa")
NAME = "resizer-dev"
CREDENTIALS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
PLACEHOLDER = "change-me"


@dataclass(frozen=True)
class Deployment:
    endpoint: str
    settings: Path

    def zappa(self, command: str, *arguments: str) -> str:
        """What a command for the stage `dev` prints."""
        done = subprocess.run(
            [str(ZAPPA), command, "dev", *arguments, "--settings_file", str(self.settings)],
            cwd=ROOT,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.settings.parent),
                "VIRTUAL_ENV": sys.prefix,
                "AWS_ENDPOINT_URL": self.endpoint,
                "AWS_DEFAULT_REGION": REGION,
                **{name.upper(): value for name, value in CREDENTIALS.items()},
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def client(self, service: str) -> Any:
        return boto3.client(service, endpoint_url=self.endpoint, region_name=REGION, **CREDENTIALS)

    def address(self) -> str:
        """The Function URL, without a slash at its end."""
        config = self.client("lambda").get_function_url_config(FunctionName=NAME)
        return str(config["FunctionUrl"])

    def fetch(self, path: str, method: str = "GET") -> Response:
        """Through the Function URL; its host name stands for the local AWS."""
        connection = http.client.HTTPConnection(urlsplit(self.endpoint).netloc)
        host = urlsplit(self.address()).netloc
        connection.request(method, path, headers={"Host": host, "Accept": "image/avif,*/*"})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        headers = tuple((name.lower(), value) for name, value in answer.getheaders())
        return Response(status=answer.status, headers=headers, body=body)


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """The stage `dev` as it is in the project, its placeholders replaced, deployed."""
    directory = tmp_path_factory.mktemp("zappa")
    names = {f"{PLACEHOLDER}-{name}": name for name in ("deployments", "originals", "variants")}
    texts = {}
    for path in (ROOT / "zappa_settings.json", ROOT / "config/policies/execution.json"):
        text = path.read_text(encoding="utf-8")
        for placeholder, name in names.items():
            text = text.replace(placeholder, name)
        texts[path.name] = text.replace(PLACEHOLDER, "for tests only")
        (directory / path.name).write_text(texts[path.name], encoding="utf-8")
    stages = json.loads(texts["zappa_settings.json"])
    stages["dev"]["attach_policy"] = str(directory / "execution.json")
    # Half the size, in half the time; the other engine is in the package of test_lambda.py.
    stages["dev"]["package"] = {"engines": ["pillow"], "postgresql": False}
    settings = directory / "zappa_settings.json"
    settings.write_text(json.dumps(stages), encoding="utf-8")
    with moto_server("tests.aws.server", str(directory)) as endpoint:
        deployment = Deployment(endpoint, settings)
        s3 = deployment.client("s3")
        for bucket in names.values():
            place = {"LocationConstraint": REGION}
            s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=place)
        s3.put_object(Bucket="originals", Key="löwe 1.jpg", Body=photograph())
        output = deployment.zappa("deploy")
        assert "Deployment complete" in output
        assert deployment.address() in output
        yield deployment


def test_first_request_makes_the_variant_and_the_second_finds_it(deployment: Deployment) -> None:
    first = deployment.fetch("/img/800/l%C3%B6we%201.jpg")
    assert (first.status, first["Content-Type"]) == (200, "image/avif")
    assert 'desc="miss"' in first["Server-Timing"]
    image = decode(first.body)
    assert image.size == (800, 600)
    assert difference(image, decode(photograph()).resize(image.size)) < TOLERANCE

    path = first["Content-Location"]
    second = deployment.fetch(path)
    assert second["Server-Timing"] == 'resizer;desc="hit"'
    assert second.body == first.body

    # What CloudFront asks the bucket for, before it asks the function.
    kept = deployment.client("s3").get_object(Bucket="variants", Key=path.removeprefix("/"))
    assert kept["Body"].read() == first.body
    assert kept["ContentType"] == "image/avif"


def test_status_tells_what_is_deployed(deployment: Deployment) -> None:
    status = deployment.zappa("status")
    assert deployment.address() in status
    assert "python3.13" in status
    assert "config.aws_lambda.lambda_handler" in status
    assert "config.schedule.purge" in status


def test_role_has_our_policy_and_no_other(deployment: Deployment) -> None:
    iam = deployment.client("iam")
    role = f"{NAME}-ZappaLambdaExecutionRole"
    (name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    assert document == json.loads((deployment.settings.parent / "execution.json").read_text())
    assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []


def test_commands_run_in_the_function(deployment: Deployment) -> None:
    assert "no issues" in deployment.zappa("manage", "check")
    assert "{'answer': 42}" in deployment.zappa("invoke", "print({'answer': 6 * 7})", "--raw")


def test_update_replaces_the_code_and_rollback_brings_it_back(
    deployment: Deployment, tmp_path: Path
) -> None:
    package = tmp_path / "update.zip"
    package.write_bytes(download(deployment))
    with zipfile.ZipFile(package, "a") as archive:
        archive.writestr("news.py", "")
    question = "import importlib.util; print('news:', bool(importlib.util.find_spec('news')))"

    assert "live" in deployment.zappa("update", "--zip", str(package))
    assert "news: True" in deployment.zappa("invoke", question, "--raw")
    assert deployment.fetch("/img/320/l%C3%B6we%201.jpg").status == 200

    deployment.zappa("rollback", "--num-rollback", "1")
    assert "news: False" in deployment.zappa("invoke", question, "--raw")
    assert deployment.fetch("/img/320/l%C3%B6we%201.jpg").status == 200


def test_undeploy_leaves_pictures_and_role_and_a_second_deployment_works(
    deployment: Deployment, tmp_path: Path
) -> None:
    package = tmp_path / "package.zip"
    package.write_bytes(download(deployment))
    kept = deployment.fetch("/img/480/l%C3%B6we%201.jpg")["Content-Location"]

    assert "Done" in deployment.zappa("undeploy", "--yes")
    with pytest.raises(ClientError, match="Function not found"):
        deployment.client("lambda").get_function(FunctionName=NAME)
    rules = deployment.client("events").list_rules()["Rules"]
    assert rules == []
    deployment.client("s3").head_object(Bucket="variants", Key=kept.removeprefix("/"))
    deployment.client("iam").get_role(RoleName=f"{NAME}-ZappaLambdaExecutionRole")

    deployment.zappa("deploy", "--zip", str(package))
    assert deployment.fetch(kept)["Server-Timing"] == 'resizer;desc="hit"'


def download(deployment: Deployment) -> bytes:
    """The package that is deployed."""
    code = deployment.client("lambda").get_function(FunctionName=NAME)["Code"]
    connection = http.client.HTTPConnection(urlsplit(deployment.endpoint).netloc)
    connection.request("GET", urlsplit(code["Location"]).path)
    content = connection.getresponse().read()
    connection.close()
    return content
