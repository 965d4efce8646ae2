"""Who may call a function with an open Function URL.

Zappa 0.63 permits everybody to invoke such a function directly. Its handler then runs the code in `{"raw_command": …}`. AWS
needs the permission only for calls through the Function URL.
https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

INVOKE = "lambda:InvokeFunction"


def lock(client: Any, name: str) -> None:
    """Limit permissions of everybody to the Function URL. Ends with SystemExit if boto3 is too old for that."""
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
