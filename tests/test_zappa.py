"""The life of a deployment, with Zappa's own commands, against a local AWS."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from tests.aws.deployment import NAME
from tests.aws.runtime import REGION
from tests.pictures import TOLERANCE, decode, difference, photograph

if TYPE_CHECKING:
    from pathlib import Path

    from tests.aws.deployment import Deployment

pytestmark = pytest.mark.function

LION = "l%C3%B6we%201.jpg"


@pytest.fixture(scope="module", autouse=True)
def lion(deployment: Deployment) -> None:
    s3 = deployment.client("s3")
    s3.put_object(Bucket="originals", Key="löwe 1.jpg", Body=photograph())


def test_first_request_makes_the_variant_and_the_second_finds_it(deployment: Deployment) -> None:
    first = deployment.fetch(f"/img/800/{LION}")
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
    assert document == json.loads((deployment.directory / "execution.json").read_text())
    assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []


def test_commands_run_in_the_function(deployment: Deployment) -> None:
    assert "no issues" in deployment.zappa("manage", "check")
    findings = deployment.zappa("manage", "resizer_doctor")
    assert "✓ variants storage: " in findings
    assert "✗" not in findings
    # Zappa hands the arguments over as one text.
    assert "Would remove" in deployment.zappa("manage", "resizer_purge --all --dry-run")
    assert "{'answer': 42}" in deployment.zappa("invoke", "print({'answer': 6 * 7})", "--raw")


def test_variants_of_a_replaced_picture_are_purged_by_the_clock(deployment: Deployment) -> None:
    s3 = deployment.client("s3")
    s3.put_object(Bucket="originals", Key="replaced.jpg", Body=photograph((400, 300)))
    stale, current = (
        deployment.fetch(f"/img/320/{name}")["Content-Location"].removeprefix("/")
        for name in ("replaced.jpg", LION)
    )
    s3.put_object(Bucket="originals", Key="replaced.jpg", Body=photograph((300, 400)))
    (rule,) = deployment.client("events").list_rules()["Rules"]
    assert rule["ScheduleExpression"] == "cron(0 3 * * ? *)"
    event = {
        "source": "aws.events",
        "detail-type": "Scheduled Event",
        "time": "2026-11-22T03:00:00Z",
        "region": REGION,
        "resources": [rule["Arn"]],
        "detail": {},
    }
    answer = deployment.client("lambda").invoke(FunctionName=NAME, Payload=json.dumps(event))
    assert "FunctionError" not in answer
    kept = [one["Key"] for one in s3.list_objects_v2(Bucket="variants")["Contents"]]
    assert current in kept
    assert stale not in kept


def test_update_replaces_the_code_and_rollback_brings_it_back(
    deployment: Deployment, tmp_path: Path
) -> None:
    package = tmp_path / "update.zip"
    deployment.save_package(package)
    with zipfile.ZipFile(package, "a") as archive:
        archive.writestr("news.py", "")
    question = "import importlib.util; print('news:', bool(importlib.util.find_spec('news')))"

    assert "live" in deployment.zappa("update", "--zip", str(package))
    assert "news: True" in deployment.zappa("invoke", question, "--raw")
    assert deployment.fetch(f"/img/320/{LION}").status == 200

    deployment.zappa("rollback", "--num-rollback", "1")
    assert "news: False" in deployment.zappa("invoke", question, "--raw")
    assert deployment.fetch(f"/img/320/{LION}").status == 200


def test_undeploy_leaves_pictures_and_role_and_a_second_deployment_works(
    deployment: Deployment, tmp_path: Path
) -> None:
    package = tmp_path / "package.zip"
    deployment.save_package(package)
    kept = deployment.fetch(f"/img/480/{LION}")["Content-Location"]

    assert "Done" in deployment.zappa("undeploy", "--yes")
    with pytest.raises(ClientError, match="Function not found"):
        deployment.client("lambda").get_function(FunctionName=NAME)
    rules = deployment.client("events").list_rules()["Rules"]
    assert rules == []
    deployment.client("s3").head_object(Bucket="variants", Key=kept.removeprefix("/"))
    deployment.client("iam").get_role(RoleName=f"{NAME}-ZappaLambdaExecutionRole")

    deployment.zappa("deploy", "--zip", str(package))
    assert deployment.fetch(kept)["Server-Timing"] == 'resizer;desc="hit"'
