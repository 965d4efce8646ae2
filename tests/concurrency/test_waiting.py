from __future__ import annotations

import pytest
from django.db import connection

from resizer.concurrency.waiting import Deadline, Pauses, release_connections
from resizer.errors import Busy


def test_pauses_grow_to_the_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("resizer.concurrency.waiting.time.sleep", slept.append)
    pauses = Pauses("it", Deadline(100), longest=0.4)
    for _ in range(20):
        pauses.pause()
    assert 0.005 <= slept[0] <= 0.01
    assert 0.2 <= slept[-1] <= 0.4


def test_no_pause_is_longer_than_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("resizer.concurrency.waiting.time.sleep", slept.append)
    Pauses("it", Deadline(0.001), longest=0.4).pause()
    assert slept[0] <= 0.001


def test_deadline_ends_in_busy() -> None:
    with pytest.raises(Busy, match="waited too long for it"):
        Pauses("it", Deadline(0), longest=0.4).pause()


@pytest.mark.django_db(transaction=True)
def test_who_waits_holds_no_connection() -> None:
    connection.ensure_connection()
    release_connections()
    assert connection.connection is None


@pytest.mark.django_db
def test_connection_of_a_transaction_stays() -> None:
    connection.ensure_connection()
    release_connections()
    assert connection.connection is not None
