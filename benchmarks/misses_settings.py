"""The project's settings for `make bench-misses`."""

from __future__ import annotations

import os

from config.settings import *  # noqa: F403  # the environment comes first

RESIZER["RESPOND_FIRST"] = os.environ["BENCH_RESPOND"] == "first"  # noqa: F405
