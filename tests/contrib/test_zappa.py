"""What projects of others use on AWS Lambda: the lock of a function, and a system check."""

from __future__ import annotations

import io
import json
import re
import zipfile
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError
from django.core.checks import run_checks
from zappa.cli import ZappaCLI

from resizer.contrib.zappa import check_answers, lock
from tests.aws.deployment import CREDENTIALS, stranger
from tests.aws.runtime import ACCOUNT, REGION
from tests.servers import ROOT, moto_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_django import Settings

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


@pytest.fixture
def on_lambda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "shop-production")


def found() -> list[str | None]:
    return [one.id for one in run_checks(tags=["resizer"]) if one.id == "resizer.W006"]


@pytest.mark.parametrize("limit", [None, 4_950_000, 6_291_556])
def test_answers_that_lambda_does_not_let_through_are_warned_of(
    on_lambda: None, settings: Settings, limit: int | None
) -> None:
    settings.RESIZER = {"MAX_ANSWER_BYTES": limit}
    assert found() == ["resizer.W006"]
    (warning,) = check_answers()
    assert "4_500_000" in str(warning.hint)


def test_limit_that_the_hint_names_is_fine(on_lambda: None, settings: Settings) -> None:
    settings.RESIZER = {"MAX_ANSWER_BYTES": 4_500_000}
    assert found() == []


def test_platforms_without_that_limit_are_not_warned(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert found() == []
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "shop-production")
    monkeypatch.setenv("AWS_LWA_INVOKE_MODE", "RESPONSE_STREAM")
    assert found() == []


def test_setting_that_is_wrong_is_an_error_of_its_own(on_lambda: None, settings: Settings) -> None:
    settings.RESIZER = {"MAX_ANSWER_BYTES": "4.5 MB"}
    assert found() == ["resizer.W006"]


@pytest.mark.parametrize("is_first", [True, False])
def test_function_that_is_stopped_after_its_response_stores_variants_before(
    on_lambda: None, settings: Settings, is_first: bool
) -> None:
    settings.RESIZER = {"RESPOND_FIRST": is_first}
    warnings = [one for one in run_checks(tags=["resizer"]) if one.id == "resizer.W030"]
    assert len(warnings) == is_first
    assert all("RESPOND_FIRST" in str(one.hint) for one in warnings)


def test_server_may_store_variants_after_its_response() -> None:
    assert not any(one.id == "resizer.W030" for one in run_checks(tags=["resizer"]))


def test_nothing_else_of_the_app_knows_lambda() -> None:
    knowing = {
        path.relative_to(ROOT / "resizer").parts[0]
        for path in (ROOT / "resizer").rglob("*.py")
        if re.search(r"AWS_LAMBDA|AWS_LWA|zappa", path.read_text(encoding="utf-8"))
    }
    # It registers the check.
    assert knowing == {"contrib", "apps.py"}
