"""All widths and formats of a picture, requested by many threads at once, with and without shared decoding: `make bench-together`.

CPU seconds of all that `store.make` does, the least of a few repeats. Renders are in this process, two at a time.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import django
from django.conf import settings

THREADS = 20
PLACE = Path(tempfile.mkdtemp(prefix="resizer-together-"))
FILES = "django.core.files.storage.FileSystemStorage"
settings.configure(
    INSTALLED_APPS=["resizer"],
    DATABASES={},
    SECRET_KEY="for measuring only",
    STORAGES={
        "default": {"BACKEND": FILES, "OPTIONS": {"location": PLACE / "originals"}},
        "resizer": {"BACKEND": FILES, "OPTIONS": {"location": PLACE / "variants"}},
    },
    RESIZER={
        "ISOLATION": False,
        "MAX_RENDERS": 2,
        "MAX_WAITING_PER_PROCESS": THREADS,
        "LOCK_DIRECTORY": str(PLACE / "locks"),
    },
)
django.setup()

from benchmarks.originals import KINDS, path_of  # noqa: E402  # settings come first
from resizer import originals, store  # noqa: E402
from resizer.concurrency import batches  # noqa: E402
from resizer.conf import get_settings  # noqa: E402
from resizer.formats import AVIF, JPEG  # noqa: E402
from resizer.keys.variant import Recipe, write_key  # noqa: E402
from resizer.links.signing import sign  # noqa: E402
from resizer.records.descriptions import Reference  # noqa: E402


def seconds(name: str, most: int) -> float:
    """What it takes if no more than so many variants go together."""
    batches.MAX_TOGETHER = most
    description = originals.look_up(Reference("default", name), originals.Freshness.NOW)
    variants = [
        description.variant(Recipe(), width, target)
        for width in get_settings().WIDTHS
        for target in (AVIF, JPEG)
    ]
    began_at = time.process_time()
    with ThreadPoolExecutor(THREADS) as pool:
        asking = [
            pool.submit(store.make, description, variant, write_key(variant, sign(variant)))
            for variant in variants
        ]
        for one in asking:
            one.result()
    spent = time.process_time() - began_at
    store.forget(description.reference)
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--originals", nargs="+", default=list(KINDS), choices=KINDS)
    chosen = parser.parse_args()
    most = batches.MAX_TOGETHER
    print("| original | apart, s | together, s | ratio |\n|---|---|---|---|")
    (PLACE / "originals").mkdir()
    for kind in chosen.originals:
        name = path_of(kind).name
        shutil.copy(path_of(kind), PLACE / "originals")
        apart, together = (
            min(seconds(name, limit) for _ in range(chosen.repeats)) for limit in (1, most)
        )
        print(f"| {kind} | {apart:.2f} | {together:.2f} | {together / apart:.2f} |", flush=True)


if __name__ == "__main__":
    try:
        main()
    finally:
        shutil.rmtree(PLACE)
