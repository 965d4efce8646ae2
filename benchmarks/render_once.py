"""One tool, one original, one variant, in a process of its own; prints what it took as JSON.

python -m benchmarks.render_once TOOL PATH WIDTH FORMAT REPEATS
"""

from __future__ import annotations

import io
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

SHARP = Path(__file__).parent / "sharp.js"


def cpu_seconds(who: int) -> float:
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def peak_megabytes(who: int) -> float:
    if who == resource.RUSAGE_CHILDREN:
        return resource.getrusage(who).ru_maxrss / 1024
    # Not getrusage: there the mark of the process that started this one is the least.
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def engine(name: str) -> Callable[[str, int, str], int]:
    from django.conf import settings

    # CPU and memory of a child process would not be counted.
    settings.configure(RESIZER={"FORMATS": ["avif", "webp"], "ENGINE": name, "ISOLATION": False})
    from resizer.engines import get_engine
    from resizer.formats import BY_NAME
    from resizer.keys.variant import Variant

    made = get_engine()

    def render(path: str, width: int, target: str) -> int:
        variant = Variant(
            source="default", name="x", version="0" * 8, width=width, format=BY_NAME[target]
        )
        with open(path, "rb") as file:
            (rendered,) = made.render(file, made.read_header(file), [variant])
        return len(rendered.content)

    return render


# All have the same settings of the encoders. So only the rest of a render differs.
PILLOW: dict[str, dict[str, Any]] = {
    "jpeg": {"quality": 64, "optimize": True, "progressive": True},
    "webp": {"quality": 75, "method": 4},
    "avif": {"quality": 53, "speed": 9, "max_threads": 1},
}


def plain_pillow(path: str, width: int, target: str) -> int:
    """As most code does it."""
    from PIL import Image

    with Image.open(path) as image:
        height = round(width * image.height / image.width)
        output = io.BytesIO()
        resized = image.resize((width, height), Image.Resampling.LANCZOS)
        resized.save(output, target.upper(), **PILLOW[target])
    return len(output.getvalue())


def libvips_floor(path: str, width: int, target: str) -> int:
    """The same in libvips, whose encoder of JPEG takes its time for smaller files."""
    import pyvips

    from resizer.engines.encoding import Effort
    from resizer.engines.libvips.encoding import SAVER_OPTIONS
    from resizer.formats import JPEG

    usual = Effort(is_slow=False, has_full_colour=False, is_progressive=True, is_tiny=False)
    savers: dict[str, tuple[str, dict[str, Any]]] = {
        "jpeg": ("jpegsave", {"Q": 69, **SAVER_OPTIONS[JPEG](usual)}),
        "webp": ("webpsave", {"Q": 75, "effort": 4}),
        "avif": ("heifsave", {"Q": 53, "compression": "av1", "effort": 0, "bitdepth": 8}),
    }
    full = pyvips.Image.jpegload(path)
    shrink = next(factor for factor in (8, 4, 2, 1) if full.width // factor >= width)
    decoded = pyvips.Image.jpegload(path, shrink=shrink, access="sequential").copy_memory()
    small = decoded.crop(0, 0, width, round(width * full.height / full.width))
    saver, options = savers[target]
    content: bytes = getattr(small, f"{saver}_buffer")(keep="none", **options)
    return len(content)


def pillow_floor(path: str, width: int, target: str) -> int:
    """Scaled decoding and encoding alone: no resizing; only JPEG has it."""
    from PIL import Image

    with Image.open(path) as image:
        image.draft(None, (width, round(width * image.height / image.width)))
        image.load()
        output = io.BytesIO()
        small = image.crop((0, 0, width, round(width * image.height / image.width)))
        small.save(output, target.upper(), **PILLOW[target])
    return len(output.getvalue())


def vipsthumbnail(path: str, width: int, target: str) -> int:
    """Debian's program; what it takes to start is part of it."""
    options = {"jpeg": ".jpg[Q=64,optimize-coding,interlace,strip]", "webp": ".webp[Q=75,strip]"}
    with tempfile.TemporaryDirectory() as place:
        output = f"{place}/out{options[target]}"
        command = ["vipsthumbnail", path, "--size", f"{width}x", "-o", output]
        subprocess.run(command, check=True)
        return sum(file.stat().st_size for file in Path(place).iterdir())


def djpeg(path: str, width: int, target: str) -> int:
    """Debian's djpeg and cjpeg: the floor, with two programs to start."""
    with Path(path).open("rb") as file:
        head = file.read(65536)
    from PIL import Image

    full = Image.open(io.BytesIO(head)).width
    eighths = next(part for part in range(1, 9) if full * part / 8 >= width)
    script = f"djpeg -scale {eighths}/8 {path} | cjpeg -quality 64 -optimize -progressive"
    return len(subprocess.run(["sh", "-c", script], check=True, capture_output=True).stdout)


def sharp(path: str, width: int, target: str, repeats: int) -> dict[str, float]:
    command = ["node", str(SHARP), path, str(width), target, str(repeats)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


IN_PROCESS = {
    "plain Pillow": plain_pillow,
    "Pillow floor": pillow_floor,
    "libvips floor": libvips_floor,
}
PROGRAMS = {"vipsthumbnail": vipsthumbnail, "djpeg": djpeg}


def measure(tool: str, path: str, width: int, target: str, repeats: int) -> dict[str, float]:
    """CPU milliseconds, the least of the repeats; peak MB above what the process had before; bytes made."""
    if tool == "sharp":
        return sharp(path, width, target, repeats)
    who = resource.RUSAGE_CHILDREN if tool in PROGRAMS else resource.RUSAGE_SELF
    render = PROGRAMS.get(tool) or IN_PROCESS.get(tool) or engine(f"resizer.engines.{tool}")
    base = 0.0
    if tool not in PROGRAMS:
        with tempfile.NamedTemporaryFile(suffix=".jpg") as tiny:
            from PIL import Image

            Image.new("RGB", (64, 64)).save(tiny.name)
            render(tiny.name, 16, target)
        base = peak_megabytes(who)
    best, size, peak = float("inf"), 0, 0.0
    for _ in range(repeats):
        before = cpu_seconds(who)
        size = render(path, width, target)
        best = min(best, cpu_seconds(who) - before)
        # Of the first: later ones also show what the allocator has not given back.
        peak = peak or peak_megabytes(who) - base
    return {"cpu_ms": best * 1000, "peak_mb": peak, "bytes": size}


if __name__ == "__main__":
    tool, path, width, target, repeats = sys.argv[1:]
    print(json.dumps(measure(tool, path, int(width), target, int(repeats))))
