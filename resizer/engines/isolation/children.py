"""Child processes: started on demand, used again, and killed if a task takes too long."""

from __future__ import annotations

import atexit
import json
import logging
import os
import pickle
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from signal import SIGKILL, SIGXCPU
from typing import TYPE_CHECKING, cast

from resizer.concurrency import machine
from resizer.conf import get_settings
from resizer.engines.isolation.messages import Message, receive, send
from resizer.errors import Busy, RenderKilled, ResizerError, TooMuchWork, UndecodableOriginal
from resizer.throttle import problems

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from resizer.engines.isolation.child import Task

logger = logging.getLogger(__name__)

#: Limit for starting a child. On an idle machine it takes 0.1 s.
START_SECONDS = 10
#: How long to wait while all children are busy.
BORROW_SECONDS = 10
#: A child has done too much work after this part of its seconds on a core. Other processes got the rest.
ENOUGH = 0.9
#: A child with less than this part of its seconds on a core was stopped from outside.
STOPPED = 0.05
#: A child with less than ENOUGH may run for so many times its seconds.
PATIENCE = 2
#: How long a child may take to end by itself.
END_SECONDS = 1

# No secrets of the project: an attacker in a decoder, or a decoder leaking memory into variants, finds none.
_VARIABLES = {"LANG", "LANGUAGE", "PATH", "TMPDIR", "TZ"}
_KINDS_OF_VARIABLES = ("DYLD_", "LC_", "LD_", "MALLOC_", "VIPS_")
# `-I` ignores the user's variables and directories, because an attacker may write there. The child gets the server's
# `sys.path`.
_BEGIN = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]);"
    " from resizer.engines.isolation.child import main; main()"
)


class Child:
    """One process. It does one task at a time."""

    def __init__(self) -> None:
        """Start a process. Raises OSError if that fails."""
        self._connection, theirs = socket.socketpair()
        self._is_ready = False
        # `sys.path` may also hold other objects, such as a Path; Python ignores them.
        path = json.dumps(
            [entry for entry in cast("list[object]", sys.path) if isinstance(entry, str)]
        )
        with theirs:
            try:
                self._process = subprocess.Popen(
                    [_interpreter(), "-I", "-c", _BEGIN, path],
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env=_environment(),
                )
            except BaseException:
                self._connection.close()
                raise
        self.pid = self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def begin(self, task: Task, descriptor: int) -> None:
        """Send the child a task. Raises Busy if the child is gone or did not start."""
        try:
            if not self._is_ready:
                receive(self._connection, seconds=START_SECONDS)
                self._is_ready = True
            message = Message(pickle.dumps(task))
            send(self._connection, message, descriptor=descriptor, seconds=START_SECONDS)
        except (OSError, EOFError, ValueError) as error:
            raise Busy(f"a child process is not there: {error!r}") from error

    def answer(self, task: Task, seconds: float, most_bytes: int) -> tuple[dict[str, Any], bytes]:
        """Return the child's next words about a task, and their bytes.

        Raises TooMuchWork after `seconds` of work, UndecodableOriginal for an invalid answer or a crash, RenderKilled if
        the child was killed, Busy if something else than the file stopped it.
        """
        try:
            self._wait(seconds)
            message = receive(self._connection, seconds=seconds, most_bytes=most_bytes)
            words = json.loads(message.head)
        except TimeoutError as error:
            raise Busy(f"child process {self.pid} stopped in the middle of an answer") from error
        except (EOFError, OSError) as error:
            raise self._explain_end() from error
        except (RecursionError, ValueError) as error:
            raise UndecodableOriginal(
                f"a child process sent an invalid answer: {error!r:.200}"
            ) from error
        if not isinstance(words, dict) or words.get("task") != task.token:
            raise UndecodableOriginal("a child process sent an invalid answer")
        return words, message.body

    def let_go(self) -> None:
        """The child ends by itself, after its current task."""
        self._connection.close()

    def end(self) -> None:
        """Let the child end. If it does not within END_SECONDS, kill it."""
        self.let_go()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Kill the child, and wait for its end."""
        self._connection.close()
        self._process.kill()
        self._process.wait()

    def abandon(self) -> None:  # pragma: no cover  # coverage does not look into forked processes
        """Leave the child to our parent process, after a fork."""
        self._connection.close()
        # Only the parent can wait for its end.
        self._process.returncode = 0

    def _wait(self, seconds: float) -> None:
        """Wait until the child answers or ends. Raises TooMuchWork; Busy if other processes took its core."""
        began_at, had_before = time.monotonic(), machine.processor_seconds(self.pid)
        pause = seconds
        while not self._says_something(pause):
            had_until_now = machine.processor_seconds(self.pid)
            if had_before is None or had_until_now is None:
                raise TooMuchWork(f"not done within {seconds:g} s")
            had = had_until_now - had_before
            if had >= ENOUGH * seconds:
                raise TooMuchWork(f"not done within {seconds:g} s of a core")
            passed = time.monotonic() - began_at
            if had < STOPPED * seconds or passed >= PATIENCE * seconds:
                raise Busy(f"child process {self.pid} has had {had:g} s of a core in {passed:g} s")
            pause = min(seconds, max(0.01, ENOUGH * seconds - had))

    def _says_something(self, seconds: float) -> bool:
        self._connection.settimeout(seconds)
        try:
            self._connection.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            return False
        return True

    def _explain_end(self) -> ResizerError:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(END_SECONDS)
        code = self._process.returncode
        text = f"child process {self.pid} has ended with {code}"
        if code == -SIGXCPU:
            return TooMuchWork(text)
        if code == -SIGKILL:
            # We did not kill it: the system ran out of memory, or an operator killed it. The file may be fine.
            return RenderKilled(text)
        # No code: the child has not ended, or a handler of the project has collected its exit status.
        return UndecodableOriginal(text) if code else Busy(text)


class Children:
    """The child processes of this process."""

    def __init__(self) -> None:
        # Reentrant: the garbage collector may close a generator, and so give a child back, at any moment.
        self._guard = threading.Condition(threading.RLock())
        self._idle: list[Child] = []
        self._busy: set[Child] = set()
        self._borrowed = 0

    def __iter__(self) -> Iterator[Child]:
        with self._guard:
            return iter([*self._idle, *self._busy])

    def borrow(self) -> Child:
        """Return an idle child, or start one. Raises Busy if that fails, or if all stay busy for BORROW_SECONDS."""
        # Children for all renders, and one for each core to read headers.
        most = _renders_at_once() + machine.cores()
        with self._guard:
            if not self._guard.wait_for(lambda: self._borrowed < most, BORROW_SECONDS):
                raise Busy("all child processes are busy")
            self._borrowed += 1
        try:
            child = self._take_idle() or _start()
        except BaseException:
            self._return(None)
            raise
        with self._guard:
            self._busy.add(child)
        return child

    def give_back(self, child: Child) -> None:
        """Return a child after its task, for the next one."""
        self._return(child)
        self._keep(child)

    def replace(self, child: Child) -> None:
        """Kill a child, and start another one now, before a request waits for it."""
        self._return(child)
        child.kill()
        if len(self._idle) < _renders_at_once():
            with suppress(Busy):
                self._keep(_start())

    def end(self) -> None:
        """End all children, also busy ones. Kill a child still running after END_SECONDS."""
        with self._guard:
            ending = list(self)
            self._idle.clear()
            self._busy.clear()
        for child in ending:
            child.let_go()
        for child in ending:
            child.end()

    def abandon(self) -> None:  # pragma: no cover  # coverage does not look into forked processes
        """Forget all children, in a forked process. Other threads may have held the lock."""
        for child in [*self._idle, *self._busy]:
            child.abandon()
        self.__init__()  # type: ignore[misc]  # a new, free lock

    def _return(self, child: Child | None) -> None:
        with self._guard:
            self._borrowed -= 1
            if child is not None:
                self._busy.discard(child)
            self._guard.notify()

    def _keep(self, child: Child) -> None:
        """Keep as many children as renders run at once. Further ones have read headers, and end."""
        most = _renders_at_once()
        with self._guard:
            is_kept = len(self._idle) < most
            if is_kept:
                self._idle.append(child)
        if not is_kept:
            child.end()

    def _take_idle(self) -> Child | None:
        while True:
            with self._guard:
                # The memory of the last one used is most likely not swapped out.
                child = self._idle.pop() if self._idle else None
            if child is None or child.is_alive:
                return child
            child.end()


children = Children()
atexit.register(children.end)
os.register_at_fork(after_in_child=children.abandon)


def _renders_at_once() -> int:
    return get_settings().MAX_RENDERS or machine.cores()


def _start() -> Child:
    try:
        return Child()
    except OSError as error:
        level = problems.level("child process", logging.ERROR)
        logger.log(level, "No child process can be started: %.300r", error)
        raise Busy(f"no child process can be started: {error!r}") from error


def _interpreter() -> str:
    """The path of Python. Within uWSGI and the like, `sys.executable` is another program."""
    if Path(sys.executable).name.startswith("python"):
        return sys.executable
    return str(Path(sys.prefix) / "bin" / "python3")


def _environment() -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _VARIABLES or name.startswith(_KINDS_OF_VARIABLES)
    }
    # Otherwise glibc keeps freed memory for each thread.
    return {"MALLOC_ARENA_MAX": "2", **kept}
