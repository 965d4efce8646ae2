"""An engine for servers in processes of their own: what it is asked for is written into a file."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from resizer.engines.isolation.engine import IsolatedEngine

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from resizer.engines import Header, Rendered
    from resizer.keys.variant import Variant


class LoggingEngine(IsolatedEngine):
    """Pillow in child processes, which know nothing of the log.

    `TESTS_LOG` is the file; while `TESTS_HOLD` names a file that is there, a render does not go on.
    """

    def __init__(self) -> None:
        super().__init__("resizer.engines.pillow.PillowEngine")

    def render(
        self, file: BinaryIO, header: Header, variants: Sequence[Variant]
    ) -> Generator[Rendered]:
        _write("begin")
        try:
            hold = os.environ.get("TESTS_HOLD")
            while hold and Path(hold).exists():
                time.sleep(0.01)
            yield from list(super().render(file, header, variants))
        finally:
            _write("end")


def _write(word: str) -> None:
    # Short lines are appended whole, whoever else writes.
    with open(os.environ["TESTS_LOG"], "ab", buffering=0) as log:
        log.write(f"{word} {os.getpid()}\n".encode())
