"""Advice on stages of zappa_settings.json, as system checks. `check --deploy`, resizer_doctor and Zappa's commands show it.

W041 secrets of AWS in the log
W042 Zappa's own handler
W043 Zappa's own policy
W044 everybody may call the function directly
W045 Zappa's own package
W046 pictures compressed again
W047 the stage in URLs of a CDN
W048 secrets in the package
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.checks import CheckMessage, Warning

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FILE = "zappa_settings.json"
HANDLER = "resizer.contrib.zappa.handler.lambda_handler"
#: The handler of Zappa, and the default.
FOREIGN_HANDLER = "handler.lambda_handler"
SECRET = re.compile(r"SECRET|PASSWORD|TOKEN|_KEY$|DATABASE_URL")


def report(stage: Mapping[str, Any], name: str) -> None:
    """Print the advice. Ends with SystemExit if Zappa would not call the callback that fills the package."""
    for warning in advise(stage, name):
        print(f"! {warning.msg} {warning.hint}")
    if stage.get("slim_handler"):
        sys.exit(
            f"The stage {name} in {FILE} has slim_handler: set it to false. The package is small without it."
        )


def read_stages() -> dict[str, dict[str, Any]]:
    """The stages of the project in the current directory. Zappa reports a file with mistakes itself."""
    try:
        stages = json.loads(Path(FILE).read_text(encoding="utf-8"))
        return {name: _extended(stages, name) for name in stages}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def _extended(stages: dict[str, dict[str, Any]], name: str) -> dict[str, Any]:
    parent = stages[name].get("extends")
    return (_extended(stages, parent) if parent else {}) | stages[name]


def advise(stage: Mapping[str, Any], name: str) -> Iterator[CheckMessage]:
    """One warning for each setting that is missing or dangerous."""
    where = f"The stage {name} in {FILE}"
    for test in (_log, _handler, _policy, _permission, _package, _compression, _variables):
        for words, hint, identity in test(stage):
            yield Warning(f"{where} {words}", hint=hint, id=identity)


def advise_on_prefix(stage: Mapping[str, Any], name: str, host: str) -> Iterator[CheckMessage]:
    """A warning if the project prints the stage before pictures of a host without stages."""
    if _has_api(stage) and not stage.get("domain"):
        yield Warning(
            f"The stage {name} in {FILE} has an API Gateway, so URLs on {host} begin with /{name}/.",
            hint='Set FORCE_SCRIPT_NAME = "" in the settings of Django, and /'
            f"{name} as the origin path of the CDN. Or use a Function URL, which has no stages.",
            id="resizer.W047",
        )


def _has_api(stage: Mapping[str, Any]) -> bool:
    return bool(stage.get("apigateway_enabled", True))


def _callback(stage: Mapping[str, Any], position: str) -> str:
    return str((stage.get("callbacks") or {}).get(position) or "")


if TYPE_CHECKING:
    #: Words, hint, id of the check.
    Findings = Iterator[tuple[str, str, str]]


def _log(stage: Mapping[str, Any]) -> Findings:
    if stage.get("debug", True) or stage.get("log_level", "DEBUG") == "DEBUG":
        yield (
            "logs everything. The log then contains the session token of the function's role.",
            'Set "debug" to false and "log_level" to "WARNING".',
            "resizer.W041",
        )


def _handler(stage: Mapping[str, Any]) -> Findings:
    if stage.get("lambda_handler", FOREIGN_HANDLER) == FOREIGN_HANDLER:
        yield (
            "uses Zappa's handler. It runs any code named in an event, and garbles some URLs.",
            f'Set "lambda_handler" to "{HANDLER}".',
            "resizer.W042",
        )


def _policy(stage: Mapping[str, Any]) -> Findings:
    if stage.get("manage_roles", True) and not stage.get("attach_policy"):
        yield (
            "has no attach_policy. Zappa's policy allows the function every bucket, queue and table of the account.",
            'Set "attach_policy" to a file that allows your two buckets only.',
            "resizer.W043",
        )


def _permission(stage: Mapping[str, Any]) -> Findings:
    authorizer = (stage.get("function_url_config") or {}).get("authorizer", "NONE")
    is_open = stage.get("function_url_enabled") and authorizer == "NONE"
    if is_open and not _callback(stage, "post").endswith(".lock"):
        yield (
            "has an open Function URL. Every AWS account may then invoke the function directly.",
            'Set "post" in "callbacks" to "resizer.contrib.zappa.lock".',
            "resizer.W044",
        )


def _package(stage: Mapping[str, Any]) -> Findings:
    if not _callback(stage, "zip"):
        yield (
            "lets Zappa fill the package: with all of the directory and the environment, for this machine.",
            'Set "zip" in "callbacks" to "resizer.contrib.zappa.pack".',
            "resizer.W045",
        )
    elif stage.get("exclude") != ["*"] or stage.get("use_precompiled_packages", True):
        yield (
            "lets Zappa pack all files first. The callback then replaces the package.",
            'Set "exclude" to ["*"] and "use_precompiled_packages" to false.',
            "resizer.W045",
        )


def _compression(stage: Mapping[str, Any]) -> Findings:
    is_rest = _has_api(stage) and stage.get("apigateway_version", "v1") == "v1"
    if is_rest and stage.get("payload_compression", True):
        yield (
            "compresses responses. Pictures are compressed already, so this only costs time.",
            'Set "payload_compression" to false.',
            "resizer.W046",
        )


def _variables(stage: Mapping[str, Any]) -> Findings:
    secrets = [name for name in stage.get("environment_variables") or {} if SECRET.search(name)]
    if secrets:
        yield (
            f"writes {', '.join(secrets)} into the package.",
            'Move secrets to "aws_environment_variables", or to parameters of AWS.',
            "resizer.W048",
        )
