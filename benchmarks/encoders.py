"""Bytes and CPU of encoders at the same perceived quality: `make bench-encoders`.

Each photograph of the gallery is resized without loss, encoded at several qualities and scored with SSIMULACRA2
(https://github.com/cloudinary/ssimulacra2: 90 is visually lossless, 70 high, 50 medium). What a score costs lies
between the two nearest measurements. Bytes are given relative to a baseline JPEG of the same score. The photographs
are cut to 4:3, because the scorer is wrong for a side below 225 px.
"""

from __future__ import annotations

import argparse
import io
import resource
import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pyvips
from PIL import Image, ImageOps
from ssimulacra2 import compute_ssimulacra2

from benchmarks.originals import photographs
from resizer.engines.pillow.quantisation import quantisation_tables

if TYPE_CHECKING:
    from collections.abc import Callable

pyvips.concurrency_set(1)

#: For smaller sides in px, `ssimulacra2` 0.3.0 gives other scores than the reference: 32 for 70.
LEAST_SIDE = 225


class Setting(NamedTuple):
    name: str
    encode: Callable[[Image.Image, int], bytes]
    #: Qualities around scores of 65 to 80.
    qualities: tuple[int, ...]


class Point(NamedTuple):
    score: float
    quality: float
    bytes: float
    milliseconds: float


def pillow(target: str, **options: Any) -> Callable[[Image.Image, int], bytes]:
    def encode(image: Image.Image, quality: int) -> bytes:
        output = io.BytesIO()
        image.save(output, target, quality=quality, **options)
        return output.getvalue()

    return encode


def libvips(saver: str, **options: Any) -> Callable[[Image.Image, int], bytes]:
    def encode(image: Image.Image, quality: int) -> bytes:
        source = pyvips.Image.new_from_memory(
            image.tobytes(), image.width, image.height, 3, "uchar"
        )
        source = source.copy(interpretation="srgb")
        content: bytes = getattr(source, f"{saver}_buffer")(Q=quality, keep="none", **options)
        return content

    return encode


def with_tables(image: Image.Image, quality: int) -> bytes:
    """As the Pillow engine."""
    tables = quantisation_tables(quality)
    return pillow("JPEG", optimize=True, progressive=True, qtables=tables)(image, -1)


JPEG = {"subsample_mode": "on", "optimize_coding": True, "interlace": True}
TRELLIS = {**JPEG, "trellis_quant": True, "overshoot_deringing": True, "quant_table": 3}
AVIF = {"compression": "av1", "subsample_mode": "on", "bitdepth": 8}
SETTINGS = (
    Setting("JPEG baseline", pillow("JPEG"), (54, 68, 80, 90)),
    Setting(
        "JPEG progressive, Pillow",
        pillow("JPEG", optimize=True, progressive=True),
        (54, 68, 80, 90),
    ),
    Setting("JPEG with jpegli's tables, Pillow", with_tables, (54, 68, 80, 90)),
    Setting("JPEG progressive, libvips", libvips("jpegsave", **JPEG), (54, 68, 80, 90)),
    Setting("JPEG trellis, libvips", libvips("jpegsave", **TRELLIS), (58, 70, 82, 91)),
    Setting("WebP method 4, Pillow", pillow("WEBP", method=4), (58, 72, 84, 94)),
    Setting("WebP effort 4, libvips", libvips("webpsave", effort=4), (58, 72, 84, 94)),
    Setting("AVIF speed 9, Pillow", pillow("AVIF", speed=9, max_threads=1), (44, 56, 68, 82)),
    Setting("AVIF speed 8, Pillow", pillow("AVIF", speed=8, max_threads=1), (44, 56, 68, 82)),
    Setting("AVIF effort 0, libvips", libvips("heifsave", effort=0, **AVIF), (44, 56, 68, 82)),
    Setting("AVIF effort 1, libvips", libvips("heifsave", effort=1, **AVIF), (44, 56, 68, 82)),
)


def score(reference: Path, content: bytes) -> float:
    """SSIMULACRA2 of an encoded picture. Raises ValueError for a side below LEAST_SIDE."""
    image = Image.open(io.BytesIO(content)).convert("RGB")
    if min(image.size) < LEAST_SIDE:
        raise ValueError(f"{image.size} px is too small for the scorer")
    with tempfile.NamedTemporaryFile(suffix=".png") as file:
        image.save(file.name, compress_level=1)
        return float(compute_ssimulacra2(str(reference), file.name))


def measure(image: Image.Image, reference: Path, setting: Setting) -> list[Point]:
    points = []
    for quality in setting.qualities:
        milliseconds = []
        for _ in range(3):
            before = resource.getrusage(resource.RUSAGE_SELF)
            content = setting.encode(image, quality)
            after = resource.getrusage(resource.RUSAGE_SELF)
            milliseconds.append(
                1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
            )
        points.append(Point(score(reference, content), quality, len(content), min(milliseconds)))
    return points


def at(points: list[Point], wanted: float) -> Point:
    """Between the two points around a score, or beyond the nearest two."""
    points = sorted(points)
    below = max([0, *(place for place, point in enumerate(points[:-1]) if point.score <= wanted)])
    one, other = points[below], points[below + 1]
    part = (wanted - one.score) / (other.score - one.score)
    return Point(*(a + part * (b - a) for a, b in zip(one, other, strict=True)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--widths", nargs="+", type=int, default=[320, 640, 1280])
    parser.add_argument("--scores", nargs="+", type=int, default=[65, 70, 80])
    chosen = parser.parse_args()
    images = list(photographs())
    for width in chosen.widths:
        measured: dict[str, list[list[Point]]] = {setting.name: [] for setting in SETTINGS}
        for image in images:
            small = ImageOps.fit(image, (width, width * 3 // 4), Image.Resampling.LANCZOS)
            with tempfile.NamedTemporaryFile(suffix=".png") as file:
                small.save(file.name)
                for setting in SETTINGS:
                    measured[setting.name].append(measure(small, Path(file.name), setting))
        megapixels = width * (width * 3 // 4) / 1e6
        print(f"\n{width} px, {len(images)} photographs: bytes %, quality, CPU ms per megapixel\n")
        print("| encoder | " + " | ".join(f"score {wanted}" for wanted in chosen.scores) + " |")
        print("|---" * (len(chosen.scores) + 1) + "|")
        for name, runs in measured.items():
            cells = []
            for wanted in chosen.scores:
                found = [at(points, wanted) for points in runs]
                base = [at(points, wanted) for points in measured[SETTINGS[0].name]]
                share = statistics.median(
                    100 * one.bytes / other.bytes for one, other in zip(found, base, strict=True)
                )
                quality = statistics.median(point.quality for point in found)
                cost = statistics.mean(point.milliseconds for point in found) / megapixels
                cells.append(f"{share:.0f} % / {quality:.0f} / {cost:.0f}")
            print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
