"""All checks of the settings, and of what they name."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error, register

from resizer.checks.loading import (
    check_classes,
    check_fields,
    check_isolation,
    check_presets,
    check_warming,
)
from resizer.checks.private import check_allow, check_private_originals, check_private_storage
from resizer.checks.serving import check_host, check_middleware, check_mount, check_signing
from resizer.checks.storages import check_open_sources, check_storage
from resizer.conf import read_project


@register("resizer")
def check_settings(**_: Any) -> list[CheckMessage]:
    _settings, problems = read_project()
    if problems:
        return [Error(one.message, hint=one.hint, id=one.id) for one in problems]
    return [
        *check_storage(),
        *check_mount(),
        *check_classes(),
        *check_isolation(),
        *check_fields(),
        *check_open_sources(),
        *check_private_storage(),
        *check_private_originals(),
        *check_allow(),
        *check_middleware(),
        *check_host(),
        *check_signing(),
        *check_warming(),
        *check_presets(),
    ]
