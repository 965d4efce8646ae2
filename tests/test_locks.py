from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from resizer import locks
from resizer.errors import Busy, UndecodableOriginal
from resizer.locks import share


class Work:
    """Counts its runs, and ends when it is let go."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.runs = 0
        self.has_begun = threading.Event()
        self.may_end = threading.Event()
        self.error = error

    def __call__(self) -> str:
        self.runs += 1
        self.has_begun.set()
        assert self.may_end.wait(10)
        if self.error is not None:
            raise self.error
        return "made"


def test_many_who_ask_at_once_share_one_result() -> None:
    work = Work()
    with ThreadPoolExecutor(20) as pool:
        answers = [pool.submit(share, "key", work, seconds=10) for _ in range(20)]
        work.has_begun.wait(10)
        work.may_end.set()
        assert {answer.result() for answer in answers} == {"made"}
    # A thread that came after the end did the work again, as it should.
    assert work.runs < 20


def test_waiters_share_the_error_too() -> None:
    work = Work(UndecodableOriginal("broken"))
    with ThreadPoolExecutor(2) as pool:
        leader = pool.submit(share, "key", work, seconds=10)
        work.has_begun.wait(10)
        waiter = pool.submit(share, "key", work, seconds=10)
        # The waiter waits as soon as it has found the leader's flight, which nothing outside shows.
        while not locks._flights["key"]._condition._waiters:  # type: ignore[attr-defined]  # private
            pass
        work.may_end.set()
        for answer in (leader, waiter):
            with pytest.raises(UndecodableOriginal):
                answer.result()
    assert work.runs == 1


def test_a_waiter_gives_up_and_does_not_begin_the_work_again() -> None:
    work = Work()
    with ThreadPoolExecutor(1) as pool:
        leader = pool.submit(share, "key", work, seconds=10)
        work.has_begun.wait(10)
        with pytest.raises(Busy):
            share("key", work, seconds=0)
        work.may_end.set()
        assert leader.result() == "made"
    assert work.runs == 1


def test_other_keys_do_not_wait() -> None:
    work = Work()
    with ThreadPoolExecutor(1) as pool:
        leader = pool.submit(share, "key", work, seconds=10)
        work.has_begun.wait(10)
        assert share("another", lambda: "at once", seconds=0) == "at once"
        work.may_end.set()
        leader.result()


def test_work_is_done_again_after_it_ended() -> None:
    work = Work()
    work.may_end.set()
    assert [share("key", work, seconds=1) for _ in range(2)] == ["made", "made"]
    assert work.runs == 2
