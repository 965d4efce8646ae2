"""End a command with an exit status, not a traceback, if it is interrupted or its output cannot be written."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, cast

from django.core.management.base import CommandError, OutputWrapper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO

    from django.core.management.base import BaseCommand

#: Exit statuses that shells report for a process ended by SIGINT, SIGPIPE or SIGTERM.
INTERRUPTED = 130
UNREAD = 141
TERMINATED = 143


class _Unwritten(Exception):
    """The output cannot be written. `__cause__` is the OSError. Other OSErrors come from the command's own work."""


class _Terminated(KeyboardInterrupt):
    """SIGTERM, as from systemd or a container that stops. Commands end as after Ctrl-C."""


class _Output(OutputWrapper):
    def write(  # type: ignore[override]  # as that of Django
        self,
        msg: str = "",
        style_func: Callable[[str], str] | None = None,
        ending: str | None = None,
    ) -> None:
        with _written():
            try:
                super().write(msg, style_func, ending)
            except UnicodeEncodeError as error:
                # The terminal lacks a character, or a file name is not valid text. Escape it, as Python does on stderr.
                told = msg.encode(error.encoding, "backslashreplace").decode(error.encoding)
                super().write(told, style_func, ending)

    def flush(self) -> None:
        with _written():
            super().flush()


@contextmanager
def _written() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _Unwritten from error


@contextmanager
def _terminable() -> Iterator[None]:
    """Raise _Terminated at SIGTERM. A second SIGTERM ends the process at once."""
    if threading.current_thread() is not threading.main_thread():
        # Signals come to the main thread only.
        yield
        return

    def end(*_: object) -> None:
        signal.signal(signal.SIGTERM, former)
        raise _Terminated

    former = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


@contextmanager
def told_end(command: BaseCommand) -> Iterator[None]:
    """Run a command's work with a proper end.

    Exits with UNREAD if the reader of a pipe, such as `head`, has closed it. Raises CommandError with one sentence
    for any other output that cannot be written, and CommandError with INTERRUPTED after Ctrl-C, or TERMINATED after
    SIGTERM.
    """
    given = command.stdout
    with ExitStack() as stack:
        stack.enter_context(_terminable())
        # If the descriptor was closed from the start, Python has no stdout.
        is_closed = given._out is None
        out = stack.enter_context(open(os.devnull, "w")) if is_closed else given
        command.stdout = _Output(cast("TextIO", out))
        try:
            try:
                yield
            finally:
                # Flush now. At the end of the interpreter, an error could only be printed.
                command.stdout.flush()
        except _Unwritten as error:
            # Send the rest of Python's buffer to /dev/null (docs.python.org, "Note on SIGPIPE").
            os.dup2(os.open(os.devnull, os.O_WRONLY), given.fileno())
            if isinstance(error.__cause__, BrokenPipeError):
                sys.exit(UNREAD)
            raise CommandError(f"The output cannot be written: {error.__cause__}.") from error
        except _Terminated:
            raise CommandError("Terminated.", returncode=TERMINATED) from None
        except KeyboardInterrupt:
            raise CommandError("Interrupted.", returncode=INTERRUPTED) from None
        finally:
            command.stdout = given
