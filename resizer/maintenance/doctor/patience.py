"""Tests that may hang."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

from resizer.maintenance.doctor.findings import Finding, Mark

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


#: How long the test of a storage or a source may take, seconds.
PART_SECONDS = 15


class _TooSlow(BaseException):
    """No Exception: a storage's library would handle it, and try again."""


def within(part: str, test: Callable[[], Finding]) -> Iterator[Finding]:
    """The finding of a test that may hang. botocore alone waits up to a minute, and tries five times."""
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or not hasattr(signal, "setitimer"):
        # Signals come to the main thread only, and Windows has no timer for them.
        yield test()
        return

    def stop(*_: object) -> None:
        raise _TooSlow

    former = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, PART_SECONDS)
    try:
        finding = test()
    except _TooSlow:
        text = f"it does not respond within {PART_SECONDS} s. Check its network, and give its OPTIONS short timeouts."
        finding = Finding(Mark.BROKEN, part, text)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)
    yield finding
