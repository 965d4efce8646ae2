"""What child processes cost: each header and each render in one, against the same within this process: `make bench-isolation`.

Milliseconds on the clock, the median of a few repeats, and the ratio; both take turns, because the machine may be busy.
"""

from __future__ import annotations

import argparse
import io
import statistics
import time
from typing import TYPE_CHECKING

from django.conf import settings

settings.configure(RESIZER={})

from benchmarks.originals import KINDS, path_of  # noqa: E402  # settings come first
from resizer.engines import load_engine  # noqa: E402
from resizer.engines.isolation.engine import IsolatedEngine  # noqa: E402
from resizer.formats import AVIF, JPEG  # noqa: E402
from resizer.keys.variant import Variant  # noqa: E402

if TYPE_CHECKING:
    from typing import BinaryIO

    from resizer.engines import Engine

ENGINES: dict[str, Engine] = {"direct": load_engine("auto"), "isolated": IsolatedEngine("auto")}


def take(engine: Engine, file: BinaryIO, variants: list[Variant]) -> tuple[float, float]:
    """Seconds of a header and of a render."""
    began_at = time.perf_counter()
    header = engine.read_header(file)
    read_at = time.perf_counter()
    list(engine.render(file, header, variants))
    return read_at - began_at, time.perf_counter() - read_at


def compared(direct: float, isolated: float) -> str:
    return f"{direct * 1000:.1f} → {isolated * 1000:.1f} ({isolated / direct:.2f})"


def row(name: str, file: BinaryIO, variants: list[Variant], repeats: int) -> str:
    seconds: dict[str, list[tuple[float, float]]] = {label: [] for label in ENGINES}
    for _ in range(repeats):
        for label, engine in ENGINES.items():
            seconds[label].append(take(engine, file, variants))
    columns = {
        label: [statistics.median(column) for column in zip(*taken, strict=True)]
        for label, taken in seconds.items()
    }
    cells = [compared(*pair) for pair in zip(*columns.values(), strict=True)]
    return f"| {name} | " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--originals", nargs="+", default=list(KINDS), choices=KINDS)
    chosen = parser.parse_args()
    print("| original → variant | header, ms | render, ms |\n|---|---|---|")
    for name in chosen.originals:
        for width, target in ((64, JPEG), (640, AVIF)):
            variant = Variant(
                source="default", name="x", version="0" * 8, width=width, format=target
            )
            label = f"{name} → {width} {target.name}"
            with path_of(name).open("rb") as file:
                print(row(label, file, [variant], chosen.repeats), flush=True)
        # As from a bucket, or from the web: it is copied for the child.
        memory = io.BytesIO(path_of(name).read_bytes())
        print(row(f"… from memory → {width} {target.name}", memory, [variant], chosen.repeats))


if __name__ == "__main__":
    main()
