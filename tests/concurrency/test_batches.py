from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from django.db import connection

from resizer.concurrency import batches
from resizer.concurrency.batches import MAX_TOGETHER, Batch, share
from resizer.concurrency.waiting import Deadline
from resizer.errors import Busy, UndecodableOriginal
from tests.conftest import wait_until

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator


class Work:
    """Makes numbers into texts, when its turn has come; some numbers cannot be made."""

    def __init__(self) -> None:
        self.has_begun = threading.Event()
        self.has_turn = threading.Event()
        self.made: list[list[int]] = []

    def __call__(self, batch: Batch[int, str]) -> Generator[tuple[int, str]]:
        self.has_begun.set()
        assert self.has_turn.wait(10)
        numbers = batch.close()
        self.made.append(numbers)
        for number in numbers:
            if number < 0:
                raise UndecodableOriginal("negative")
            yield number, str(number)

    def ask(self, number: int, original: str = "a", seconds: float = 10) -> str:
        try:
            return share(original, number, self, Deadline(seconds))
        finally:
            connection.close()


def wait_for(*numbers: int, original: str = "a") -> None:
    """Until they are in the batch, which nothing outside shows."""
    wait_until(lambda: set(batches._batches[original].wanted) == set(numbers))


@pytest.fixture
def work() -> Iterator[Work]:
    yield Work()
    assert batches._batches == {}


def test_what_is_wanted_while_one_waits_is_made_with_it(work: Work) -> None:
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(work.ask, 1)
        assert work.has_begun.wait(10)
        others = [pool.submit(work.ask, number) for number in (2, 3, 2)]
        wait_for(1, 2, 3)
        work.has_turn.set()
        assert first.result(10) == "1"
        assert [other.result(10) for other in others] == ["2", "3", "2"]
    assert [sorted(numbers) for numbers in work.made] == [[1, 2, 3]]


def test_who_comes_alone_is_kept_waiting_by_nobody(work: Work) -> None:
    work.has_turn.set()
    assert [work.ask(number) for number in (1, 2)] == ["1", "2"]
    assert work.made == [[1], [2]]


def test_who_comes_too_late_begins_another(work: Work) -> None:
    late = Work()
    late.has_turn.set()

    def interrupt(batch: Batch[int, str]) -> Generator[tuple[int, str]]:
        numbers = batch.close()
        assert late.ask(2) == "2"
        yield from ((number, str(number)) for number in numbers)

    assert share("a", 1, interrupt, Deadline(10)) == "1"
    assert late.made == [[2]]


def test_other_originals_are_apart(work: Work) -> None:
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(work.ask, 1)
        assert work.has_begun.wait(10)
        other = Work()
        other.has_turn.set()
        assert other.ask(2, original="b") == "2"
        work.has_turn.set()
        first.result(10)
    assert work.made == [[1]]


def test_no_more_go_together_than_one_would_wait_for(work: Work) -> None:
    with ThreadPoolExecutor(MAX_TOGETHER + 1) as pool:
        asking = [pool.submit(work.ask, 0)]
        assert work.has_begun.wait(10)
        asking += [pool.submit(work.ask, number) for number in range(1, MAX_TOGETHER)]
        wait_for(*range(MAX_TOGETHER))
        asking.append(pool.submit(work.ask, MAX_TOGETHER))
        wait_for(MAX_TOGETHER)
        work.has_turn.set()
        assert [one.result(10) for one in asking] == [
            str(number) for number in range(MAX_TOGETHER + 1)
        ]
    assert sorted(len(numbers) for numbers in work.made) == [1, MAX_TOGETHER]


def test_end_of_a_full_batch_leaves_the_next_one_open(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = Work()
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(work.ask, 1)
        assert work.has_begun.wait(10)
        with monkeypatch.context() as patch:
            patch.setattr(batches, "MAX_TOGETHER", 1)
            second = pool.submit(later.ask, 2)
            assert later.has_begun.wait(10)
        work.has_turn.set()
        assert first.result(10) == "1"
        third = pool.submit(later.ask, 3)
        try:
            wait_for(2, 3)
        finally:
            later.has_turn.set()
        assert [second.result(10), third.result(10)] == ["2", "3"]
    assert later.made == [[2, 3]]


def test_error_is_that_of_all_who_have_not_got_theirs(work: Work) -> None:
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(work.ask, 1)
        assert work.has_begun.wait(10)
        second = pool.submit(work.ask, -2)
        wait_for(1, -2)
        third = pool.submit(work.ask, 3)
        wait_for(1, -2, 3)
        work.has_turn.set()
        assert first.result(10) == "1"
        for one in (second, third):
            with pytest.raises(UndecodableOriginal):
                one.result(10)


def test_what_ends_a_thread_ends_the_wait_of_the_others() -> None:
    has_begun, may_end = threading.Event(), threading.Event()

    def end(batch: Batch[int, str]) -> Generator[tuple[int, str]]:
        has_begun.set()
        assert may_end.wait(10)
        raise SystemExit
        yield

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(share, "a", 1, end, Deadline(10))
        assert has_begun.wait(10)
        second = pool.submit(share, "a", 2, end, Deadline(10))
        wait_for(1, 2)
        may_end.set()
        with pytest.raises(SystemExit):
            first.result(10)
        with pytest.raises(Busy, match="was stopped"):
            second.result(10)
    assert batches._batches == {}


def test_waiting_ends_at_the_deadline(work: Work) -> None:
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(work.ask, 1)
        assert work.has_begun.wait(10)
        with pytest.raises(Busy):
            work.ask(2, seconds=0)
        work.has_turn.set()
        assert first.result(10) == "1"
