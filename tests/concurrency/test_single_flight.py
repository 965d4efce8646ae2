from __future__ import annotations

import threading
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

import pytest
from django.db import connection

from resizer.concurrency import single_flight
from resizer.concurrency.single_flight import share
from resizer.concurrency.waiting import Deadline
from resizer.errors import Busy, UndecodableOriginal
from tests.conftest import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_django import Settings


def ask(key: str, work: Callable[[], str], *, seconds: float = 10) -> str:
    return share(
        key,
        work,
        look=lambda **_: None,
        deadline=Deadline(seconds),
        finish=lambda result: result,
        defer=lambda _finish, _result: False,
    )


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


@pytest.fixture(autouse=True)
def bound(settings: Settings) -> None:
    """The pools of these tests are small: of their own size they would keep most threads free."""
    settings.RESIZER = {"MAX_WAITING_PER_PROCESS": 20}


def lead_and_wait(pool: ThreadPoolExecutor, work: Work) -> tuple[Future[str], Future[str]]:
    """One that does the work, which ends as soon as the other waits for it."""
    leader = pool.submit(ask, "key", work)
    work.has_begun.wait(10)
    waiter = pool.submit(ask, "key", work)
    # Nothing outside shows that it waits.
    wait_until(lambda: single_flight._flights["key"].waiters)
    work.may_end.set()
    return leader, waiter


def test_many_who_ask_at_once_share_one_result() -> None:
    work = Work()
    with ThreadPoolExecutor(20) as pool:
        answers = [pool.submit(ask, "key", work) for _ in range(20)]
        work.has_begun.wait(10)
        work.may_end.set()
        assert {answer.result() for answer in answers} == {"made"}
    # A thread that came after the end did the work again, as it should.
    assert work.runs < 20


def test_waiters_share_the_error_too() -> None:
    work = Work(UndecodableOriginal("broken"))
    with ThreadPoolExecutor(2) as pool:
        leader, waiter = lead_and_wait(pool, work)
        for answer in (leader, waiter):
            with pytest.raises(UndecodableOriginal):
                answer.result()
    assert work.runs == 1


def test_what_ends_a_thread_is_not_meant_for_the_others() -> None:
    work = Work(SystemExit())
    with ThreadPoolExecutor(2) as pool:
        leader, waiter = lead_and_wait(pool, work)
        with pytest.raises(SystemExit):
            leader.result()
        with pytest.raises(Busy, match="was stopped"):
            waiter.result()


def test_a_waiter_gives_up_and_does_not_begin_the_work_again() -> None:
    work = Work()
    with ThreadPoolExecutor(1) as pool:
        leader = pool.submit(ask, "key", work)
        work.has_begun.wait(10)
        with pytest.raises(Busy):
            ask("key", work, seconds=0)
        work.may_end.set()
        assert leader.result() == "made"
    assert work.runs == 1


def test_no_more_than_a_few_threads_wait_long_for_one_thing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(single_flight, "PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(single_flight, "MAX_PATIENT", 1)
    work = Work()
    with ThreadPoolExecutor(3) as pool:
        leader = pool.submit(ask, "key", work)
        work.has_begun.wait(10)
        waiters = [pool.submit(ask, "key", work) for _ in range(2)]
        done, patient = wait(waiters, 10, FIRST_COMPLETED)
        for waiter in done:
            with pytest.raises(Busy, match="too many wait"):
                waiter.result()
        (waiter,) = patient
        work.may_end.set()
        assert (leader.result(), waiter.result()) == ("made", "made")


def test_thread_beyond_the_bound_begins_nothing(settings: Settings) -> None:
    settings.RESIZER = {"MAX_WAITING_PER_PROCESS": 1}
    work, other = Work(), Work()
    with ThreadPoolExecutor(1) as pool:
        leader = pool.submit(ask, "key", work)
        work.has_begun.wait(10)
        with pytest.raises(Busy, match="no more threads of this process make 'other'"):
            ask("other", other)
        work.may_end.set()
        assert leader.result() == "made"
    assert other.runs == 0
    other.may_end.set()
    assert ask("other", other) == "made"


def test_threads_beyond_the_bound_wait_briefly_for_what_is_new(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.RESIZER = {"MAX_WAITING_PER_PROCESS": 1}
    monkeypatch.setattr(single_flight, "GRACE_SECONDS", 60)
    waits = threading.Event()
    monkeypatch.setattr(single_flight, "release_connections", waits.set)
    work = Work()
    with ThreadPoolExecutor(2) as pool:
        leader = pool.submit(ask, "key", work)
        work.has_begun.wait(10)
        waiter = pool.submit(ask, "key", work)
        assert waits.wait(10)
        work.may_end.set()
        assert (leader.result(), waiter.result()) == ("made", "made")
    assert work.runs == 1


def test_threads_beyond_the_bound_do_not_wait_for_what_takes_long(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.RESIZER = {"MAX_WAITING_PER_PROCESS": 1}
    monkeypatch.setattr(single_flight, "GRACE_SECONDS", 0)
    work = Work()
    with ThreadPoolExecutor(1) as pool:
        leader = pool.submit(ask, "key", work)
        work.has_begun.wait(10)
        with pytest.raises(Busy, match="no more threads of this process wait for 'key'"):
            ask("key", work)
        work.may_end.set()
        assert leader.result() == "made"


@pytest.mark.django_db(transaction=True)
def test_waiter_holds_no_connection_to_the_database() -> None:
    work = Work()

    def wait() -> bool:
        connection.ensure_connection()
        with pytest.raises(Busy):
            ask("key", work, seconds=0)
        return connection.connection is None

    with ThreadPoolExecutor(2) as pool:
        leader = pool.submit(ask, "key", work)
        work.has_begun.wait(10)
        assert pool.submit(wait).result()
        work.may_end.set()
        leader.result()


def test_other_keys_do_not_wait() -> None:
    work = Work()
    with ThreadPoolExecutor(1) as pool:
        leader = pool.submit(ask, "key", work)
        work.has_begun.wait(10)
        assert ask("another", lambda: "at once", seconds=0) == "at once"
        work.may_end.set()
        leader.result()


def test_work_is_done_again_after_it_ended() -> None:
    work = Work()
    work.may_end.set()
    assert [ask("key", work) for _ in range(2)] == ["made", "made"]
    assert work.runs == 2
