"""The project's settings for our servers in `make bench-peers`."""

from __future__ import annotations

import os

from config.settings import *  # noqa: F403  # the environment comes first

RESIZER["ENGINE"] = os.environ["BENCH_ENGINE"]  # noqa: F405
