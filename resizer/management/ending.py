"""How a command ends that is interrupted, or whose output nobody reads any longer: with a status, not with a traceback."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.core.management.base import OutputWrapper

#: As shells report a process that SIGINT, or SIGPIPE, has ended.
INTERRUPTED = 130
UNREAD = 141


@contextmanager
def quiet_pipe(stdout: OutputWrapper) -> Iterator[None]:
    """End with UNREAD where the reader of a pipe, such as `head`, has closed it."""
    try:
        yield
        # Now, not when the interpreter ends and can only complain.
        stdout.flush()
    except BrokenPipeError:
        # What is still in Python's buffer goes nowhere (docs.python.org, "Note on SIGPIPE").
        os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())
        sys.exit(UNREAD)
