"""Variants made of an original, which is fetched and decoded once for all that wait for it; what cannot be made is remembered."""

from __future__ import annotations

import os
import time
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from resizer import originals
from resizer.concurrency import batches, lockfiles
from resizer.concurrency.admission import admit
from resizer.concurrency.waiting import release_connections
from resizer.conf import get_settings
from resizer.engines import get_engine
from resizer.engines.containers.jpeg import find_cut
from resizer.engines.memory import decoded_megabytes, estimate_together
from resizer.engines.sharing import in_decoding_order, plan_resizing
from resizer.errors import (
    Busy,
    OriginalChanged,
    RenderKilled,
    ResizerError,
    TooManyPixels,
    TooMuchWork,
    UndecodableOriginal,
)
from resizer.keys import geometry
from resizer.keys.variant import write_recipe
from resizer.records import cache
from resizer.sources import get_source

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import BinaryIO

    from resizer.concurrency.batches import Batch
    from resizer.concurrency.waiting import Deadline
    from resizer.engines import Header, Rendered
    from resizer.keys.variant import Variant
    from resizer.records.descriptions import Description


class Made(NamedTuple):
    rendered: Rendered
    #: How long its original took to come.
    read_seconds: float


def render(description: Description, variant: Variant, deadline: Deadline) -> Made:
    """Raises any ResizerError; one that another try would not change is raised again for a while, without one."""
    failures = _failures(variant)
    remembered = cache.read_many(failures)
    for failure, error_class in failures.items():
        if failure in remembered or lockfiles.noted(failure, seconds=_seconds(error_class)):
            raise error_class(f"{description.reference} failed a moment ago")
    if description.is_broken and variant.recipe.animated:
        raise UndecodableOriginal(
            f"{description.reference} is broken, and its frames are not known"
        )
    _refuse_too_large(description, variant)
    try:
        made: Made = batches.share(
            (description.reference, variant.version, variant.recipe),
            variant,
            partial(_render, description, deadline),
            deadline,
        )
        return made
    except tuple(failures.values()) as error:
        for failure, error_class in failures.items():
            if isinstance(error, error_class):
                cache.write(failure, True, _seconds(error_class))
                lockfiles.note(failure, "failed")
        raise


def _failures(variant: Variant) -> dict[str, type[ResizerError]]:
    """Under which keys it is remembered what cannot be made, and what that raises."""
    original = f"{variant.name}\n{variant.source}\n{variant.version}"
    # What takes too long with one recipe may be done in no time with another; its widths and formats fail together.
    recipe = f"{original}\n{write_recipe(variant.recipe)}"
    return {
        cache.key_of("failure", original): UndecodableOriginal,
        cache.key_of("too-much", recipe): TooMuchWork,
        cache.key_of("killed", recipe): RenderKilled,
    }


def _seconds(error_class: type[ResizerError]) -> int:
    """For how long it is remembered."""
    return error_class.retry_seconds or originals.FAILURE_SECONDS


def _refuse_too_large(description: Description, variant: Variant) -> None:
    """Before others are in one batch with it. Raises TooManyPixels, also for what is beyond its format."""
    size = geometry.plan(description.size, variant.recipe, variant.width).size
    if size[0] * size[1] > get_settings().MAX_VARIANT_PIXELS:
        raise TooManyPixels(f"a variant of {size} px")
    plan_resizing(description.header, variant, shrinks=False)


def _render(
    description: Description, deadline: Deadline, batch: Batch[Variant, Made]
) -> Generator[tuple[Variant, Made]]:
    name, header = description.reference.name, description.header
    source = get_source(description.reference.source)
    # Fetching and rendering may take seconds, in which a database may come to hang, and others need the connection.
    release_connections()
    started_at = time.perf_counter()
    with source.open(name) as file:
        # One that cannot change while it is read tells which it is; the others are asked for before and after, or
        # the variant may be a mixture, under the version of the former file.
        opened = getattr(file, "fingerprint", None)
        _raise_if_changed(description, opened or source.stat(name).fingerprint)
        try:
            _fetch(file)
            header = _measured(description, file)
            read_seconds = time.perf_counter() - started_at
            with admit(lambda: estimate_together(header, batch.wanted), deadline):
                variants = in_decoding_order(header, batch.close())
                # Closed, because what nobody wants any longer should not go on outside of its place.
                with closing(get_engine().render(file, header, variants)) as rendering:
                    for variant, rendered in zip(variants, rendering, strict=True):
                        if opened is None:
                            _raise_if_changed(description, source.stat(name).fingerprint)
                        yield variant, Made(rendered, read_seconds)
                        # Each may take long. The others are asked for again, and the thread is free meanwhile.
                        if variant is not variants[-1] and not deadline.seconds_left:
                            raise Busy("no time is left for all that is wanted together")
        except OriginalChanged:
            raise
        except ResizerError as error:
            if opened is None:
                _raise_if_changed(description, source.stat(name).fingerprint, error)
            raise


def _fetch(file: BinaryIO) -> None:
    """Have a remote original here as a whole, before it takes a core that a slow source would hold.

    Who reads its last byte has fetched all before that: from the web, from S3, and from storages that hand out temporary
    files; not from one that reads ranges.
    """
    file.seek(max(0, file.seek(0, os.SEEK_END) - 1))
    file.read(1)
    file.seek(0)


def _measured(description: Description, file: BinaryIO) -> Header:
    """What the whole file says of the memory that it takes. Raises TooMuchWork.

    A JPEG without an end is decoded whole, to tell whether all its pixels are there.
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


def _raise_if_changed(
    description: Description, fingerprint: str, cause: ResizerError | None = None
) -> None:
    if fingerprint != description.fingerprint:
        originals.forget(description.reference)
        raise OriginalChanged(f"{description.reference} has changed") from cause
