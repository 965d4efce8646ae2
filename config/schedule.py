"""What runs by the clock on AWS Lambda: `events` in zappa_settings.json name these functions."""

from __future__ import annotations

from typing import Any

from django.core.management import call_command


def purge(event: dict[str, Any], context: Any) -> None:
    """Remove variants that no address leads to any more."""
    call_command("resizer_purge")
