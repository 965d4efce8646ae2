"""The project's settings for our servers in `make bench-peers`."""

from __future__ import annotations

import os

from config.settings import *  # noqa: F403  # the environment comes first

RESIZER["ENGINE"] = os.environ["BENCH_ENGINE"]  # noqa: F405
if os.environ["BENCH_HOT_BYTES"] == "none":
    RESIZER["HOT_BYTES"] = None  # noqa: F405
if os.environ.get("BENCH_LOOK") == "1":
    # Child processes are nicer than their server, and may get no time at all on a busy machine.
    RESIZER["ISOLATION"] = False  # noqa: F405
