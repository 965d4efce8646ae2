"""The life of a deployment, with Zappa's own commands, against a local AWS."""

from __future__ import annotations

import json
import zipfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from tests.aws.deployment import NAME, stranger
from tests.aws.runtime import REGION
from tests.pictures import TOLERANCE, decode, difference, photograph

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.aws.deployment import Deployment

pytestmark = pytest.mark.function

LION = "l%C3%B6we%201.jpg"


@contextmanager
def commands_open(deployment: Deployment) -> Iterator[None]:
    """As docs/production/lambda.md says: the alias is made, and removed again."""
    aws = deployment.client("lambda")
    aws.create_alias(FunctionName=NAME, Name="commands", FunctionVersion="$LATEST")
    yield
    aws.delete_alias(FunctionName=NAME, Name="commands")


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
    assert "resizer.contrib.zappa.handler.lambda_handler" in status
    assert "resizer.contrib.zappa.schedule.purge" in status


def test_function_url_lets_no_script_of_another_site_read_it(deployment: Deployment) -> None:
    config = deployment.client("lambda").get_function_url_config(FunctionName=NAME)
    assert (config["AuthType"], config.get("Cors")) == ("NONE", None)


def test_role_has_our_policy_and_no_other(deployment: Deployment) -> None:
    iam = deployment.client("iam")
    role = f"{NAME}-ZappaLambdaExecutionRole"
    (name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    assert document == json.loads((deployment.directory / "execution.json").read_text())
    assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []


def test_commands_run_through_the_alias_that_an_operator_makes(deployment: Deployment) -> None:
    with commands_open(deployment):
        findings = deployment.command("manage", "resizer_doctor")
        assert "✓ variants storage: " in findings
        assert "✗" not in findings
        # Zappa hands the arguments over as one text.
        assert "Would remove" in deployment.command("manage", "resizer_purge --all --dry-run")
        answer = deployment.command("invoke", "print({'answer': 6 * 7})", "--raw")
        assert "{'answer': 42}" in answer


@pytest.mark.parametrize(
    "arguments",
    [("manage", "check"), ("invoke", "print(6 * 7)", "--raw"), ("invoke", "os.getcwd")],
    ids=" ".join,
)
def test_commands_without_the_alias_are_refused(
    deployment: Deployment, arguments: tuple[str, ...]
) -> None:
    done = deployment.run(*arguments)
    assert done.returncode == 1
    assert "Commands come through the alias 'commands'" in done.stdout


def test_alias_that_nobody_has_made_is_none(deployment: Deployment) -> None:
    done = deployment.run("manage", "check", "--qualifier", "commands")
    assert done.returncode != 0
    assert "ResourceNotFound" in done.stdout + done.stderr


@pytest.mark.parametrize("event", [{"raw_command": "print(6 * 7)"}, {"manage": "check"}], ids=str)
def test_other_account_runs_nothing_in_an_open_stage(
    deployment: Deployment, event: dict[str, str]
) -> None:
    client, name = stranger(deployment.endpoint), deployment.arn
    payload = json.dumps(event)
    with commands_open(deployment):
        for arn in (name, f"{name}:commands"):
            with pytest.raises(ClientError, match="AccessDenied"):
                client.invoke(FunctionName=arn, Payload=payload)
    assert deployment.fetch("/").status == 200


def test_other_account_runs_nothing_where_the_permission_is_open_too(
    deployment: Deployment,
) -> None:
    aws = deployment.client("lambda")
    aws.add_permission(
        FunctionName=NAME, StatementId="open", Action="lambda:InvokeFunction", Principal="*"
    )
    try:
        answer = stranger(deployment.endpoint).invoke(
            FunctionName=deployment.arn, Payload=json.dumps({"raw_command": "print(6 * 7)"})
        )
    finally:
        aws.remove_permission(FunctionName=NAME, StatementId="open")
    assert answer["FunctionError"] == "Unhandled"
    assert json.load(answer["Payload"])["errorType"] == "EventRefused"


def test_update_keeps_the_lock_and_closes_what_a_former_version_left_open(
    deployment: Deployment, tmp_path: Path
) -> None:
    before = deployment.policy()
    name = "FunctionURLAllowPublicAccessInvoke"
    assert before[name]["Condition"] == {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}}
    aws = deployment.client("lambda")
    aws.add_permission(
        FunctionName=NAME, StatementId="open", Action="lambda:InvokeFunction", Principal="*"
    )
    aws.update_function_url_config(FunctionName=NAME, Cors={"AllowOrigins": ["*"]})
    package = tmp_path / "update.zip"
    deployment.save_package(package)
    deployment.zappa("update", "--zip", str(package))
    after = deployment.policy()
    assert after["open"]["Condition"] == before[name]["Condition"]
    for name in ("FunctionURLAllowPublicAccess", "FunctionURLAllowPublicAccessInvoke"):
        assert after[name] == before[name]
    assert aws.get_function_url_config(FunctionName=NAME).get("Cors") is None
    assert deployment.fetch("/").status == 200
    aws.remove_permission(FunctionName=NAME, StatementId="open")


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
    with commands_open(deployment):
        assert "news: True" in deployment.command("invoke", question, "--raw")
    assert deployment.fetch(f"/img/320/{LION}").status == 200

    deployment.zappa("rollback", "--num-rollback", "1")
    with commands_open(deployment):
        assert "news: False" in deployment.command("invoke", question, "--raw")
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
