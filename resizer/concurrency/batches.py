"""Batches: variants of one original and recipe, requested while the first of them waits for a core.

They share the two longest steps, fetching and decoding. No batch waits for more variants.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from contextlib import closing
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from resizer.concurrency.waiting import release_connections
from resizer.errors import Busy

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Hashable

    from resizer.concurrency.waiting import Deadline

#: The largest batch. The thread of the first request waits for all of it, and should not wait long.
MAX_TOGETHER = 8

Wanted = TypeVar("Wanted", bound="Hashable")
Result = TypeVar("Result")


class Batch(Generic[Wanted, Result]):
    """Variants to be made together, each once."""

    def __init__(self, first: Wanted) -> None:
        self._guard = threading.Lock()
        self._futures: dict[Wanted, Future[Result]] = {first: Future()}
        self._is_open = True

    @property
    def wanted(self) -> list[Wanted]:
        """The variants so far."""
        with self._guard:
            return list(self._futures)

    def join(self, one: Wanted) -> bool:
        """Add a variant. False if the batch is closed or full."""
        with self._guard:
            if not self._is_open or len(self._futures) >= MAX_TOGETHER:
                return False
            self._futures.setdefault(one, Future())
            return True

    def close(self) -> list[Wanted]:
        """Accept no more variants. Returns all of them."""
        with self._guard:
            self._is_open = False
            return list(self._futures)

    def future(self, one: Wanted) -> Future[Result]:
        return self._futures[one]

    @property
    def is_done(self) -> bool:
        """Whether all variants have their result."""
        return all(future.done() for future in self._futures.values())

    def fail(self, error: Exception) -> None:
        """Raise an error in all threads still waiting."""
        self.close()
        for future in self._futures.values():
            if not future.done():
                future.set_exception(error)


_guard = threading.Lock()
_batches: dict[Hashable, Batch[Any, Any]] = {}


def share(
    key: Hashable,
    one: Wanted,
    work: Callable[[Batch[Wanted, Result]], Generator[tuple[Wanted, Result]]],
    deadline: Deadline,
) -> Result:
    """Make one variant, together with others under the same key.

    The first thread does `work`: it waits for its turn, closes the batch, and yields each variant with its result. If
    it fails, the threads still waiting get its error. Raises Busy at the deadline.
    """
    with _guard:
        batch = _batches.get(key)
        is_first = batch is None or not batch.join(one)
        if batch is None or is_first:
            batch = _batches[key] = Batch(one)
    if is_first:
        _lead(key, batch, work)
    else:
        release_connections()
    try:
        return batch.future(one).result(timeout=deadline.seconds_left)  # type: ignore[no-any-return]
    except TimeoutError as error:
        raise Busy("the batch is still being made") from error


def _lead(
    key: Hashable,
    batch: Batch[Wanted, Result],
    work: Callable[[Batch[Wanted, Result]], Generator[tuple[Wanted, Result]]],
) -> None:
    working = work(batch)
    try:
        while not batch.is_done:
            one, result = next(working)
            batch.future(one).set_result(result)
    except Exception as error:
        # The first thread may have its own result before another variant fails.
        batch.fail(error)
        return
    except BaseException:
        # The other threads must not end with this one.
        batch.fail(Busy("the thread that made this batch was stopped"))
        raise
    finally:
        with _guard:
            # A full batch has a successor under the same key.
            if _batches.get(key) is batch:
                del _batches[key]
    # What the work does after its last result holds a core, so it does not wait for the end of the response.
    with closing(working):
        next(working, None)
