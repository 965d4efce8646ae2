"""The configured engine in child processes, which can be killed: a decoder cannot be stopped within a process.

Not by a library for pools of processes, such as Pebble or the standard library's own: those run the project's main
script again in each child, and unpickle what it answers, so that a decoder that is broken into has the server too.
"""

from __future__ import annotations

import functools
import logging
import os
import pickle
import shutil
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from django.core.exceptions import ImproperlyConfigured

from resizer import errors
from resizer.conf import Settings, get_settings
from resizer.engines import load_engine
from resizer.engines.child import Task
from resizer.engines.children import children
from resizer.engines.memory import estimate_together
from resizer.engines.protocol import Header, Rendered
from resizer.engines.recognition import recognise
from resizer.engines.scratch import scratch_file
from resizer.errors import UndecodableOriginal
from resizer.formats import BY_NAME, SNIFF_BYTES, sniff

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any, BinaryIO

    from resizer.formats import Format
    from resizer.variant import Variant

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

#: What is read of an original at first, bytes: its header is in it, and more would have to be fetched.
HEAD_BYTES = 65_536
#: Beyond twice what a render is estimated to take: libraries reserve more than they use.
RESERVE_MEGABYTES = 256


class IsolatedEngine:
    """Any engine, by the dotted path of its class, or "auto"."""

    def __init__(self, path: str) -> None:
        self._path = path

    def can_read(self, found: Format) -> bool:
        # No file is looked at for it.
        return load_engine(self._path).can_read(found)

    def can_write(self, target: Format) -> bool:
        return load_engine(self._path).can_write(target)

    def read_header(self, file: BinaryIO) -> Header:
        """Fetches no more of a remote file than its decoder wants."""
        recognise(file)
        length = file.seek(0, os.SEEK_END)
        megabytes = get_settings().MAX_DECODED_MEGABYTES
        header = None
        for most in (HEAD_BYTES, length):
            with _descriptor(file, most) as descriptor:
                task = _task(self._path, None, (), length, megabytes)
                (header,) = _ask(task, descriptor, [_read_header])
            if header is not None:
                return header
        raise UndecodableOriginal("more is wanted than the whole file")

    def render(
        self, file: BinaryIO, header: Header, variants: Sequence[Variant]
    ) -> Iterator[Rendered]:
        megabytes = 2 * estimate_together(header, variants)
        with _descriptor(file, None) as descriptor:
            task = _task(self._path, header, tuple(variants), header.bytes, megabytes)
            readers = [functools.partial(_read_rendered, variant) for variant in variants]
            yield from _ask(task, descriptor, readers)


def _ask(
    task: Task, descriptor: int, readers: Sequence[Callable[[Mapping[str, Any], bytes], Result]]
) -> Iterator[Result]:
    """Have a task done, and its answers read. Raises any ResizerError."""
    child = children.borrow()
    is_busy = True
    try:
        child.begin(task, descriptor)
        for number, read in enumerate(readers, 1):
            words, content = child.answer(get_settings().RENDER_SECONDS)
            _raise_error(words)
            result = read(words, content)
            if number == len(readers):
                # Before, because nobody may want to hear that there is no more.
                is_busy = False
                children.give_back(child)
            yield result
    finally:
        # What it is at is wanted no longer; or a broken file has been at it, who knows how.
        if is_busy:
            children.replace(child)


def _task(
    engine: str, header: Header | None, variants: tuple[Variant, ...], length: int, megabytes: int
) -> Task:
    settings = get_settings()
    return Task(
        engine=engine,
        settings=_pickle_settings(settings),
        header=header,
        variants=variants,
        length=length,
        seconds=settings.RENDER_SECONDS * max(1, len(variants)),
        megabytes=megabytes + RESERVE_MEGABYTES,
    )


@functools.lru_cache(maxsize=1)
def _pickle_settings(settings: Settings) -> bytes:
    """Without secrets: a child needs none."""
    return pickle.dumps(
        replace(settings, SOURCES={}, SIGNING_KEY=None, SIGNING_KEY_FALLBACKS=()),
    )


@contextmanager
def _descriptor(file: BinaryIO, most: int | None) -> Iterator[int]:
    """The file itself, where it is one of this machine; else a copy, or one of its first bytes."""
    try:
        descriptor = file.fileno()
    except OSError:
        with scratch_file() as copy:
            file.seek(0)
            if most is None:
                shutil.copyfileobj(file, copy, HEAD_BYTES)
            else:
                copy.write(file.read(most))
            copy.flush()
            yield copy.fileno()
        return
    yield descriptor


def _raise_error(words: Mapping[str, Any]) -> None:
    text = f"{words.get('text')}"
    if "failure" in words:
        raise ImproperlyConfigured(f"RESIZER['ENGINE'] cannot be loaded: {text}")
    if "fault" in words:
        logger.error("The engine has failed: %.1000r", text)
        raise UndecodableOriginal(text)
    if "error" in words:
        raise errors.BY_NAME.get(str(words["error"]), UndecodableOriginal)(text)


def _read_header(words: Mapping[str, Any], _content: bytes) -> Header | None:
    """None where the beginning of the file was not enough. Raises UndecodableOriginal for what is no header."""
    if "incomplete" in words:
        return None
    try:
        name, *rest = words["header"]
        header = Header(BY_NAME[name], *rest)
    except (KeyError, TypeError, ValueError) as error:
        raise UndecodableOriginal("a child process gives no header") from error
    numbers = (header.width, header.height, header.orientation, header.frames)
    if not all(type(number) is int and number >= 1 for number in numbers):
        raise UndecodableOriginal("a child process gives no header")
    return header


def _read_rendered(variant: Variant, words: Mapping[str, Any], content: bytes) -> Rendered:
    """Raises UndecodableOriginal for what is no such variant."""
    try:
        width, height, decoded, encoded = words["rendered"]
        rendered = Rendered(content, int(width), int(height), float(decoded), float(encoded))
    except (KeyError, TypeError, ValueError) as error:
        raise UndecodableOriginal("a child process gives no variant") from error
    if sniff(content[:SNIFF_BYTES]) is not variant.format:
        raise UndecodableOriginal("a child process gives no variant")
    return rendered
