"""The project's own settings with an engine that does not start."""

from __future__ import annotations

from config.settings import *  # noqa: F403  # the environment comes first

RESIZER["ENGINE"] = "tests.engines.misbehaving.Absent"  # noqa: F405
