"""Scheduled functions on AWS Lambda. Name them in `events` of zappa_settings.json."""

from __future__ import annotations

from typing import Any

from django.core.management import call_command

#: The name of `purge` in `events`.
PURGE = f"{__name__}.purge"
#: The purge stops this long before the function's time-out. A last request to a source, or a last batch, needs the rest.
RESERVE_SECONDS = 10

#: Least time of a purge. With a short time-out, the function continues a little each night.
MINIMUM_SECONDS = 1.0


def purge(event: dict[str, Any], context: Any) -> None:
    """Remove stale variants. If the time is over, the next run continues."""
    left = context.get_remaining_time_in_millis() / 1000
    call_command("resizer_purge", seconds=max(MINIMUM_SECONDS, left - RESERVE_SECONDS))
