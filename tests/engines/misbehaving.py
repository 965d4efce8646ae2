"""Engines that do in a child process what broken and hostile decoders do."""

from __future__ import annotations

import json
import os
import resource
import signal
import struct
from typing import TYPE_CHECKING, BinaryIO

from django.conf import settings as django_settings

from resizer.conf import get_settings
from resizer.engines.child import Incomplete
from resizer.engines.pillow import PillowEngine
from resizer.errors import TooManyPixels, UndecodableOriginal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from resizer.engines import Header, Rendered
    from resizer.variant import Variant


class Misbehaving(PillowEngine):
    """Reads headers as it should."""

    def render(
        self, file: BinaryIO, header: Header, variants: Sequence[Variant]
    ) -> Iterator[Rendered]:
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


class Interrupted(PillowEngine):
    """Makes the first variant only."""

    def render(
        self, file: BinaryIO, header: Header, variants: Sequence[Variant]
    ) -> Iterator[Rendered]:
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


class Aborted(Killed):
    signal = signal.SIGABRT


class OutOfTime(Killed):
    signal = signal.SIGXCPU


class Exiting(Misbehaving):
    def misbehave(self) -> None:
        os._exit(0)


class Saying(Misbehaving):
    """Says something else, as one that was broken into might."""

    words: object
    body = b""

    def misbehave(self) -> None:
        head = json.dumps(self.words).encode()
        os.write(0, struct.pack("!II", len(head), len(self.body)) + head + self.body)
        # What it says by itself comes too late.
        signal.pause()


class SayingNoJSON(Saying):
    def misbehave(self) -> None:
        os.write(0, struct.pack("!II", 3, 0) + b"no!")
        signal.pause()


class SayingTooMuch(Saying):
    def misbehave(self) -> None:
        os.write(0, struct.pack("!II", 3, 4_000_000_000))
        signal.pause()


class SayingAList(Saying):
    words = [1, 2]


class SayingNothing(Saying):
    words: object = {}


class SayingLess(Saying):
    words = {"rendered": [320]}


class SayingHTML(Saying):
    words = {"rendered": [320, 240, 0, 0]}
    body = b"<!doctype html><script>alert(1)</script>"


class SayingSizes(Saying):
    words = {"rendered": ["wide", "high", 0, 0]}
    body = b"\x89PNG\r\n\x1a\n"


class SayingAnError(Saying):
    words = {"error": "SystemExit", "text": "out"}


class Headless(PillowEngine):
    """Gives headers that are none."""

    answer = '{"header": ["jpeg", 1]}'

    def read_header(self, file: BinaryIO) -> Header:
        os.write(0, struct.pack("!II", len(self.answer), 0) + self.answer.encode())
        signal.pause()
        raise AssertionError


class WithoutFormat(Headless):
    answer = '{"header": ["svg", 1, 1, 1, false, false, false, false, 1, 1]}'


class WithoutSize(Headless):
    answer = '{"header": ["jpeg", -5, 1, 1, false, false, false, false, 1, 1]}'


class Insatiable(PillowEngine):
    """Wants more of a file than there is."""

    def read_header(self, file: BinaryIO) -> Header:
        raise Incomplete
