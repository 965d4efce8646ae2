"""System checks of zappa_settings.json, where a project has one."""

from __future__ import annotations

import os
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, register

from resizer.conf import read_project
from resizer.contrib.zappa import stages


@register("resizer", deploy=True)
def check_stages(**_: Any) -> list[CheckMessage]:
    # The package does not contain the file.
    if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
        return []
    found = stages.read_stages()
    host_of_pictures = _host()
    return [
        message
        for name, stage in found.items()
        for message in (
            *stages.advise(stage, name),
            *(stages.advise_on_prefix(stage, name, host_of_pictures) if host_of_pictures else ()),
        )
    ]


def _host() -> str:
    """The host of pictures, if the project decides nothing about a prefix."""
    decides: str | None = settings.FORCE_SCRIPT_NAME
    return "" if decides is not None else read_project()[0].HOST or ""
