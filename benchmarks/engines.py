"""CPU and memory of a render, side by side: `make bench-engines`.

Each cell is a process of its own. CPU is user and system time of all threads, the least of a few repeats. Compare the
ratios: milliseconds depend on the machine and on its other work.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from benchmarks.originals import KINDS, ROOT, path_of

if TYPE_CHECKING:
    from pathlib import Path

LIBVIPS, PILLOW = "libvips.LibvipsEngine", "pillow.PillowEngine"
TOOLS = {
    LIBVIPS: {"jpeg", "webp", "avif"},
    PILLOW: {"jpeg", "webp", "avif"},
    "plain Pillow": {"jpeg", "webp", "avif"},
    "sharp": {"jpeg", "webp", "avif"},
    "vipsthumbnail": {"jpeg", "webp"},
    "djpeg": {"jpeg"},
    "Pillow floor": {"jpeg", "webp", "avif"},
    "libvips floor": {"jpeg", "webp", "avif"},
}
JPEG_ONLY = {"djpeg", "Pillow floor", "libvips floor"}
WIDTHS = (320, 640, 1280, 1920)
NODE_MODULES = ROOT / "var/benchmarks/node_modules"


def measure(tool: str, path: Path, width: int, target: str, repeats: int) -> dict[str, float]:
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.render_once"]
    arguments = [tool, str(path), str(width), target, str(repeats)]
    environment = os.environ | {"VIPS_CONCURRENCY": "1", "NODE_PATH": str(NODE_MODULES)}
    done = subprocess.run(
        [*command, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{tool} {path.name}: {done.stderr}")
    result: dict[str, float] = json.loads(done.stdout)
    return result


def available(tool: str) -> bool:
    if tool == "sharp":
        return bool(shutil.which("node")) and (NODE_MODULES / "sharp").is_dir()
    return tool not in {"vipsthumbnail", "djpeg"} or bool(shutil.which(tool))


def row(name: str, width: int, target: str, repeats: int) -> str:
    path = path_of(name)
    cells: dict[str, dict[str, float]] = {}
    for tool, formats in TOOLS.items():
        if target not in formats or not available(tool):
            continue
        if tool in JPEG_ONLY and not name.endswith("JPEG"):
            continue
        if tool == "vipsthumbnail" and name.endswith("AVIF"):
            # Debian's has no decoder for it.
            continue
        cells[tool] = measure(tool, path, width, target, repeats)
    ours = cells[LIBVIPS]["cpu_ms"]
    shown = []
    for tool in TOOLS:
        cell = cells.get(tool)
        shown.append(
            f"{cell['cpu_ms']:.0f} ({cell['cpu_ms'] / ours:.2f}) {cell['peak_mb']:.0f} MB"
            if cell
            else "–"
        )
    return f"| {name} → {width} {target} | " + " | ".join(shown) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--originals", nargs="+", default=list(KINDS), choices=KINDS)
    parser.add_argument("--widths", nargs="+", type=int, default=WIDTHS)
    parser.add_argument("--formats", nargs="+", default=["jpeg", "webp", "avif"])
    chosen = parser.parse_args()
    print("CPU ms (as a multiple of the libvips engine), peak MB above the start of the process\n")
    print("| original → variant | " + " | ".join(tool.split(".")[-1] for tool in TOOLS) + " |")
    print("|---" * (len(TOOLS) + 1) + "|")
    for name in chosen.originals:
        for width in chosen.widths:
            for target in chosen.formats:
                print(row(name, width, target, chosen.repeats), flush=True)


if __name__ == "__main__":
    main()
