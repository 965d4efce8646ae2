"""What the commands and the admin take with a million variants in SQLite: `make bench-many`.

CPU seconds and memory of a process for each. Rows without files: each file is looked for all the same. To choose the
number of variants: python -m benchmarks.many 100000
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import django

EACH = (320, 480, 640, 720, 800, 1080, 1200, 1366, 1600, 1920)  # widths of an original, px
PAGES = {
    "list of variants": "/admin/resizer/cachedvariant/",
    "current variants": "/admin/resizer/cachedvariant/?state=current",
    "stale variants": "/admin/resizer/cachedvariant/?state=stale",
    "list of originals": "/admin/resizer/original/",
}
COMMANDS = {
    "resizer_stats": ["resizer_stats"],
    "resizer_sync": ["resizer_sync", "--dry-run", "--force"],
    "resizer_purge": ["resizer_purge", "--dry-run", "--force"],
}
# Each is run by a process of its own, in the directory of the first one.
PLACE = Path(os.environ.get("BENCHMARK_PLACE") or tempfile.mkdtemp(prefix="resizer-many-"))

os.environ.update(
    RESIZER_DATA_DIR=str(PLACE),
    DJANGO_SETTINGS_MODULE="config.settings",
    DJANGO_SECRET_KEY="for measuring only",
    DJANGO_ALLOWED_HOSTS="127.0.0.1",
)
django.setup()

from django.contrib.auth.models import User  # noqa: E402  # settings come first
from django.core.management import call_command  # noqa: E402
from django.test import Client  # noqa: E402
from django.utils import timezone  # noqa: E402

from resizer.keys.variant import Recipe  # noqa: E402
from resizer.models import CachedVariant, Original  # noqa: E402
from resizer.records.descriptions import version_of  # noqa: E402


def fill(number: int) -> None:
    """Write rows of `number` variants. One original in fifty has former ones."""
    call_command("migrate", verbosity=0)
    User.objects.create_superuser("admin")
    now = timezone.now()
    for first in range(0, number // len(EACH), 1000):
        rows = Original.objects.bulk_create(
            Original(
                name=f"photos/{first // 1000:03}/{one:07}.jpg",
                fingerprint=str(one),
                width=4000,
                height=3000,
                format="jpeg",
                bytes=5_000_000,
                checked_at=now,
            )
            for one in range(first, min(first + 1000, number // len(EACH)))
        )
        CachedVariant.objects.bulk_create(
            CachedVariant(
                original=row,
                key=f"{row.name}/{_version(row)}-AAAAAAAAAAAAAA/{width}.avif",
                width=width,
                height=width * 3 // 4,
                format="avif",
                bytes=60 * width,
                created_at=now - timedelta(minutes=row.pk % 500_000),
                render_ms=row.pk % 900,
            )
            for row in rows
            for width in EACH
        )


def _version(row: Original) -> str:
    return "00000000" if row.pk % 50 == 0 else version_of(row.fingerprint, Recipe())


def measure(name: str) -> None:
    """Run this in a process of its own, and tell its CPU seconds and its memory."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.many", name],
        env={**os.environ, "BENCHMARK_PLACE": str(PLACE)},
        stdout=subprocess.DEVNULL,
    )
    began = time.monotonic()
    _pid, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = usage.ru_utime + usage.ru_stime
    # Linux counts the memory of the first process too, at the start of another.
    print(
        f"{name:20} {seconds:6.1f} s of CPU, {time.monotonic() - began:6.1f} s, {usage.ru_maxrss // 1024:4} MB,"
        f" exit status {process.returncode}",
        flush=True,
    )


def run(name: str) -> None:
    if name.isdecimal():
        fill(int(name))
    elif name in COMMANDS:
        call_command(*COMMANDS[name])
    else:
        client = Client(headers={"host": "127.0.0.1"})
        client.force_login(User.objects.get())
        assert client.get(PAGES[name]).status_code == 200


if __name__ == "__main__":
    argument = sys.argv[1] if len(sys.argv) > 1 else "1000000"
    if "BENCHMARK_PLACE" in os.environ:
        run(argument)
    else:
        for one in (argument, *COMMANDS, *PAGES):
            measure(one)
