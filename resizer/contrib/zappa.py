"""For projects on AWS Lambda, which Zappa puts there: a callback for deployments, and a system check.

W006 variants that Lambda does not let through
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
#: Lambda lets 6,291,556 bytes of JSON out, and base64 makes four bytes of three; headers need the rest.
LARGEST_ANSWER = 4_700_000  # bytes


@register("resizer")
def check_answers(**_: Any) -> list[CheckMessage]:
    settings, _problems = read_settings(getattr(django_settings, "RESIZER", {}))
    is_on_lambda = "AWS_LAMBDA_FUNCTION_NAME" in os.environ
    # The Lambda Web Adapter streams answers of any size.
    is_streaming = os.environ.get("AWS_LWA_INVOKE_MODE", "").lower() == "response_stream"
    limit = settings.MAX_ANSWER_BYTES
    if not is_on_lambda or is_streaming or (limit is not None and limit <= LARGEST_ANSWER):
        return []
    return [
        Warning(
            f"AWS Lambda answers 502 for each variant of more than {LARGEST_ANSWER:,} bytes.",
            hint="Set RESIZER['MAX_ANSWER_BYTES'] to 4_500_000: visitors are then redirected to a larger variant.",
            id="resizer.W006",
        )
    ]


def lock(zappa: Any) -> None:
    """Zappa's callback `post`: let the public call the function by its Function URL, and not directly.

    Zappa 0.63 permits everybody to invoke a function whose Function URL is open, and its handler runs the code in
    `{"raw_command": …}`. AWS needs that permission only for calls that come through the Function URL.
    https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html
    """
    client, name = zappa.zappa.lambda_client, zappa.lambda_name
    statements = list(_open_statements(client, name))
    if statements and not _knows_function_urls(client):
        # Before anything is removed: without the permission the Function URL answers 403.
        sys.exit(
            f"{name} stays open to every AWS account: install a boto3 from after October 2025, and deploy again."
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
        print(f"Permission {sid}: only through the Function URL.")


def _knows_function_urls(client: Any) -> bool:
    """Whether boto3 can ask for the condition that locks."""
    parameters = client.meta.service_model.operation_model("AddPermission").input_shape.members
    return "InvokedViaFunctionUrl" in parameters


def _open_statements(client: Any, name: str) -> Iterator[str]:
    """The names of permissions that let everybody invoke the function directly."""
    try:
        policy = json.loads(client.get_policy(FunctionName=name)["Policy"])
    except client.exceptions.ResourceNotFoundException:
        # Nobody outside the account has a permission.
        return
    for statement in policy["Statement"]:
        is_public = statement["Principal"] in ("*", {"AWS": "*"})
        if is_public and statement["Action"] == INVOKE and not statement.get("Condition"):
            yield statement["Sid"]
