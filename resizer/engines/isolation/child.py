"""A child process for decoding strangers' files. It has no secrets, no database and no Django settings.

If a decoder hangs, fills the memory or crashes, only this process ends.
"""

from __future__ import annotations

import json
import logging
import os
import pickle
import resource
import signal
import socket
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from resizer.conf import adopt_settings
from resizer.engines import load_engine
from resizer.engines.guarded import GuardedEngine
from resizer.engines.isolation.messages import Message, receive_with_file, send
from resizer.engines.protocol import Sketch
from resizer.errors import ResizerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    from resizer.engines.protocol import Header
    from resizer.keys.variant import Variant

#: Serving cached variants goes before rendering.
NICENESS = 10
#: Added to the process's badness, of 1000 (proc_pid_oom_score_adj(5)).
OOM_SCORE_ADJUSTMENT = 500
#: Of an error's text, and of a log line.
MAX_CHARACTERS = 1000
#: Of the log, between two answers.
MAX_LINES = 5
#: The last answer to every task: words and bytes.
_END: list[tuple[dict[str, object], bytes]] = [({"end": True}, b"")]


class Task(NamedTuple):
    #: Repeated in every answer, so that no answer is taken for another task's.
    token: str
    #: Dotted path of the engine's class, or "auto".
    engine: str
    #: Pickled separately: the same bytes are adopted once.
    settings: bytes
    #: None: read the header. Else render the variants.
    header: Header | None
    variants: tuple[Variant, ...]
    #: Of the whole original, bytes. The file may hold only its beginning.
    length: int
    #: Limit of processor time.
    seconds: int
    #: Limit of address space, beyond the size of the idle child.
    megabytes: int
    #: Whether a sketch of the original is wanted after the variants.
    with_sketch: bool = False


class Incomplete(BaseException):
    """The beginning of a file is not enough. A BaseException, because decoders catch any Exception."""


class Beginning:
    """The first bytes of a longer file."""

    def __init__(self, content: bytes, length: int) -> None:
        self._content = content
        self._length = length
        self._position = 0

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._length}
        self._position = max(0, start[whence] + offset)
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """Raises Incomplete for bytes behind the beginning."""
        is_all = size is None or size < 0
        end = self._length if is_all else min(self._length, self._position + (size or 0))
        if end > max(self._position, len(self._content)):
            raise Incomplete
        content = self._content[self._position : end]
        self._position += len(content)
        return content


def serve(connection: socket.socket, limit: Callable[[Task], None]) -> None:
    """Do tasks until the server closes the connection. `limit` sets the resource limits of a task."""
    collected = _LogLines()
    engines = logging.getLogger("resizer.engines")
    engines.addHandler(collected)
    with suppress(OSError, EOFError):
        send(connection, Message(b"{}"))
        while True:
            message, descriptor = receive_with_file(connection)
            with open(descriptor, "rb") as file:
                task: Task = pickle.loads(message.head)
                limit(task)
                for words, body in chain(_answers(task, file), _END):
                    log = {"log": collected.lines} if collected.lines else {}
                    collected.lines = []
                    head = json.dumps({"task": task.token, **log, **words}).encode()
                    send(connection, Message(head, body))
    engines.removeHandler(collected)


class _LogLines(logging.Handler):
    """Collects the engines' log lines for the server's log."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[tuple[int, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        if len(self.lines) < MAX_LINES:
            self.lines.append((record.levelno, record.getMessage()[:MAX_CHARACTERS]))


def _answers(task: Task, file: BinaryIO) -> Iterator[tuple[dict[str, object], bytes]]:
    """Yield pairs of words and bytes. Every exception becomes words."""
    try:
        adopt_settings(task.settings)
        engine = GuardedEngine(load_engine(task.engine))
    except Exception as error:
        # Importing a module can raise anything. It is the project's fault, not the file's.
        yield _failed("failure", error), b""
    else:
        yield from _results(task, engine, file)


def _results(
    task: Task, engine: GuardedEngine, file: BinaryIO
) -> Iterator[tuple[dict[str, object], bytes]]:
    try:
        if task.header is None:
            header = engine.read_header(_whole_or_beginning(file, task.length))
            yield {"header": [header.format.name, *header[1:]]}, b""
        else:
            render = engine.render_with_sketch if task.with_sketch else engine.render
            for result in render(file, task.header, task.variants):
                if isinstance(result, Sketch):
                    yield {"sketch": result}, b""
                else:
                    yield {"rendered": result[1:]}, result.content
    except Incomplete:
        yield {"incomplete": True}, b""
    except ResizerError as error:
        yield {"error": type(error).__name__, "text": str(error)[:MAX_CHARACTERS]}, b""
    except Exception as error:
        # An engine of another project may also return something else than a header or a variant.
        yield _failed("fault", error), b""


def _whole_or_beginning(file: BinaryIO, length: int) -> BinaryIO:
    present = file.seek(0, os.SEEK_END)
    file.seek(0)
    return file if present >= length else cast("BinaryIO", Beginning(file.read(), length))


def _failed(kind: str, error: Exception) -> dict[str, object]:
    return {kind: True, "text": f"{type(error).__name__}: {error}"[:MAX_CHARACTERS]}


def main() -> None:  # pragma: no cover  # runs in the child, whose lines nobody counts
    """Serve the socket connected as standard input, until the server closes it."""
    # An ending server finishes its renders first, but its whole process group gets the signal.
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, signal.SIG_IGN)
    os.nice(NICENESS)
    # If memory runs short, the system kills children before the server's processes.
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE_ADJUSTMENT))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with socket.socket(fileno=0) as connection:
        serve(connection, _limit)


def _limit(task: Task) -> None:  # pragma: no cover  # runs in the child, whose lines nobody counts
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used = int(usage.ru_utime + usage.ru_stime)
    _set_limit(resource.RLIMIT_CPU, used + task.seconds + 1)
    # At the first task, the size of all imports; later also memory left over by earlier tasks.
    with suppress(OSError):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        size = pages * resource.getpagesize() + task.megabytes * 1_000_000
        _set_limit(resource.RLIMIT_AS, size)


def _set_limit(kind: int, value: int) -> None:  # pragma: no cover  # the same
    _, most = resource.getrlimit(kind)
    if most == resource.RLIM_INFINITY or value < most:
        # Some systems know a limit, but refuse to set it.
        with suppress(OSError, ValueError):
            resource.setrlimit(kind, (value, most))
