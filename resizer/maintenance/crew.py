"""Threads for a command: so many items at once, in constant memory, however many there are."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, TypeVar

from resizer.concurrency.waiting import release_connections

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from concurrent.futures import Future

Item = TypeVar("Item")
Result = TypeVar("Result")


def work(
    call: Callable[[Item], Result], items: Iterable[Item], jobs: int
) -> Generator[tuple[Item, Result]]:
    """Each item with its result, in order. With one job, in this thread.

    If the caller stops, no more items begin, and those in work are finished first.
    """
    if jobs == 1:
        for item in items:
            yield item, call(item)
        return
    # `concurrency.threads` keeps a quarter of a pool free for visitors, of which a command has none.
    pool = ThreadPoolExecutor(jobs * 2)
    running: deque[tuple[Item, Future[Result]]] = deque()

    def in_thread(item: Item) -> Result:
        try:
            return call(item)
        finally:
            release_connections()

    def results(least: int) -> Iterator[tuple[Item, Result]]:
        while len(running) > least:
            item, future = running[0]
            result = future.result()
            running.popleft()
            yield item, result

    try:
        for item in items:
            # The settings of a command are in its context.
            running.append((item, pool.submit(copy_context().run, in_thread, item)))
            yield from results(jobs - 1)
        yield from results(0)
    finally:
        pool.shutdown(cancel_futures=True)
