"""Engines that do in a child process what broken and hostile decoders do."""

from __future__ import annotations

import json
import logging
import os
import resource
import signal
import socket
import struct
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from django.conf import settings as django_settings

from resizer.conf import get_settings
from resizer.engines.isolation.child import Incomplete, Task
from resizer.engines.libvips import LibvipsEngine
from resizer.engines.pillow import PillowEngine
from resizer.errors import TooManyPixels, UndecodableOriginal
from tests.pictures import draw, encode

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from types import FrameType

    from resizer.engines import Header, Rendered
    from resizer.keys.variant import Variant


class FailingPillow(PillowEngine):
    """Makes one picture, and fails at the second in a way that no file is to blame for."""

    other = "resizer.engines.libvips.LibvipsEngine"

    def render(
        self, file: BinaryIO, header: Header, variants: Sequence[Variant]
    ) -> Generator[Rendered]:
        yield from super().render(file, header, variants[:1])
        raise AttributeError("a fault\nof two lines")


class FailingLibvips(LibvipsEngine):
    other = "resizer.engines.pillow.PillowEngine"

    def render(
        self, file: BinaryIO, header: Header, variants: Sequence[Variant]
    ) -> Generator[Rendered]:
        yield from super().render(file, header, variants[:1])
        raise UnicodeDecodeError("utf-8", b"\xe9", 0, 1, "a fault")


class FailingTwice(PillowEngine):
    other = "tests.engines.misbehaving.Faulty"

    def render(
        self, file: BinaryIO, header: Header, variants: Sequence[Variant]
    ) -> Generator[Rendered]:
        raise AttributeError("a fault")


class WithoutAnOther(FailingTwice):
    """A class of one's own inherits no other."""


class RefusedByTheOther(FailingTwice):
    other = "tests.engines.misbehaving.Refusing"


class WithoutTheOther(FailingTwice):
    other = "tests.engines.missing.Engine"


class FailingHeader(PillowEngine):
    def read_header(self, file: BinaryIO) -> Header:
        raise AttributeError("a fault")


class Misbehaving(PillowEngine):
    """Reads headers as it should."""

    def render(
        self, file: BinaryIO, header: Header, variants: Sequence[Variant]
    ) -> Generator[Rendered]:
        self.misbehave()
        return super().render(file, header, variants)

    def misbehave(self) -> None: ...


class Endless(Misbehaving):
    def misbehave(self) -> None:
        # One call, into which no signal handler of Python's gets a word in.
        sum(range(10**12))


class EndlessHeader(PillowEngine):
    def read_header(self, file: BinaryIO) -> Header:
        sum(range(10**12))
        raise AssertionError


class Greedy(Misbehaving):
    def misbehave(self) -> None:
        bytearray(4_000_000_000)


class Faulty(Misbehaving):
    def misbehave(self) -> None:
        raise KeyError("a fault\nof two lines")


class Refusing(Misbehaving):
    def misbehave(self) -> None:
        raise UndecodableOriginal("broken")


class Chatty(Misbehaving):
    """Logs more than anybody wants to read."""

    def misbehave(self) -> None:
        for number in range(100):
            logging.getLogger("resizer.engines.chatty").warning("line %d\n%s", number, "x" * 9000)


class Interrupted(PillowEngine):
    """Makes the first variant only."""

    def render(
        self, file: BinaryIO, header: Header, variants: Sequence[Variant]
    ) -> Generator[Rendered]:
        yield from super().render(file, header, variants[:1])
        raise TooManyPixels("the second")


class Knowing(Misbehaving):
    """Tells all that it knows."""

    def misbehave(self) -> None:
        told = {
            "environment": dict(os.environ),
            "key": get_settings().SIGNING_KEY,
            "sources": dict(get_settings().SOURCES),
            "project": django_settings.configured,
            "nice": os.nice(0),
            "expendable": Path("/proc/self/oom_score_adj").read_text().strip(),
            "core": resource.getrlimit(resource.RLIMIT_CORE)[0],
            "processor": resource.getrlimit(resource.RLIMIT_CPU)[0],
            "addresses": resource.getrlimit(resource.RLIMIT_AS)[0],
            "files": len(os.listdir("/dev/fd")),
        }
        raise UndecodableOriginal(json.dumps(told))


class Killed(Misbehaving):
    signal = signal.SIGKILL

    def misbehave(self) -> None:
        os.kill(os.getpid(), self.signal)


class Stopped(Killed):
    signal = signal.SIGSTOP


class Starved(Misbehaving):
    """Gets little of a core, as if others had it."""

    def misbehave(self) -> None:
        while True:
            ends_at = time.thread_time() + 0.02
            while time.thread_time() < ends_at:
                pass
            time.sleep(0.1)


class Late(Misbehaving):
    """Gets nothing for a while, and then does what it should."""

    def misbehave(self) -> None:
        time.sleep(1.5)


class Absent(PillowEngine):
    """As an engine whose library only the server finds."""

    def __init__(self) -> None:
        if not django_settings.configured:
            raise OSError("no library")


class KilledAtTheHeader(PillowEngine):
    def read_header(self, file: BinaryIO) -> Header:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


class Aborted(Killed):
    signal = signal.SIGABRT


class OutOfTime(Killed):
    signal = signal.SIGXCPU


class Exiting(Misbehaving):
    def misbehave(self) -> None:
        os._exit(1)


class ExitingWell(Misbehaving):
    def misbehave(self) -> None:
        os._exit(0)


class Afterwards(PillowEngine):
    """Fails when all is made: what it says then must not be taken for the next one's."""

    def render(
        self, file: BinaryIO, header: Header, variants: Sequence[Variant]
    ) -> Generator[Rendered]:
        yield from super().render(file, header, variants)
        raise KeyError("afterwards")


class SleepingAfterwards(PillowEngine):
    def render(
        self, file: BinaryIO, header: Header, variants: Sequence[Variant]
    ) -> Generator[Rendered]:
        yield from super().render(file, header, variants)
        signal.pause()


def say(words: object, body: bytes = b"") -> None:
    """Say something in the child's place, as one that was broken into might, and nothing more."""
    tell(json.dumps(words).encode(), body)
    signal.pause()


def tell(head: bytes, body: bytes = b"") -> None:
    os.write(0, struct.pack("!II", len(head), len(body)) + head + body)


def token() -> str:
    """Whoever is in the process can find it."""
    frame: FrameType | None = sys._getframe()
    while frame:
        task = frame.f_locals.get("task")
        if isinstance(task, Task):
            return task.token
        frame = frame.f_back
    raise AssertionError


class Saying(Misbehaving):
    words: Mapping[str, object]
    body = b""

    def misbehave(self) -> None:
        say({"task": token(), **self.words}, self.body)


class SketchingNumbers(PillowEngine):
    """Renders the picture, and makes up a sketch."""

    sketch: object = [[1, 2], 3, 4]

    def render(
        self, file: BinaryIO, header: Header, variants: Sequence[Variant]
    ) -> Generator[Rendered]:
        yield from super().render(file, header, variants[:1])
        say({"task": token(), "sketch": self.sketch})


class SketchingCode(SketchingNumbers):
    sketch = ([1, 2], "#102030}body{display:none", "")


class SketchingNothing(SketchingNumbers):
    sketch = None


class SayingNoJSON(Misbehaving):
    def misbehave(self) -> None:
        tell(b"no!")
        signal.pause()


class SayingDeeply(Misbehaving):
    def misbehave(self) -> None:
        tell(b"[" * 99_000)
        signal.pause()


class SayingHalfAWord(Misbehaving):
    def misbehave(self) -> None:
        os.write(0, struct.pack("!II", 50, 0))
        signal.pause()


class SayingTooMuch(Misbehaving):
    def misbehave(self) -> None:
        os.write(0, struct.pack("!II", 3, 4_000_000_000))
        signal.pause()


class SayingInTheHead(Misbehaving):
    def misbehave(self) -> None:
        os.write(0, struct.pack("!II", 4_000_000_000, 3))
        signal.pause()


class SayingAList(Misbehaving):
    def misbehave(self) -> None:
        say([1, 2])


PICTURE = encode(draw((320, 240)), "PNG")


class SayingForAnother(Misbehaving):
    def misbehave(self) -> None:
        say({"task": "another", "rendered": [320, 240, 0, 0]}, PICTURE)


class SayingAfterTheEnd(Misbehaving):
    """Makes what it should, and says something else instead of its end."""

    def misbehave(self) -> None:
        words = {"task": token(), "rendered": [320, 240, 0, 0]}
        tell(json.dumps(words).encode(), PICTURE)
        say({"task": token(), "error": "UndecodableOriginal"})


class SayingNothing(Saying):
    words: Mapping[str, object] = {}


class SayingLess(Saying):
    words = {"rendered": [320]}


class SayingHTML(Saying):
    words = {"rendered": [320, 240, 0, 0]}
    body = b"<!doctype html><script>alert(1)</script>"


class SayingHalf(Saying):
    words = {"rendered": [320, 240, 0, 0]}
    body = PICTURE[: len(PICTURE) // 2]


class SayingSizes(Saying):
    words = {"rendered": ["wide", "high", 0, 0]}
    body = PICTURE


class SayingInfinity(Saying):
    words = {"rendered": [320, 240, float("inf"), 0]}
    body = PICTURE


class SayingAnError(Saying):
    words = {"error": "SystemExit", "text": "out"}


class SayingMissing(Saying):
    words = {"error": "OriginalNotFound", "text": "gone"}


class SayingNoLog(Saying):
    words = {"log": "text", "error": "Busy"}


class SayingOddLines(Saying):
    words = {"log": [1, {}, [], ["a", "b"], [10, "so\nmuch"], [30, "more"]], "error": "Busy"}


class Headless(PillowEngine):
    """Gives headers that are none."""

    answer: list[object] = ["jpeg", 1]

    def read_header(self, file: BinaryIO) -> Header:
        say({"task": token(), "header": self.answer})
        raise AssertionError


class OfUnknownFormat(Headless):
    answer = ["svg", 1, 1, 1, False, False, False, False, 1, 1]


class OfAnotherFormat(Headless):
    answer = ["png", 1, 1, 1, False, False, False, False, 1, 1]


class OfNoSize(Headless):
    answer = ["jpeg", -5, 1, 1, False, False, False, False, 1, 1]


class WithHugeSides(Headless):
    answer = ["jpeg", 10**400, 1, 1, False, False, False, False, 1, 1]


class OfOddOrientation(Headless):
    answer = ["jpeg", 1, 1, 9, False, False, False, False, 1, 1]


class WithAFlagThatIsNone(Headless):
    answer = ["jpeg", 1, 1, 1, [1], False, False, False, 1, 1]


class OfManyFrames(Headless):
    answer = ["jpeg", 1, 1, 1, False, False, False, False, 10**30, 1]


class WithAWrongLength(Headless):
    """Of which the server knows better."""

    answer = ["jpeg", 1, 1, 1, False, False, False, False, 1, -(10**12)]

    def read_header(self, file: BinaryIO) -> Header:
        tell(json.dumps({"task": token(), "header": self.answer}).encode())
        say({"task": token(), "end": True})
        raise AssertionError


class OfNoKind(PillowEngine):
    def read_header(self, file: BinaryIO) -> Header:
        return cast("Header", None)


class Returning(PillowEngine):
    """Sends files where none are expected."""

    def read_header(self, file: BinaryIO) -> Header:
        head = json.dumps({"task": token(), "header": OfNoSize.answer}).encode()
        with socket.socket(fileno=os.dup(0)) as connection:
            lengths = struct.pack("!II", len(head), 0)
            socket.send_fds(connection, [lengths + head], [file.fileno()] * 3)
        signal.pause()
        raise AssertionError


class Insatiable(PillowEngine):
    """Wants more of a file than there is."""

    def read_header(self, file: BinaryIO) -> Header:
        raise Incomplete
