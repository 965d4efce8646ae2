"""Automatic against fixed quality, by SSIMULACRA2: `make bench-quality`.

Each photograph of the gallery is cut to 4:3, and rendered at several fixed qualities and with quality="auto". Two fixed
qualities are compared with it: one with the same mean score, and one with an equally good worst picture. Both are
interpolated between the two nearest measured ones.
"""

from __future__ import annotations

import argparse
import io
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from django.conf import settings

# Engines tell the time of encoding on the clock, which lies on a busy machine.
time.perf_counter = time.process_time

settings.configure(RESIZER={"FORMATS": ["avif", "webp"]})

from PIL import Image  # noqa: E402  # settings come first

from benchmarks import tables  # noqa: E402
from benchmarks.encoders import score  # noqa: E402
from benchmarks.originals import PHOTOGRAPHS  # noqa: E402
from resizer.engines.libvips import LibvipsEngine  # noqa: E402
from resizer.engines.pillow import PillowEngine  # noqa: E402
from resizer.formats import AVIF, JPEG, PNG, WEBP  # noqa: E402
from resizer.keys.variant import AUTO, Recipe, Variant  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

    from resizer.engines import Engine, Header
    from resizer.formats import Format

QUALITIES = {AVIF: (40, 47, 54, 61, 70), JPEG: (50, 58, 66, 74, 84), WEBP: (60, 68, 76, 84, 92)}


class Outcome(NamedTuple):
    """Of one photograph."""

    score: float
    bytes: float
    milliseconds: float


class Photograph:
    """One original, and the exact pixels of its variant."""

    def __init__(self, engine: Engine, path: Path, width: int, place: Path) -> None:
        self.engine = engine
        self.width = width
        self.content = path.read_bytes()
        self.header: Header = engine.read_header(io.BytesIO(self.content))
        exact, _ = self._render(PNG, "lossless")
        self.reference = place / f"{path.stem}-{width}.png"
        Image.open(io.BytesIO(exact)).convert("RGB").save(self.reference, compress_level=1)

    def measure(self, target: Format, quality: str | int) -> Outcome:
        content, seconds = self._render(target, quality)
        return Outcome(score(self.reference, content), len(content), 1000 * seconds)

    def _render(self, target: Format, quality: str | int) -> tuple[bytes, float]:
        variant = Variant(
            source="default",
            name="x",
            version="0" * 8,
            width=self.width,
            format=target,
            # Higher than the least side of the scorer.
            recipe=Recipe(quality=quality, ratio=(4, 3)),
        )
        (rendered,) = self.engine.render(io.BytesIO(self.content), self.header, [variant])
        return rendered.content, rendered.encode_seconds


def between(one: list[Outcome], other: list[Outcome], part: float) -> list[Outcome]:
    return [
        Outcome(*(a + part * (b - a) for a, b in zip(left, right, strict=True)))
        for left, right in zip(one, other, strict=True)
    ]


def mean(outcomes: list[Outcome], column: int) -> float:
    return statistics.mean(outcome[column] for outcome in outcomes)


def fixed_of(
    runs: list[list[Outcome]], auto: list[Outcome], of: Callable[[list[Outcome]], float]
) -> list[Outcome]:
    """The outcomes of the fixed quality with the same score as the automatic one, interpolated."""
    wanted, scores = of(auto), [of(run) for run in runs]
    place = max([0, *(place for place, found in enumerate(scores[:-1]) if found <= wanted)])
    part = (wanted - scores[place]) / (scores[place + 1] - scores[place])
    return between(runs[place], runs[place + 1], part)


def mean_score(outcomes: list[Outcome]) -> float:
    return mean(outcomes, 0)


def worst_score(outcomes: list[Outcome]) -> float:
    return min(outcome.score for outcome in outcomes)


def compare(photographs: list[Photograph], target: Format) -> list[str]:
    """The cells of a row."""
    auto = [one.measure(target, AUTO) for one in photographs]
    runs = [[one.measure(target, each) for one in photographs] for each in QUALITIES[target]]
    fixed = fixed_of(runs, auto, mean_score)
    safe = fixed_of(runs, auto, worst_score)
    cells = []
    for outcomes in (auto, fixed):
        scores = [outcome.score for outcome in outcomes]
        spread = statistics.stdev(scores)
        cells.append(f"{mean(outcomes, 0):.0f}, {min(scores):.0f}, {spread:.1f}")
    cells.append(f"{100 * mean(auto, 1) / mean(fixed, 1):.0f} %")
    cells.append(f"{100 * mean(auto, 1) / mean(safe, 1):.0f} %")
    cells.append(f"{mean(auto, 2) / mean(fixed, 2):.1f} ×")
    return cells


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--widths", nargs="+", type=int, default=[640])
    chosen = parser.parse_args()
    titles = ["engine, format", "auto", "fixed"]
    titles += ["bytes at the same mean", "bytes at the same lowest", "time of encoding"]
    rows = []
    for engine in (LibvipsEngine(), PillowEngine()):
        for width in chosen.widths:
            with tempfile.TemporaryDirectory() as place:
                photographs = [
                    Photograph(engine, path, width, Path(place))
                    for path in sorted(PHOTOGRAPHS.glob("*.jpg"))
                ]
                name = "libvips" if isinstance(engine, LibvipsEngine) else "Pillow"
                for target in QUALITIES:
                    rows.append([f"{name}, {target.name}", *compare(photographs, target)])
                    print(width, *rows[-1], sep=", ", flush=True)
    if len(chosen.widths) == 1:
        tables.publish(titles, rows)


if __name__ == "__main__":
    main()
