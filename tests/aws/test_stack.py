"""One stack: what its command makes on a local AWS, and what it says before."""

from __future__ import annotations

import ast
import base64
import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import yaml

from config.aws.stack import EDGE, TEMPLATE, DeploymentError, read_parameters
from tests.aws.deployment import ARCHITECTURE, CREDENTIALS, stranger
from tests.aws.events import Request, Response, parse_answer, write_event
from tests.aws.runtime import ACCOUNT, REGION
from tests.cloudfront import Loader
from tests.documents import read as read_page
from tests.pictures import photograph
from tests.servers import ROOT, moto_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "acme"
CODE, ORIGINALS, VARIANTS = (
    f"{NAME}-{ACCOUNT}-{one}" for one in ("deployments", "originals", "variants")
)
HOST = "d111111abcdef8.cloudfront.net"


def run(endpoint: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, as `make deploy-stack` runs it."""
    environment = {name: value for name, value in os.environ.items() if name[:4] != "AWS_"}
    return subprocess.run(
        [sys.executable, "-m", "config.aws.stack", *arguments],
        cwd=ROOT,
        env=environment
        | {"AWS_ENDPOINT_URL": endpoint, "AWS_DEFAULT_REGION": REGION}
        | {name.upper(): value for name, value in CREDENTIALS.items()},
        capture_output=True,
        text=True,
        check=False,
    )


def connect(endpoint: str, service: str) -> Any:
    return boto3.client(service, endpoint_url=endpoint, region_name=REGION, **CREDENTIALS)


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with moto_server("tests.aws.server", str(tmp_path_factory.mktemp("aws"))) as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def printed(aws: str, package: Path) -> str:
    """What the command prints for a new stack."""
    done = run(
        aws,
        *(NAME, "--package", str(package), "OpenSources=default", "LogRetentionDays=14"),
        *(f"Architecture={ARCHITECTURE}", "AlarmEmail=you@example.com"),
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def fetch(aws: str, path: str) -> Response:
    """As CloudFront calls the Function URL."""
    event = write_event("url", Request(path=path))
    answer = connect(aws, "lambda").invoke(FunctionName=NAME, Payload=event)
    assert "FunctionError" not in answer, answer["Payload"].read()
    return parse_answer("GET", answer["Payload"].read())


@pytest.mark.function
def test_dry_run_says_what_would_be_made_and_makes_nothing(aws: str) -> None:
    done = run(aws, "dry", "--dry-run", "AlarmEmail=you@example.com")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 4
    # The page shows the very lines.
    assert done.stdout.replace("dry", "acme") in read_page("production/stack")
    buckets = connect(aws, "s3").list_buckets()["Buckets"]
    assert not [one for one in buckets if one["Name"].startswith("dry")]
    assert connect(aws, "ssm").get_parameters_by_path(Path="/resizer/dry")["Parameters"] == []


@pytest.mark.function
def test_one_command_makes_the_whole_service(aws: str, printed: str) -> None:
    lines = printed.splitlines()
    # The page shows the same.
    shown = printed.replace("package.zip", f"resizer-{ARCHITECTURE}.zip")
    shown = re.sub(r"acme-Edge-\S+", "E1ABCDEFGHIJKL", shown)
    assert shown.replace("arm64", "x86_64") in read_page("production/stack")
    assert dict(line.split() for line in lines[6:]) == {
        "URL": f"https://{HOST}",
        "CloudFrontDomainName": HOST,
        "DistributionId": next(line.split()[1] for line in lines if "DistributionId" in line),
        "OriginalsBucket": ORIGINALS,
        "VariantsBucket": VARIANTS,
    }
    connect(aws, "s3").put_object(Bucket=ORIGINALS, Key="cat.jpg", Body=photograph((800, 600)))
    made = fetch(aws, "/img/640/cat.jpg")
    assert (made.status, made["Content-Type"]) == (200, "image/jpeg")
    # CloudFront looks for the path in this bucket.
    key = made["Content-Location"].removeprefix("/")
    kept = connect(aws, "s3").get_object(Bucket=VARIANTS, Key=key)
    assert kept["Body"].read() == made.body


@pytest.mark.function
def test_function_knows_its_secrets_and_its_host_without_a_second_deployment(
    aws: str, printed: str
) -> None:
    client = connect(aws, "lambda")
    variables = client.get_function_configuration(FunctionName=NAME)["Environment"]["Variables"]
    assert not [name for name in variables if "KEY" in name]
    client.create_alias(FunctionName=NAME, Name="commands", FunctionVersion="$LATEST")
    code = "from config.settings import *; print(CDN_DOMAIN := STORAGES['resizer']['OPTIONS']['custom_domain'], len(SECRET_KEY), len(RESIZER['SIGNING_KEY']))"
    answer = client.invoke(
        FunctionName=NAME,
        Qualifier="commands",
        LogType="Tail",
        Payload=json.dumps({"raw_command": code}),
    )
    log = base64.b64decode(answer["LogResult"]).decode()
    assert f"{HOST} 64 64" in log
    client.delete_alias(FunctionName=NAME, Name="commands")


@pytest.mark.function
def test_only_cloudfront_and_the_clock_may_call_the_function(aws: str, printed: str) -> None:
    client = connect(aws, "lambda")
    assert client.get_function_url_config(FunctionName=NAME)["AuthType"] == "AWS_IAM"
    statements = json.loads(client.get_policy(FunctionName=NAME)["Policy"])["Statement"]
    assert {one["Principal"]["Service"] for one in statements} == {
        "cloudfront.amazonaws.com",
        "events.amazonaws.com",
    }
    assert all(one["Condition"] for one in statements)
    with pytest.raises(Exception, match="AccessDenied"):
        stranger(aws).invoke(
            FunctionName=f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{NAME}", Payload=b"{}"
        )


@pytest.mark.function
def test_purge_runs_every_night(aws: str, printed: str) -> None:
    events = connect(aws, "events")
    (rule,) = events.list_rules()["Rules"]
    assert rule["ScheduleExpression"] == "cron(0 3 * * ? *)"
    (target,) = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
    s3 = connect(aws, "s3")
    s3.put_object(Bucket=ORIGINALS, Key="stays.jpg", Body=photograph((64, 48)))
    stale = "img/gone.jpg/5d41402a-nFGBozSE6GBqnk/320.jpg"
    s3.put_object(Bucket=VARIANTS, Key=stale, Body=b"stale")
    answer = connect(aws, "lambda").invoke(FunctionName=NAME, Payload=target["Input"])
    assert "FunctionError" not in answer, answer["Payload"].read()
    kept = s3.list_objects_v2(Bucket=VARIANTS).get("Contents", [])
    assert stale not in [one["Key"] for one in kept]


@pytest.mark.function
def test_log_is_kept_for_some_days(aws: str, printed: str) -> None:
    groups = connect(aws, "logs").describe_log_groups()["logGroups"]
    assert [one["retentionInDays"] for one in groups if one["logGroupName"].endswith(NAME)] == [14]


@pytest.mark.function
def test_role_has_the_rights_of_the_project_and_no_others(aws: str, printed: str) -> None:
    iam = connect(aws, "iam")
    (role,) = (one for one in iam.list_roles()["Roles"] if one["RoleName"].startswith(NAME))
    given = iam.get_role_policy(RoleName=role["RoleName"], PolicyName="execution")
    ours = json.loads((ROOT / "config/aws/policies/execution.json").read_text())
    # The stack makes the log group.
    rights = {one["Sid"]: one for one in ours["Statement"] if one["Sid"] != "MakeLogGroup"}
    # moto gives a policy of CloudFormation as text.
    document = ast.literal_eval(given["PolicyDocument"])["Statement"]
    assert {one["Sid"]: one["Action"] for one in document} == {
        name: one["Action"] for name, one in rights.items()
    }
    resources = json.dumps([one["Resource"] for one in document])
    for bucket in (ORIGINALS, VARIANTS):
        assert resources.count(f"arn:aws:s3:::{bucket}") == 2
    assert "*" not in resources.replace("/*", "").replace("acme:*", "")
    assert iam.list_attached_role_policies(RoleName=role["RoleName"])["AttachedPolicies"] == []


@pytest.mark.function
def test_update_changes_what_is_said_and_keeps_the_rest(
    aws: str, printed: str, package: Path
) -> None:
    for bucket in (ORIGINALS, VARIANTS):
        # moto makes the buckets anew, and cannot where an object is left of another test.
        s3 = connect(aws, "s3")
        for one in s3.list_objects_v2(Bucket=bucket).get("Contents", []):
            s3.delete_object(Bucket=bucket, Key=one["Key"])
    ssm = connect(aws, "ssm")
    before = ssm.get_parameters_by_path(Path="/resizer/acme", WithDecryption=True)["Parameters"]
    plan = run(aws, NAME, "--dry-run", "MemorySize=2048").stdout
    assert plan.splitlines()[-1] == "Would update the stack acme with MemorySize=2048."
    assert len(plan.splitlines()) == 2
    done = run(aws, NAME, "--package", str(package), "MemorySize=2048")
    assert done.returncode == 0, done.stderr
    assert "Made" not in done.stdout
    configuration = connect(aws, "lambda").get_function_configuration(FunctionName=NAME)
    assert configuration["MemorySize"] == 2048
    assert configuration["Environment"]["Variables"]["RESIZER_OPEN"] == "default"
    after = ssm.get_parameters_by_path(Path="/resizer/acme", WithDecryption=True)["Parameters"]
    assert {one["Name"]: one["Value"] for one in before} == {
        one["Name"]: one["Value"] for one in after
    }


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        ("Memory=1", r"^Memory=1 is no parameter\. Write Name=value, with one of Architecture, "),
        ("MemorySize", "^MemorySize is no parameter"),
        ("CodeKey=a", "^CodeKey=a is no parameter"),
        ("MemorySize=big", r"^MemorySize cannot be big\. A number\."),
        ("Architecture=i386", r"^Architecture is one of x86_64, arm64\.$"),
        ("AllowOrigin=www", r"^AllowOrigin cannot be www\. A single origin such as "),
        ("LogRetentionDays=2", "^LogRetentionDays is one of 1, 3, "),
    ],
)
def test_wrong_parameter_is_told_before_anything_is_made(pair: str, words: str) -> None:
    with pytest.raises(DeploymentError, match=words):
        read_parameters([pair])


def test_name_that_no_bucket_can_have_is_told_in_one_sentence() -> None:
    done = run("http://127.0.0.1:9", "Acme")
    assert (done.returncode, done.stderr) == (
        1,
        "Acme is no name for buckets: use 3 to 28 lower-case letters, digits and hyphens.\n",
    )


def read(path: Path) -> dict[str, Any]:
    template: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), Loader)
    return template


def test_parameters_of_both_templates_are_the_same() -> None:
    stack, edge = read(TEMPLATE), read(EDGE)
    passed = stack["Resources"]["Edge"]["Properties"]["Parameters"]
    assert set(passed) == set(edge["Parameters"])
    for name in set(stack["Parameters"]) & set(edge["Parameters"]) - {"Pages"}:
        assert stack["Parameters"][name] == edge["Parameters"][name]
        assert passed[name] == {"Ref": name}


def test_function_has_the_time_that_cloudfront_gives_it() -> None:
    function = read(TEMPLATE)["Resources"]["Function"]["Properties"]
    (origin,) = (
        one
        for one in read(EDGE)["Resources"]["Distribution"]["Properties"]["DistributionConfig"][
            "Origins"
        ]
        if one["Id"] == "function"
    )
    assert function["Timeout"] == origin["CustomOriginConfig"]["OriginReadTimeout"]


def test_originals_and_variants_outlive_the_stack() -> None:
    originals = read(TEMPLATE)["Resources"]["Originals"]
    assert originals["DeletionPolicy"] == "RetainExceptOnCreate"
    assert originals["UpdateReplacePolicy"] == "Retain"
    assert all(originals["Properties"]["PublicAccessBlockConfiguration"].values())
