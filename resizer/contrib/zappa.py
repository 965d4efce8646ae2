"""For projects deployed to AWS Lambda with Zappa: a deployment callback and a system check.

W006 variants too large for a Lambda response
W030 variants to be stored after the response
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Warning, register

from resizer.conf import read_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

INVOKE = "lambda:InvokeFunction"
#: A Lambda response has at most 6,291,556 bytes of JSON. Base64 turns three bytes into four, and headers need the rest.
LARGEST_ANSWER = 4_700_000  # bytes


@register("resizer")
def check_answers(**_: Any) -> list[CheckMessage]:
    settings, _problems = read_settings(getattr(django_settings, "RESIZER", {}))
    is_on_lambda = "AWS_LAMBDA_FUNCTION_NAME" in os.environ
    # The Lambda Web Adapter streams responses of any size.
    is_streaming = os.environ.get("AWS_LWA_INVOKE_MODE", "").lower() == "response_stream"
    limit = settings.MAX_ANSWER_BYTES
    if not is_on_lambda or is_streaming or (limit is not None and limit <= LARGEST_ANSWER):
        return []
    return [
        Warning(
            f"AWS Lambda responds with 502 to each variant of more than {LARGEST_ANSWER:,} bytes.",
            hint="Set RESIZER['MAX_ANSWER_BYTES'] to 4_500_000. Visitors are then redirected to the storage for larger variants.",
            id="resizer.W006",
        )
    ]


@register("resizer")
def check_order(**_: Any) -> list[CheckMessage]:
    settings, _problems = read_settings(getattr(django_settings, "RESIZER", {}))
    if "AWS_LAMBDA_FUNCTION_NAME" not in os.environ or not settings.RESPOND_FIRST:
        return []
    return [
        Warning(
            "AWS Lambda stops a function after its response. New variants may be stored late or not at all.",
            hint="Set RESIZER['RESPOND_FIRST'] to False. Variants are then stored before the response.",
            id="resizer.W030",
        )
    ]


def lock(zappa: Any) -> None:
    """Zappa's `post` callback: let the public call the function through its Function URL only, never directly.

    With an open Function URL, Zappa 0.63 permits everybody to invoke the function directly. Its handler then runs the
    code in `{"raw_command": …}`. AWS needs the permission only for calls through the Function URL.
    https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html

    Ends the deployment with SystemExit if boto3 is too old to limit the permission.
    """
    client, name = zappa.zappa.lambda_client, zappa.lambda_name
    statements = list(_open_statements(client, name))
    if statements and not _knows_function_urls(client):
        # Check before removing anything: without the permission the Function URL responds with 403.
        sys.exit(
            f"{name} is open to every AWS account. Install a boto3 newer than October 2025, and deploy again."
        )
    for sid in statements:
        client.remove_permission(FunctionName=name, StatementId=sid)
        # Zappa leaves a permission of this name alone when it updates the function.
        client.add_permission(
            FunctionName=name,
            StatementId=sid,
            Action=INVOKE,
            Principal="*",
            InvokedViaFunctionUrl=True,
        )
        print(f"Permission {sid} now allows calls through the Function URL only.")


def _knows_function_urls(client: Any) -> bool:
    """Whether this boto3 can limit a permission to Function URLs."""
    parameters = client.meta.service_model.operation_model("AddPermission").input_shape.members
    return "InvokedViaFunctionUrl" in parameters


def _open_statements(client: Any, name: str) -> Iterator[str]:
    """The ids of permissions for everybody to invoke the function directly."""
    try:
        policy = json.loads(client.get_policy(FunctionName=name)["Policy"])
    except client.exceptions.ResourceNotFoundException:
        # Nobody outside the account has a permission.
        return
    for statement in policy["Statement"]:
        is_public = statement["Principal"] in ("*", {"AWS": "*"})
        if is_public and statement["Action"] == INVOKE and not statement.get("Condition"):
            yield statement["Sid"]
