"""What projects of others use with Zappa: the lock of a function."""

from __future__ import annotations

import io
import json
import zipfile
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError
from zappa.cli import ZappaCLI

from resizer.contrib.zappa import lock
from tests.aws.deployment import CREDENTIALS, stranger
from tests.aws.runtime import ACCOUNT, REGION
from tests.servers import moto_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


#: As Zappa 0.63 writes it for a Function URL that is open to everybody.
OPEN = {"StatementId": "FunctionURLAllowPublicAccessInvoke", "Action": "lambda:InvokeFunction"}
CALL = {"StatementId": "FunctionURLAllowPublicAccess", "Action": "lambda:InvokeFunctionUrl"}
CLOUDFRONT = {
    "StatementId": "cloudfront",
    "Action": "lambda:InvokeFunction",
    "Principal": "cloudfront.amazonaws.com",
    "SourceArn": "arn:aws:cloudfront::123456789012:distribution/EDFDVBD6EXAMPLE",
}


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with moto_server("tests.aws.server", str(tmp_path_factory.mktemp("aws"))) as url:
        iam = boto3.client("iam", endpoint_url=url, region_name=REGION, **CREDENTIALS)
        iam.create_role(RoleName="shop", AssumeRolePolicyDocument="{}")
        yield url


@pytest.fixture
def function(endpoint: str, request: pytest.FixtureRequest) -> Iterator[SimpleNamespace]:
    """A function of somebody's project, as Zappa hands it to a callback."""
    client = boto3.client("lambda", endpoint_url=endpoint, region_name=REGION, **CREDENTIALS)
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("module.py", "def answer(event, context): return 'ran'")
    name = "shop-production"
    client.create_function(
        FunctionName=name,
        Runtime="python3.13",
        Role="arn:aws:iam::123456789012:role/shop",
        Handler="module.answer",
        Code={"ZipFile": code.getvalue()},
    )
    yield SimpleNamespace(zappa=SimpleNamespace(lambda_client=client), lambda_name=name)
    client.delete_function(FunctionName=name)


def permit(function: SimpleNamespace, **statement: Any) -> None:
    function.zappa.lambda_client.add_permission(
        FunctionName=function.lambda_name, **{"Principal": "*", **statement}
    )


def policy(function: SimpleNamespace) -> dict[str, Any]:
    """Statements by their names."""
    answer = function.zappa.lambda_client.get_policy(FunctionName=function.lambda_name)
    return {one["Sid"]: one for one in json.loads(answer["Policy"])["Statement"]}


def test_everybody_calls_by_the_function_url_alone(
    function: SimpleNamespace, endpoint: str
) -> None:
    permit(function, **CALL, FunctionUrlAuthType="NONE")
    permit(function, **OPEN)
    before = policy(function)
    lock(function)
    after = policy(function)
    sid = OPEN["StatementId"]
    assert after.pop(sid) == before.pop(sid) | {
        "Condition": {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}}
    }
    assert after == before
    client = stranger(endpoint)
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function.lambda_name}"
    with pytest.raises(ClientError, match="AccessDenied"):
        client.invoke(FunctionName=arn, Payload=b"{}")


def test_zappa_finds_the_callback_in_the_wheel(
    function: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    permit(function, **OPEN)
    # Zappa looks below the directory of the project first.
    monkeypatch.chdir(tmp_path)
    command = ZappaCLI()
    command.zappa, command.lambda_name = function.zappa, function.lambda_name
    callbacks = {"post": "resizer.contrib.zappa.lock"}
    command.api_stage = "production"
    command.zappa_settings = {"production": {"callbacks": callbacks}}
    command.callback("post")
    assert policy(function)[OPEN["StatementId"]]["Condition"]


def test_locking_again_changes_nothing(function: SimpleNamespace) -> None:
    permit(function, **CALL, FunctionUrlAuthType="NONE")
    permit(function, **OPEN)
    lock(function)
    locked = policy(function)
    lock(function)
    assert policy(function) == locked


def test_older_boto3_leaves_the_function_as_it_is(function: SimpleNamespace, endpoint: str) -> None:
    """One from before October 2025 refuses the parameter."""
    permit(function, **CALL, FunctionUrlAuthType="NONE")
    permit(function, **OPEN)
    before = policy(function)
    # A session has a model of its own, which it reads from boto3's files.
    session = boto3.session.Session(region_name=REGION, **CREDENTIALS)
    older = session.client("lambda", endpoint_url=endpoint)
    shapes = older.meta.service_model._service_description["shapes"]
    del shapes["AddPermissionRequest"]["members"]["InvokedViaFunctionUrl"]
    zappa = SimpleNamespace(lambda_client=older)
    with pytest.raises(SystemExit, match="boto3"):
        lock(SimpleNamespace(zappa=zappa, lambda_name=function.lambda_name))
    assert policy(function) == before
    lock(function)
    assert policy(function)[OPEN["StatementId"]]["Condition"]
    # There is nothing to be done any more.
    lock(SimpleNamespace(zappa=zappa, lambda_name=function.lambda_name))


def test_permission_of_another_name_is_locked_too(function: SimpleNamespace) -> None:
    permit(function, Action="lambda:InvokeFunction", StatementId="by-hand")
    lock(function)
    assert policy(function)["by-hand"]["Condition"] == {
        "Bool": {"lambda:InvokedViaFunctionUrl": "true"}
    }


def test_permissions_that_are_not_for_everybody_stay(function: SimpleNamespace) -> None:
    permit(function, **CLOUDFRONT)
    before = policy(function)
    lock(function)
    assert policy(function) == before


def test_function_without_permissions_is_left_alone(function: SimpleNamespace) -> None:
    lock(function)
    with pytest.raises(ClientError, match="ResourceNotFound"):
        policy(function)
