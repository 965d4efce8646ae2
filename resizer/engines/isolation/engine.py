"""The configured engine in child processes. A decoder cannot be stopped within a process, but a child can be killed.

Pebble and the process pools of the standard library are not used. They run the project's main script in each child, and
unpickle its results: an attacker in a decoder would control the server too.
"""

from __future__ import annotations

import functools
import logging
import os
import pickle
import secrets
import shutil
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from resizer.conf import Settings, get_settings
from resizer.engines import load_engine
from resizer.engines.guards.recognition import recognise
from resizer.engines.isolation.child import MAX_LINES, Task
from resizer.engines.isolation.children import END_SECONDS, children
from resizer.engines.memory import estimate_together
from resizer.engines.protocol import Header, Rendered, Sketch
from resizer.engines.sharing import can_sketch, plan_resizing
from resizer.errors import (
    Busy,
    EngineAbsent,
    EngineFailed,
    RenderKilled,
    ResizerError,
    TooManyPixels,
    TooMuchWork,
    UndecodableOriginal,
    UnsupportedFormat,
)
from resizer.formats import BY_NAME, HEAD_BYTES, SNIFF_BYTES, sniff
from resizer.scratch import open_scratch
from resizer.storages.endings import has_end

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
    from typing import BinaryIO

    from resizer.engines.isolation.children import Child
    from resizer.formats import Format
    from resizer.keys.variant import Variant

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

#: Added to twice the estimate of a render: libraries reserve more than they use.
RESERVE_MEGABYTES = 256
STACK_MEGABYTES = 8
#: The errors of an engine. Security: a broken child must not report a missing original. Its row would be removed.
_ERRORS = {
    one.__name__: one
    for one in (
        Busy,
        EngineFailed,
        RenderKilled,
        TooManyPixels,
        TooMuchWork,
        UndecodableOriginal,
        UnsupportedFormat,
    )
}
#: Larger sizes and counts cannot be real, and database columns cannot hold them.
MAX_NUMBER = 2**31 - 1


class IsolatedEngine:
    """Any engine, by the dotted path of its class, or "auto"."""

    def __init__(self, path: str) -> None:
        self._path = path

    def can_read(self, found: Format) -> bool:
        # This reads no file, so this process may answer.
        return load_engine(self._path).can_read(found)

    def can_write(self, target: Format) -> bool:
        return load_engine(self._path).can_write(target)

    def read_header(self, file: BinaryIO) -> Header:
        """Reads the first `HEAD_BYTES` of a file; more only if its decoder needs more."""
        found = recognise(file)
        length = file.seek(0, os.SEEK_END)
        megabytes = get_settings().MAX_DECODED_MEGABYTES
        header_wanted = _Expected(functools.partial(_read_header, found, length))
        for most in (HEAD_BYTES, length):
            with _descriptor(file, most) as descriptor:
                task = _task(self._path, None, (), length, megabytes)
                (header,) = _ask(task, descriptor, [header_wanted])
            if header is not None:
                return header
        raise UndecodableOriginal("the decoder wants more than the whole file")

    def render(
        self, file: BinaryIO, header: Header, variants: Sequence[Variant]
    ) -> Generator[Rendered]:
        wanted = [_expect(header, variant) for variant in variants]
        yield from self._render(file, header, variants, wanted, with_sketch=False)

    def render_with_sketch(
        self, file: BinaryIO, header: Header, variants: Sequence[Variant]
    ) -> Generator[Rendered | Sketch]:
        """Like that of `GuardedEngine`."""
        wanted: list[_Expected[Any]] = [_expect(header, variant) for variant in variants]
        if can_sketch(header):
            wanted.append(_Expected(_read_sketch))
        yield from self._render(file, header, variants, wanted, with_sketch=True)

    def _render(
        self,
        file: BinaryIO,
        header: Header,
        variants: Sequence[Variant],
        wanted: Sequence[_Expected[Result]],
        *,
        with_sketch: bool,
    ) -> Generator[Result]:
        megabytes = 2 * estimate_together(header, variants)
        with _descriptor(file, None) as descriptor:
            task = _task(self._path, header, tuple(variants), header.bytes, megabytes)
            yield from _ask(task._replace(with_sketch=with_sketch), descriptor, wanted)


class _Expected(NamedTuple, Generic[Result]):
    """How to read an answer: from its words and its bytes."""

    read: Callable[[Mapping[str, Any], bytes], Result]
    #: Limit of the answer's bytes.
    most_bytes: int = 0


def _ask(task: Task, descriptor: int, wanted: Sequence[_Expected[Result]]) -> Generator[Result]:
    """Give a task to a child, and read its answers.

    Raises Busy, EngineAbsent, TooMuchWork, RenderKilled, EngineFailed, UndecodableOriginal for invalid answers, and the error that
    an engine raises in the child (`engines/protocol.py`).
    """
    child = children.borrow()
    is_busy = True
    try:
        child.begin(task, descriptor)
        for number, one in enumerate(wanted, 1):
            words, content = child.answer(task, get_settings().RENDER_SECONDS, one.most_bytes)
            _log(words)
            _raise_error(words)
            result = one.read(words, content)
            if number == len(wanted):
                # Before the last result, because a caller may not ask for more.
                is_busy = not _has_ended(child, task)
                if not is_busy:
                    children.give_back(child)
            yield result
    finally:
        # Its work is no longer needed, or a broken file has left it in an unknown state.
        if is_busy:
            children.replace(child)


def _has_ended(child: Child, task: Task) -> bool:
    """Whether the child has ended the task. If not, its next words would answer the next task."""
    try:
        words, _ = child.answer(task, END_SECONDS, 0)
    except ResizerError:
        return False
    return "end" in words


def _task(
    engine: str, header: Header | None, variants: tuple[Variant, ...], length: int, megabytes: int
) -> Task:
    settings = get_settings()
    # AVIF decoders start a thread for each core, and each thread reserves addresses for its stack.
    stacks = STACK_MEGABYTES * (os.cpu_count() or 1)
    return Task(
        token=secrets.token_hex(8),
        engine=engine,
        settings=_pickle_settings(settings),
        header=header,
        variants=variants,
        length=length,
        seconds=settings.RENDER_SECONDS * max(1, len(variants)),
        megabytes=megabytes + RESERVE_MEGABYTES + stacks,
    )


@functools.lru_cache(maxsize=1)
def _pickle_settings(settings: Settings) -> bytes:
    """Leaves out sources and signing keys: a child needs no secrets."""
    return pickle.dumps(
        replace(
            settings,
            SOURCES={},
            SIGNING_KEY=None,
            SIGNING_KEY_FALLBACKS=(),
            # They may hold what cannot be pickled.
            PRESETS={},
            DEFAULTS={},
        ),
    )


@contextmanager
def _descriptor(file: BinaryIO, most: int | None) -> Iterator[int]:
    """A descriptor of a local file. For a remote file, of a temporary copy of its first `most` bytes, or of all."""
    try:
        descriptor = file.fileno()
    except OSError:
        with open_scratch() as copy:
            file.seek(0)
            if most is None:
                shutil.copyfileobj(file, copy, HEAD_BYTES)
            else:
                copy.write(file.read(most))
            copy.flush()
            yield copy.fileno()
        return
    yield descriptor


def _log(words: Mapping[str, Any]) -> None:
    """Repeat a child's log lines, each as one line. A broken child may send anything."""
    lines = words.get("log")
    for line in lines[:MAX_LINES] if isinstance(lines, list) else ():
        match line:
            case [int(level), str(text)]:
                # A child can choose between these two levels only.
                known = logging.WARNING if level == logging.WARNING else logging.ERROR
                logger.log(known, "In a child process: %s", f"{text!r:.1000}")


def _raise_error(words: Mapping[str, Any]) -> None:
    text = f"{words.get('text')!r:.1000}"
    if "failure" in words:
        # A system check reports it too, unless only the child fails to load the engine.
        logger.error("The engine cannot be loaded: %s", text)
        raise EngineAbsent(f"the engine cannot be loaded: {text}")
    if "fault" in words:
        logger.error("The engine has failed: %s", text)
        raise EngineFailed(text)
    if "error" in words:
        raise _ERRORS.get(str(words["error"]), UndecodableOriginal)(text)


def _read_header(
    found: Format, length: int, words: Mapping[str, Any], _content: bytes
) -> Header | None:
    """None if the beginning of the file was not enough. Raises UndecodableOriginal for an invalid header."""
    if "incomplete" in words:
        return None
    try:
        name, *rest = words["header"]
        header = Header(BY_NAME[name], *rest)._replace(bytes=length)
    except (KeyError, TypeError, ValueError) as error:
        raise UndecodableOriginal("a child process sent no valid header") from error
    numbers = (header.width, header.height, header.frames)
    flags = (header.has_alpha, header.is_shrinkable, header.is_graphic, header.has_palette)
    is_right = header.format is found and _is_whole(header.orientation, 8)
    is_right &= all(_is_whole(number, MAX_NUMBER) for number in numbers)
    is_right &= all(type(flag) is bool for flag in flags)
    if not is_right:
        raise UndecodableOriginal("a child process sent no valid header")
    return header


def _is_whole(number: object, most: int) -> bool:
    return type(number) is int and 1 <= number <= most


def _expect(header: Header, variant: Variant) -> _Expected[Rendered]:
    width, height = plan_resizing(header, variant, shrinks=False).plan.size
    frames = header.frames if variant.recipe.animated else 1
    # Twice the bytes of four channels: no encoder reaches that.
    most = 8 * width * height * frames + 1_000_000
    return _Expected(functools.partial(_read_rendered, variant), most)


def _read_sketch(words: Mapping[str, Any], _content: bytes) -> Sketch:
    """Raises UndecodableOriginal for an answer without a sketch."""
    match words.get("sketch"):
        case [[int(x), int(y)], str(color), str(blur)]:
            sketch = Sketch((x, y), color, blur)
            if sketch.is_safe:
                return sketch
    raise UndecodableOriginal("a child process sent no valid sketch")


def _read_rendered(variant: Variant, words: Mapping[str, Any], content: bytes) -> Rendered:
    """Raises UndecodableOriginal for an answer without this variant."""
    try:
        rendered = Rendered(content, *words["rendered"])
        sizes = (rendered.width, rendered.height)
        is_right = all(_is_whole(size, MAX_NUMBER) for size in sizes)
        # NaN fails these comparisons.
        is_right &= 0 <= rendered.decode_seconds < MAX_NUMBER
        is_right &= 0 <= rendered.encode_seconds < MAX_NUMBER
    except (KeyError, TypeError) as error:
        raise UndecodableOriginal("a child process sent no valid variant") from error
    is_right &= sniff(content[:SNIFF_BYTES]) is variant.format
    if not is_right or not has_end(content, variant.format):
        raise UndecodableOriginal("a child process sent no valid variant")
    return rendered
