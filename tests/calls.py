"""Which functions run while something is done: for tests that count work instead of measuring time."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType, FrameType


@contextmanager
def recorded() -> Iterator[list[CodeType]]:
    """The code of every Python function that this thread enters in here, in order."""
    entered: list[CodeType] = []

    def note(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call":
            entered.append(frame.f_code)

    former = sys.getprofile()
    sys.setprofile(note)
    try:
        yield entered
    finally:
        sys.setprofile(former)
