from __future__ import annotations

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from resizer.concurrency import threads
from resizer.concurrency.slowness import Slowness
from resizer.errors import Busy
from tests.conftest import wait_until

if TYPE_CHECKING:
    from freezegun.api import FrozenDateTimeFactory
    from pytest_django import Settings


@pytest.mark.parametrize(("size", "most"), [(12, 9), (4, 3), (2, 1)])
def test_not_all_threads_of_a_pool_ask_what_hangs_from_one_moment_on(size: int, most: int) -> None:
    storage, may_end = Slowness("it", 0.1, 2), threading.Event()

    def ask() -> bool:
        with suppress(Busy), storage.asking():
            return may_end.wait(30)
        return False

    with ThreadPoolExecutor(size) as pool:
        asked = [pool.submit(ask) for _ in range(40)]
        try:
            wait_until(lambda: sum(one.done() for one in asked) == 40 - most)
            # Threads that are free.
            assert pool.submit(int, 1).result(30) == 1
        finally:
            may_end.set()
        assert sum(one.result() for one in asked) == most


def test_limit_of_a_process_holds_for_reads_too(settings: Settings) -> None:
    def most() -> int:
        with ThreadPoolExecutor(12) as pool:
            return pool.submit(threads.most_reading).result()

    assert (most(), threads.most_reading()) == (9, threads.USUAL_WAITING)
    settings.RESIZER = {"MAX_WAITING_PER_PROCESS": 5}
    assert (most(), threads.most_reading()) == (5, 5)
    alone = threading.Thread(target=lambda: seen.append(threads.most_reading()))
    alone.name = "Thread-1 (process_request_thread)"
    seen: list[int] = []
    alone.start()
    alone.join()
    assert seen == [sys.maxsize]


def test_threads_of_a_pool_take_turns_while_it_is_quick() -> None:
    storage = Slowness("it", 30, 2)

    def ask() -> None:
        with storage.asking():
            time.sleep(0.001)

    with ThreadPoolExecutor(12) as pool:
        for one in [pool.submit(ask) for _ in range(100)]:
            one.result()


def test_few_ask_what_is_slow_until_it_is_quick_again(clock: FrozenDateTimeFactory) -> None:
    storage = Slowness("it", 1, 2)
    with storage.asking(), storage.asking(), storage.asking():
        pass
    with storage.asking():
        clock.tick(timedelta(seconds=2))
        with storage.asking(), pytest.raises(Busy, match="it is slow"), storage.asking():
            pass
    # The last of them was slow.
    with storage.asking(), storage.asking(), pytest.raises(Busy), storage.asking():
        pass
    # And these were quick.
    with storage.asking(), storage.asking(), storage.asking():
        pass
