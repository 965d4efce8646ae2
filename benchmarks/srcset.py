"""All widths of a picture in one batch, against one render each: `make bench-srcset`.

Of one format, as a `srcset` has them, and of two, as the `picture` has them that the tag prints by default.

Seconds of decoding and resizing alone, by the engines' own clocks, the least of a few repeats.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from django.conf import settings

settings.configure(RESIZER={})

from benchmarks.originals import KINDS, path_of  # noqa: E402  # settings come first
from resizer.conf import get_settings  # noqa: E402
from resizer.engines.libvips import LibvipsEngine  # noqa: E402
from resizer.engines.pillow import PillowEngine  # noqa: E402
from resizer.formats import AVIF, JPEG  # noqa: E402
from resizer.keys.variant import Variant  # noqa: E402

if TYPE_CHECKING:
    from resizer.engines import Engine
    from resizer.formats import Format

ENGINES: tuple[Engine, ...] = (LibvipsEngine(), PillowEngine())


def seconds(engine: Engine, name: str, widths: list[int], formats: list[Format]) -> float:
    variants = [
        Variant(source="default", name="x", version="0" * 8, width=width, format=target)
        for width in widths
        for target in formats
    ]
    with path_of(name).open("rb") as file:
        header = engine.read_header(file)
        return sum(one.decode_seconds for one in engine.render(file, header, variants))


def compared(apart: float, together: float) -> str:
    return f"{apart * 1000:.0f} → {together * 1000:.0f} ({together / apart:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--originals", nargs="+", default=list(KINDS), choices=KINDS)
    chosen = parser.parse_args()
    widths = list(get_settings().WIDTHS)
    print(f"widths {widths}: ms apart, ms together, ratio\n")
    columns = [f"{type(engine).__name__}, {of}" for engine in ENGINES for of in ("JPEG", "both")]
    print("| original | " + " | ".join(columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for name in chosen.originals:
        cells = []
        for engine in ENGINES:
            apart = sum(
                min(seconds(engine, name, [width], [JPEG]) for _ in range(chosen.repeats))
                for width in widths
            )
            cells += [
                compared(
                    apart * len(formats),
                    min(seconds(engine, name, widths, formats) for _ in range(chosen.repeats)),
                )
                for formats in ([JPEG], [AVIF, JPEG])
            ]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
