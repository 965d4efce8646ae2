from __future__ import annotations

import io
import struct
import subprocess
import sys

import pytest
from PIL import Image

from resizer.engines.memory import estimate
from resizer.engines.pillow import PillowEngine
from resizer.errors import RenderKilled
from resizer.formats import PNG, WEBP
from tests.engines.rendering import header, variant
from tests.gifs import RED, gif, gif_frame
from tests.pictures import encode


def test_shrunk_photograph_takes_little_and_what_is_decoded_whole_takes_more() -> None:
    shrunk = estimate(header(is_shrinkable=True), variant(640))
    assert 16 < shrunk < 60
    assert estimate(header(is_shrinkable=True), variant(2560)) > shrunk
    progressive = estimate(header(), variant(640))
    assert shrunk < 75 < progressive
    assert progressive < estimate(header(PNG), variant(640)) < estimate(header(WEBP), variant(640))


def test_frames_that_move_are_held_together() -> None:
    still = estimate(header(WEBP, (640, 480), frames=100), variant(640, WEBP))
    moving = estimate(header(WEBP, (640, 480), frames=100), variant(640, WEBP, animated=True))
    assert moving - still == pytest.approx(640 * 480 * 400 / 1e6, abs=1)


def test_gif_that_does_not_cover_its_screen_takes_a_canvas() -> None:
    screen = (7000, 7000)
    headers = []
    for box in ((0, 0, *screen), (5, 5, 64, 64)):
        file = io.BytesIO(gif(screen, gif_frame((0, 0, 64, 64), RED)))
        place = file.getvalue().index(b"\x2c", 13) + 1
        file.getbuffer()[place : place + 8] = struct.pack("<4H", *box)
        headers.append(PillowEngine().read_header(file))
    covering, within = (estimate(one, variant(320)) for one in headers)
    # Peaks of 246 and 398 MB have been measured.
    assert covering < 300
    assert within >= 398


def test_memory_that_has_run_out_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    file = io.BytesIO(encode(Image.new("RGB", (64, 48)), "PNG"))
    monkeypatch.setattr(Image, "open", fail)
    with pytest.raises(RenderKilled):
        PillowEngine().read_header(file)


STARVING = """
import io, resource, sys
import django
django.setup()
from PIL import Image
from resizer.engines.pillow.files import open_image
from resizer.errors import ResizerError
pages = int(open("/proc/self/statm").read().split()[0])
content = sys.stdin.buffer.read()
most = pages * resource.getpagesize() + 100_000_000
resource.setrlimit(resource.RLIMIT_AS, (most, most))
try:
    with open_image(io.BytesIO(content)) as (image, _):
        image.load()
except ResizerError as error:
    print(type(error).__name__)
"""


def test_want_of_memory_is_no_fault_of_the_file() -> None:
    content = encode(Image.new("RGB", (8000, 8000)), "PNG")
    done = subprocess.run(
        [sys.executable, "-c", STARVING], input=content, capture_output=True, check=True, timeout=60
    )
    assert done.stdout == b"RenderKilled\n"
