"""The function's rights on AWS: what it needs is allowed, all else denied, by a server that enforces policies."""

from __future__ import annotations

import json
import re
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.aws.events import Request, Response, parse_answer, write_event
from tests.aws.runtime import REGION, Function
from tests.pictures import photograph
from tests.servers import ROOT, moto_server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

POLICY = json.loads((ROOT / "config/aws/policies/execution.json").read_text(encoding="utf-8"))
ORIGINALS, VARIANTS = "change-me-originals", "change-me-variants"
KEY = "img/a.jpg/5d41402a-nFGBozSE6GBqnk/320.avif"
LOGS = {"logGroupName": "/aws/lambda/resizer-dev"}
STREAM = {**LOGS, "logStreamName": "2026/11/22/[$LATEST]0"}
EVENT = {"timestamp": 1795348800000, "message": "called"}

Call = tuple[str, str, dict[str, Any]]
ALLOWED: list[Call] = [
    ("s3", "head_object", {"Bucket": ORIGINALS, "Key": "a.jpg"}),
    ("s3", "get_object", {"Bucket": ORIGINALS, "Key": "a.jpg"}),
    ("s3", "list_objects_v2", {"Bucket": ORIGINALS}),
    ("s3", "list_objects_v2", {"Bucket": VARIANTS, "Prefix": "img/"}),
    ("s3", "put_object", {"Bucket": VARIANTS, "Key": KEY, "Body": b"made"}),
    ("s3", "get_object", {"Bucket": VARIANTS, "Key": "img/kept"}),
    ("s3", "delete_object", {"Bucket": VARIANTS, "Key": KEY}),
    ("ssm", "get_parameters_by_path", {"Path": "/resizer/production"}),
    ("logs", "create_log_group", {"logGroupName": "/aws/lambda/resizer-new"}),
    ("logs", "create_log_stream", {**LOGS, "logStreamName": "new"}),
    ("logs", "put_log_events", {**STREAM, "logEvents": [EVENT]}),
]
DENIED: list[Call] = [
    ("s3", "put_object", {"Bucket": ORIGINALS, "Key": "a.jpg", "Body": b"changed"}),
    ("s3", "delete_object", {"Bucket": ORIGINALS, "Key": "a.jpg"}),
    ("s3", "delete_bucket", {"Bucket": VARIANTS}),
    ("s3", "put_object_acl", {"Bucket": VARIANTS, "Key": "img/kept", "ACL": "public-read"}),
    ("s3", "put_bucket_policy", {"Bucket": VARIANTS, "Policy": "{}"}),
    ("s3", "create_bucket", {"Bucket": "new"}),
    ("s3", "get_object", {"Bucket": "others", "Key": "a.jpg"}),
    ("s3", "put_object", {"Bucket": "others", "Key": "b.jpg", "Body": b""}),
    ("s3", "list_objects_v2", {"Bucket": "others"}),
    ("s3", "list_buckets", {}),
    ("logs", "create_log_group", {"logGroupName": "/aws/lambda/other"}),
    ("logs", "put_log_events", {**STREAM, "logGroupName": "/others", "logEvents": [EVENT]}),
    ("logs", "describe_log_groups", {}),
    ("ssm", "get_parameters_by_path", {"Path": "/others"}),
    ("ssm", "put_parameter", {"Name": "/resizer/production/A", "Value": "b", "Type": "String"}),
    ("iam", "list_users", {}),
    ("iam", "create_access_key", {"UserName": "deployer"}),
    ("dynamodb", "list_tables", {}),
    ("sqs", "list_queues", {}),
    ("sns", "list_topics", {}),
    ("ec2", "describe_instances", {}),
]


@dataclass(frozen=True)
class AWS:
    url: str
    #: Roles with the policy, the whole of it as "all", or with one statement missing.
    credentials: Mapping[str, Mapping[str, str]]

    def call(self, role: str, call: Call) -> Any:
        service, operation, parameters = call
        return getattr(connect(self.url, service, **self.credentials[role]), operation)(
            **parameters
        )


def connect(url: str, service: str, **credentials: str) -> Any:
    credentials = credentials or {
        "aws_access_key_id": "testing",
        "aws_secret_access_key": "testing",
    }
    return boto3.client(service, endpoint_url=url, region_name=REGION, **credentials)


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AWS]:
    with moto_server("tests.aws.server", str(tmp_path_factory.mktemp("aws"))) as url:
        s3 = connect(url, "s3")
        for bucket in (ORIGINALS, VARIANTS, "others"):
            s3.create_bucket(
                Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION}
            )
        for bucket in (ORIGINALS, "others"):
            s3.put_object(Bucket=bucket, Key="a.jpg", Body=photograph((160, 120)))
        s3.put_object(Bucket=VARIANTS, Key="img/kept", Body=b"kept")
        logs = connect(url, "logs")
        for group in (LOGS["logGroupName"], "/others"):
            logs.create_log_group(logGroupName=group)
            logs.create_log_stream(**{**STREAM, "logGroupName": group})
        roles = {statement["Sid"]: statement for statement in POLICY["Statement"]}
        credentials = {name: assume_role(url, name) for name in ("all", *roles)}
        # From here on every call needs a right.
        from_now_on = urllib.request.Request(
            f"{url}/moto-api/reset-auth", b"0", {"Content-Type": "text/plain"}
        )
        urllib.request.urlopen(from_now_on).close()
        yield AWS(url, credentials)


def assume_role(url: str, missing: str) -> Mapping[str, str]:
    """Credentials of a role that has the policy without one statement."""
    iam = connect(url, "iam")
    statements = [one for one in POLICY["Statement"] if one["Sid"] != missing]
    role = iam.create_role(RoleName=missing, AssumeRolePolicyDocument="{}")["Role"]
    iam.put_role_policy(
        RoleName=missing,
        PolicyName="execution",
        PolicyDocument=json.dumps({**POLICY, "Statement": statements}),
    )
    answer = connect(url, "sts").assume_role(RoleArn=role["Arn"], RoleSessionName="test")
    given = answer["Credentials"]
    return {
        "aws_access_key_id": given["AccessKeyId"],
        "aws_secret_access_key": given["SecretAccessKey"],
        "aws_session_token": given["SessionToken"],
    }


def name_of(call: Call) -> str:
    return "-".join([call[0], call[1], *map(str, list(call[2].values())[:1])])


def is_denied(aws: AWS, role: str, call: Call) -> bool:
    try:
        aws.call(role, call)
    except ClientError as error:
        # An answer to HEAD has no body, and so no code.
        if re.search(
            "AccessDenied|UnauthorizedOperation|HeadObject operation: Forbidden", str(error)
        ):
            return True
        # Another test was first.
        if "AlreadyExists" not in str(error):
            raise
    return False


@pytest.mark.parametrize("call", ALLOWED, ids=name_of)
def test_what_the_function_needs_is_allowed(aws: AWS, call: Call) -> None:
    assert not is_denied(aws, "all", call)


@pytest.mark.parametrize("call", DENIED, ids=name_of)
def test_what_the_function_does_not_need_is_denied(aws: AWS, call: Call) -> None:
    assert is_denied(aws, "all", call)


def test_no_right_goes_beyond_named_actions_on_named_buckets_logs_and_parameters() -> None:
    for statement in POLICY["Statement"]:
        actions, resources = (
            [one] if isinstance(one, str) else one
            for one in (statement["Action"], statement["Resource"])
        )
        assert statement["Effect"] == "Allow"
        for action in actions:
            assert re.fullmatch(r"(logs|s3|ssm):[A-Za-z]+", action)
        for resource in resources:
            assert re.match(
                r"arn:aws:(s3:::change-me-|logs:.*:/aws/lambda/resizer-|ssm:.*:parameter/resizer/)",
                resource,
            )


@pytest.mark.parametrize("missing", [statement["Sid"] for statement in POLICY["Statement"]])
def test_no_statement_is_idle(aws: AWS, missing: str) -> None:
    assert any(is_denied(aws, missing, call) for call in ALLOWED)


@pytest.mark.function
def test_function_works_with_these_rights_alone(aws: AWS, package: Path, tmp_path: Path) -> None:
    variables = {
        **{name.upper(): value for name, value in aws.credentials["all"].items()},
        "AWS_ENDPOINT_URL": aws.url,
        "DJANGO_SECRET_KEY": "for tests only",
        "DJANGO_ALLOWED_HOSTS": ".on.aws",
        "RESIZER_OPEN": "default",
        "RESIZER_ORIGINALS_BUCKET": ORIGINALS,
        "RESIZER_VARIANTS_BUCKET": VARIANTS,
    }
    handler = "resizer.contrib.zappa.handler.lambda_handler"
    with Function(
        package=package, directory=tmp_path, handler=handler, variables=variables
    ) as function:

        def fetch(path: str) -> Response:
            return parse_answer("GET", function.call(write_event("url", Request(path=path))))

        made, kept = fetch("/img/64/a.jpg"), fetch("/img/64/a.jpg")
        missing = fetch("/img/64/missing.jpg")
    assert (made.status, kept.status, missing.status) == (200, 200, 404)
    assert 'desc="miss"' in made["Server-Timing"]
    assert 'desc="hit"' in kept["Server-Timing"]
