"""How a command ends that is interrupted, or whose output cannot be written: with a status, not with a traceback."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, cast

from django.core.management.base import CommandError, OutputWrapper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO

    from django.core.management.base import BaseCommand

#: As shells report a process that SIGINT, or SIGPIPE, has ended.
INTERRUPTED = 130
UNREAD = 141


class _Unwritten(Exception):
    """The output cannot be written; its cause is the OSError, which no work of the command has raised."""


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
                # Of a terminal without our signs, or of a name that is no text: as Python writes errors themselves.
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
def told_end(command: BaseCommand) -> Iterator[None]:
    """End with UNREAD where the reader of a pipe, such as `head`, has closed it. Raises CommandError with one sentence
    for other output that cannot be written, and with INTERRUPTED after Ctrl-C.
    """
    given = command.stdout
    with ExitStack() as stack:
        # Python has no output where the descriptor was closed from the start.
        is_closed = given._out is None
        out = stack.enter_context(open(os.devnull, "w")) if is_closed else given
        command.stdout = _Output(cast("TextIO", out))
        try:
            try:
                yield
            finally:
                # Now, not when the interpreter ends and can only complain.
                command.stdout.flush()
        except _Unwritten as error:
            # What is still in Python's buffer goes nowhere (docs.python.org, "Note on SIGPIPE").
            os.dup2(os.open(os.devnull, os.O_WRONLY), given.fileno())
            if isinstance(error.__cause__, BrokenPipeError):
                sys.exit(UNREAD)
            raise CommandError(f"The output cannot be written: {error.__cause__}.") from error
        except KeyboardInterrupt:
            raise CommandError("Interrupted.", returncode=INTERRUPTED) from None
        finally:
            command.stdout = given
