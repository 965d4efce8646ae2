"""Run before and after `zappa deploy` and `zappa update`, as `callbacks` in zappa_settings.json.

Zappa loads this file by its path, outside the project.
"""

from __future__ import annotations

import json
import sys
from fnmatch import fnmatchcase
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
#: To replace in zappa_settings.json and in the policy.
PLACEHOLDER = "change-me"


def lock(zappa: Any) -> None:
    """Zappa's callback `post`: the public can call the function by its Function URL only."""
    sys.path.insert(0, str(ROOT))
    from resizer.contrib import zappa as contrib

    contrib.lock(zappa)
    if zappa.use_function_url and not zappa.function_url_config["cors"]:
        # Zappa never removes CORS settings from an earlier deployment.
        client = zappa.zappa.lambda_client
        client.update_function_url_config(FunctionName=zappa.lambda_name, Cors={})


def check_stage(zappa: Any) -> None:
    """Zappa's callback `settings`: check the stage before making anything on AWS. Ends with SystemExit for a problem."""
    stage = zappa.stage_config
    problems = chain(
        _unnamed(stage),
        _missing_rights(stage, zappa.lambda_name),
        _missing_hosts(stage),
        _wrong_package(stage),
    )
    for problem in problems:
        sys.exit(f"The stage {zappa.api_stage} in zappa_settings.json {problem}")


def _unnamed(stage: dict[str, Any]) -> Iterator[str]:
    if PLACEHOLDER in json.dumps(stage):
        yield f"still says {PLACEHOLDER}: replace each with a value of your own."
    if not stage.get("aws_region"):
        yield "has no aws_region: name the region of its hosts and its log."


def _missing_rights(stage: dict[str, Any], function: str) -> Iterator[str]:
    policy = stage.get("attach_policy")
    if not policy:
        # Zappa's default policy allows every bucket and every log.
        return
    document = Path(policy).read_text(encoding="utf-8")
    for variable, value in _variables(stage).items():
        if variable.endswith("_BUCKET") and f"arn:aws:s3:::{value}/" not in document:
            yield f"has {variable} {value}: allow it in {policy} as well."
    group = f"/aws/lambda/{function}"
    place = f"arn:aws:logs:{stage['aws_region']}:123456789012:log-group:{group}"
    for action, resource in (
        ("logs:CreateLogGroup", place),
        ("logs:CreateLogStream", f"{place}:log-stream:a"),
        ("logs:PutLogEvents", f"{place}:log-stream:a"),
    ):
        if not _allows(json.loads(document), action, resource):
            yield f"makes the function {function}: allow {action} on its log {group} in {policy} as well."


def _allows(document: dict[str, Any], action: str, resource: str) -> bool:
    return any(
        statement["Effect"] == "Allow"
        and any(fnmatchcase(action, one) for one in _several(statement["Action"]))
        and any(fnmatchcase(resource, one) for one in _several(statement["Resource"]))
        for statement in document["Statement"]
    )


def _several(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _missing_hosts(stage: dict[str, Any]) -> Iterator[str]:
    """Host names of AWS contain the region. For another region in DJANGO_ALLOWED_HOSTS, Django answers 400."""
    region = stage["aws_region"]
    hosts = []
    if stage.get("function_url_enabled"):
        hosts.append(f".lambda-url.{region}.on.aws")
    if stage.get("apigateway_enabled", True) and not stage.get("domain"):
        hosts.append(f".execute-api.{region}.amazonaws.com")
    allowed = _variables(stage).get("DJANGO_ALLOWED_HOSTS", "").replace(",", " ").split()
    for host in hosts:
        if not any(one == "*" or one.endswith(host) or _covers(one, host) for one in allowed):
            yield f"is in {region}: its DJANGO_ALLOWED_HOSTS needs {host}."


def _covers(allowed: str, host: str) -> bool:
    """A name with a dot at its beginning allows all subdomains."""
    return allowed.startswith(".") and host.endswith(allowed)


def _wrong_package(stage: dict[str, Any]) -> Iterator[str]:
    package = stage.get("package", {})
    unknown = ", ".join(sorted(set(package) - {"engines", "postgresql"}))
    if unknown:
        yield f"has {unknown} in package: its keys are engines and postgresql."
    has_postgresql = package.get("postgresql", True)
    if _variables(stage).get("DATABASE_URL", "").startswith("postgres") and not has_postgresql:
        yield "has a PostgreSQL database: set postgresql in package to true."


def _variables(stage: dict[str, Any]) -> dict[str, str]:
    variables: dict[str, str] = stage.get("aws_environment_variables", {})
    return variables
