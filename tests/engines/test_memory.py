from __future__ import annotations

import pytest

from resizer.engines.memory import estimate
from resizer.formats import PNG, WEBP
from tests.engines.rendering import header, variant


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
