"""What runs by the clock on AWS Lambda: `events` in zappa_settings.json name these functions."""

from __future__ import annotations

from typing import Any

from django.core.management import call_command

#: What is left of the function's time when the purge stops: for a request to a source, and a batch to be deleted, seconds.
RESERVE_SECONDS = 10

#: A function with a short time-out goes on a little each night.
MINIMUM_SECONDS = 1.0


def purge(event: dict[str, Any], context: Any) -> None:
    """Remove variants that no address leads to any more; what the time does not suffice for, the next night."""
    left = context.get_remaining_time_in_millis() / 1000
    call_command("resizer_purge", seconds=max(MINIMUM_SECONDS, left - RESERVE_SECONDS))
