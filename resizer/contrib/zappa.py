"""For projects that Zappa puts on AWS Lambda: a callback for deployments."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

INVOKE = "lambda:InvokeFunction"


def lock(zappa: Any) -> None:
    """Zappa's callback `post`: let the public call the function by its Function URL, and not directly.

    Zappa 0.63 permits everybody to invoke a function whose Function URL is open, and its handler runs the code in
    `{"raw_command": …}`. AWS needs that permission only for calls that come through the Function URL.
    https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html
    """
    client, name = zappa.zappa.lambda_client, zappa.lambda_name
    for sid in list(_open_statements(client, name)):
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
