"""Render variants of an original. It is fetched and decoded once for all waiting requests, and failures are cached."""

from __future__ import annotations

import logging
import os
import time
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, cast

from resizer import originals
from resizer.concurrency import afterwards, batches
from resizer.concurrency.admission import admit
from resizer.concurrency.waiting import Deadline, release_connections
from resizer.conf import get_settings
from resizer.engines import get_engine
from resizer.engines.containers.jpeg import find_cut
from resizer.engines.memory import decoded_megabytes, estimate_together
from resizer.engines.protocol import Sketch
from resizer.engines.sharing import VIEW_SIDE, in_decoding_order, plan_resizing
from resizer.errors import (
    Busy,
    OriginalChanged,
    RenderKilled,
    ResizerError,
    TooManyPixels,
    TooMuchWork,
    UndecodableOriginal,
)
from resizer.formats import PNG
from resizer.keys import geometry
from resizer.keys.variant import Recipe, write_recipe
from resizer.records import cache
from resizer.sources import get_source

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence
    from concurrent.futures import Future
    from typing import BinaryIO

    from resizer.concurrency.batches import Batch
    from resizer.engines import Header, Rendered
    from resizer.keys.variant import Variant
    from resizer.records.descriptions import Description

logger = logging.getLogger(__name__)


class Made(NamedTuple):
    rendered: Rendered
    read_seconds: float


class _Original(NamedTuple):
    """An open original, completely on this machine."""

    file: BinaryIO
    #: As the whole file has it.
    header: Header
    read_seconds: float
    #: Raises OriginalChanged.
    verify_unchanged: Callable[[], None]


def render(description: Description, variant: Variant, deadline: Deadline) -> Made:
    """Render a variant. Raises any ResizerError.

    If another try would fail in the same way, the error is cached. It is raised again for a while, without a render.
    """
    refuse(description, variant)
    try:
        made: Made = batches.share(
            (description.reference, variant.version, variant.recipe),
            variant,
            partial(_render, description, deadline),
            deadline,
        )
        return made
    except (UndecodableOriginal, TooMuchWork, RenderKilled) as error:
        for failure, error_class in _failures(variant).items():
            if isinstance(error, error_class):
                cache.write(failure, True, error_class.failure_seconds)
        raise


def refuse(description: Description, variant: Variant) -> None:
    """Refuse a variant whose render failed a moment ago, or would fail.

    Raises UndecodableOriginal, TooMuchWork, RenderKilled or TooManyPixels.
    """
    failures = _failures(variant)
    remembered = cache.read_many(failures)
    for failure, error_class in failures.items():
        if failure in remembered:
            error = error_class(f"{description.reference} failed a moment ago")
            error.is_remembered = True
            raise error
    if description.is_broken and variant.recipe.animated:
        raise UndecodableOriginal(
            f"{description.reference} is broken, and its frames are not known"
        )
    _refuse_too_large(description, variant)


def add_sketch(description: Description) -> None:
    """Find the colour, the blur and the focal point of an original, also if all its variants exist already.

    Otherwise they come with its next variant.
    """
    if not originals.lacks_sketch(description):
        return
    deadline = Deadline(get_settings().LOCK_SECONDS)
    small = description.variant(Recipe(), VIEW_SIDE, PNG)
    try:
        with (
            _read(description) as original,
            admit(lambda: estimate_together(original.header, [small]), deadline),
            _start(original, [small], with_sketch=True) as rendering,
        ):
            seen = [one for one in rendering if isinstance(one, Sketch)]
    except ResizerError as error:
        logger.info("%.1000r has no sketch: %.500r", description.reference, error)
        return
    for one in seen:
        originals.note_sketch(description, one)


def _failures(variant: Variant) -> dict[str, type[ResizerError]]:
    """The cache keys for failures of a variant, and their errors."""
    original = f"{variant.name}\n{variant.source}\n{variant.version}"
    # Another recipe may take much less time. All widths and formats of one recipe fail together.
    recipe = f"{original}\n{write_recipe(variant.recipe)}"
    return {
        cache.key_of("failure", original): UndecodableOriginal,
        cache.key_of("too-much", recipe): TooMuchWork,
        cache.key_of("killed", recipe): RenderKilled,
    }


def _refuse_too_large(description: Description, variant: Variant) -> None:
    """Refuse a variant before it joins a batch. Raises TooManyPixels, also for a size beyond its format."""
    size = geometry.plan(description.size, variant.recipe, variant.width).size
    if size[0] * size[1] > get_settings().MAX_VARIANT_PIXELS:
        raise TooManyPixels(f"a variant of {size} px")
    plan_resizing(description.header, variant, shrinks=False)


def _render(
    description: Description, deadline: Deadline, batch: Batch[Variant, Made]
) -> Generator[tuple[Variant, Made]]:
    """Four steps: read the original, admit the batch, render, and verify that the original is unchanged."""
    # The first steps may take seconds. A database may hang meanwhile, and other requests need the connection.
    release_connections()
    with ExitStack() as held:
        original = held.enter_context(_read(description))
        variants = held.enter_context(_admit(original, batch, deadline))
        lacks_sketch = originals.lacks_sketch(description)
        rendering = held.enter_context(_start(original, variants, with_sketch=lacks_sketch))
        for variant, rendered in zip(variants, islice(rendering, len(variants)), strict=True):
            original.verify_unchanged()
            yield variant, Made(cast("Rendered", rendered), original.read_seconds)
            # Each may take long. The other variants are requested again, and the thread is free meanwhile.
            if variant is not variants[-1] and not deadline.seconds_left:
                raise Busy("no time is left for the rest of the batch")
        if not lacks_sketch or not deadline.seconds_left:
            return
        # The visitor does not wait for the sketch, and a slow visitor does not hold its core.
        seen = afterwards.beside(partial(_look, description, rendering, held.pop_all()))
    # The database may hang.
    note = partial(_note, description, seen)
    if not afterwards.defer(note, 0):
        note()


def _start(
    original: _Original, variants: Sequence[Variant], *, with_sketch: bool
) -> closing[Generator[Rendered | Sketch]]:
    """Closed in the end, so that the engine does not go on without its core."""
    engine = get_engine()
    render = engine.render_with_sketch if with_sketch else engine.render
    return closing(render(original.file, original.header, variants))


def _look(
    description: Description, rendering: Iterator[Rendered | Sketch], held: ExitStack
) -> Sketch | None:
    """The sketch behind the variants. Its errors are logged alone, because the variants are fine."""
    with held:
        try:
            # If the file has changed meanwhile, the next check will find that, and a new sketch will be made.
            return cast("Sketch | None", next(rendering, None))
        except ResizerError as error:
            logger.info("%.1000r has no sketch: %.500r", description.reference, error)
    return None


def _note(description: Description, seen: Future[Sketch | None]) -> None:
    sketch = seen.result()
    if sketch is not None:
        originals.note_sketch(description, sketch)


@contextmanager
def _read(description: Description) -> Iterator[_Original]:
    """Open an original, and fetch it as a whole.

    Raises OriginalChanged if its fingerprint is not that of the description, also in place of any error inside the
    block.
    """
    started_at = time.perf_counter()
    with get_source(description.reference.source).open(description.reference.name) as file:
        verify_unchanged = partial(_verify_unchanged, description, file)
        verify_unchanged()
        try:
            _fetch(file)
            header = _measured(description, file)
            yield _Original(file, header, time.perf_counter() - started_at, verify_unchanged)
        except OriginalChanged:
            raise
        except ResizerError as error:
            _verify_unchanged(description, file, cause=error)
            raise


@contextmanager
def _admit(
    original: _Original, batch: Batch[Variant, Made], deadline: Deadline
) -> Iterator[list[Variant]]:
    """Hold a core and memory for a batch, and close it. Yields its variants."""
    with admit(lambda: estimate_together(original.header, batch.wanted), deadline):
        yield in_decoding_order(original.header, batch.close())


def _verify_unchanged(
    description: Description, file: BinaryIO, cause: ResizerError | None = None
) -> None:
    """Raises OriginalChanged if the original is not the described one any more.

    A file that cannot change while it is open has a fingerprint. For all others, the source is asked before and after
    rendering. Else a variant could be a mixture of two files, under the version of the first.
    """
    reference = description.reference
    fingerprint = getattr(file, "fingerprint", None)
    if fingerprint is None:
        fingerprint = get_source(reference.source).stat(reference.name).fingerprint
    if fingerprint != description.fingerprint:
        originals.forget(reference)
        raise OriginalChanged(f"{reference} has changed") from cause


def _fetch(file: BinaryIO) -> None:
    """Fetch a remote original as a whole, before it takes a core. A slow source must not hold one.

    Reading the last byte fetches all others: from the web, from S3, and from storages with temporary files. It does not
    for a file read by ranges.
    """
    file.seek(max(0, file.seek(0, os.SEEK_END) - 1))
    file.read(1)
    file.seek(0)


def _measured(description: Description, file: BinaryIO) -> Header:
    """The header, corrected by the whole file. Raises TooMuchWork.

    A JPEG without an end is decoded at full size, to find out whether all its pixels are there.
    """
    header = description.header
    cut = find_cut(file) if header.is_shrinkable else None
    file.seek(0)
    if cut is None:
        return header
    header = header._replace(is_shrinkable=False)
    megabytes = decoded_megabytes(header)
    if megabytes > get_settings().MAX_DECODED_MEGABYTES:
        raise TooMuchWork(f"{description.reference} has no end, and takes {megabytes:.0f} MB")
    return header
