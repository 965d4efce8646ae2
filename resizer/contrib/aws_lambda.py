"""System checks for projects on AWS Lambda, however they are deployed.

W006 variants too large for a response
W030 variants to be stored after the response
W040 child processes in a function
W041 secrets of AWS in the log
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

from django.core.checks import CheckMessage, Warning, register

from resizer.conf import read_project

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resizer.conf import Settings

#: A response has at most 6,291,556 bytes of JSON. Base64 turns three bytes into four, and headers need the rest.
LARGEST_ANSWER = 4_700_000  # bytes


@register("resizer")
def check_function(**_: Any) -> list[CheckMessage]:
    if "AWS_LAMBDA_FUNCTION_NAME" not in os.environ:
        return []
    settings, _problems = read_project()
    return [
        *_check_answers(settings),
        *_check_order(settings),
        *_check_isolation(settings),
        *_check_log(),
    ]


def _check_answers(settings: Settings) -> Iterator[CheckMessage]:
    # The Lambda Web Adapter streams responses of any size.
    is_streaming = os.environ.get("AWS_LWA_INVOKE_MODE", "").lower() == "response_stream"
    limit = settings.MAX_RESPONSE_BYTES
    if is_streaming or (limit is not None and limit <= LARGEST_ANSWER):
        return
    yield Warning(
        f"AWS Lambda responds with 502 to each variant of more than {LARGEST_ANSWER:,} bytes.",
        hint="Set RESIZER['MAX_RESPONSE_BYTES'] to 4_500_000. Visitors are then redirected to the storage for larger variants.",
        id="resizer.W006",
    )


def _check_order(settings: Settings) -> Iterator[CheckMessage]:
    if not settings.RESPOND_FIRST:
        return
    yield Warning(
        "AWS Lambda stops a function after its response. New variants may be stored late or not at all.",
        hint="Set RESIZER['RESPOND_FIRST'] to False. Variants are then stored before the response.",
        id="resizer.W030",
    )


def _check_isolation(settings: Settings) -> Iterator[CheckMessage]:
    if not settings.ISOLATION:
        return
    yield Warning(
        "AWS Lambda isolates requests already. Child processes of the engine only cost memory and time.",
        hint="Set RESIZER['ISOLATION'] to False.",
        id="resizer.W040",
    )


def _check_log() -> Iterator[CheckMessage]:
    if not logging.getLogger("botocore").isEnabledFor(logging.DEBUG):
        return
    yield Warning(
        "The log level is DEBUG. The log contains the session token of the function's role.",
        hint="Set the level of the root logger to WARNING. With Zappa, set debug to false and log_level to WARNING.",
        id="resizer.W041",
    )
