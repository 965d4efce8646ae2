"""The table of all waits says what the code does, in both places where it stands."""

from __future__ import annotations

import dataclasses
import inspect
import re

import pytest

from resizer import asgi, concurrency, databases, errors, store
from resizer.concurrency import afterwards, batches, leases, single_flight
from resizer.conf import Settings
from resizer.engines.isolation import children
from resizer.originals import pages
from resizer.records import cache, tables
from resizer.sources import HttpSource, bulkhead
from resizer.store import backends
from tests.documents import read


def rows_of(text: str) -> list[list[str]]:
    """The cells of a table, a list for each row; its heads come first."""
    lines = [line.strip("| ") for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in re.split(r" \| ", line)] for line in lines]


def documented() -> list[list[str]]:
    return rows_of(read("production/capacity").split("\n## Waiting\n")[1].split("\n## ")[0])


ROWS = documented()[1:]
DEADLINE = inspect.signature(HttpSource).parameters["deadline_seconds"].default


def test_table_is_the_same_in_code_and_docs() -> None:
    assert rows_of(str(concurrency.__doc__)) == documented()


def test_every_row_is_whole() -> None:
    assert {len(row) for row in documented()} == {6}
    counted = {word for row in ROWS for word in re.split("[;,] ", row[2])}
    assert counted == {
        "child process",
        "hosts",
        "machine",
        "process",
        "request",
        "thread",
    }


def test_table_names_settings_that_there_are_and_all_that_bound_a_wait() -> None:
    names = {name for row in ROWS for name in re.findall("`([A-Z_]+)`", " ".join(row))}
    fields = {field.name for field in dataclasses.fields(Settings)}
    assert names <= fields
    bounding = {name for name in fields if re.match("LOCK_|MAX_(RENDER|WAITING|FETCHES)", name)}
    assert bounding | {"RENDER_SECONDS"} <= names


def test_table_names_statuses_of_errors_that_waiting_raises() -> None:
    statuses = {status for row in ROWS for status in re.findall(r"\b[45]\d\d\b", row[4])}
    raised = (errors.Busy, errors.SourceTimedOut, errors.TooMuchWork)
    assert statuses == {str(one.status) for one in raised}


@pytest.mark.parametrize(
    ("waiting", "what", "cell"),
    [
        ("a request", "threads that may make", f"until {single_flight.GRACE_SECONDS:g} s after"),
        (
            "… with such",
            "the same variant",
            f"beyond {single_flight.PATIENCE_SECONDS:g} s at most {single_flight.MAX_PATIENT} ",
        ),
        (
            "a fetch for a variant",
            "one of the fetches",
            f"{bulkhead.PATIENCE_SECONDS:g} s, for {bulkhead.MAX_PATIENT} fetches of a process",
        ),
        ("all fetches", "web servers", f"| {DEADLINE:g} s |"),
        ("a fetch for a command", "one of", f"| {bulkhead.COMMAND_SECONDS} s |"),
        ("a page", "too slow", f"for {pages.SLOW_SECONDS} s"),
        ("a header", "an idle child", f"{children.BORROW_SECONDS} s for each"),
        ("a header", "an idle child", f"{children.START_SECONDS} s for each"),
        ("… one process", "another host", f"has died at most {leases.LEASE_SECONDS} s"),
        ("…", "its child", f"or {children.PATIENCE} times that"),
        ("…", "up to", f"up to {batches.MAX_TOGETHER} variants"),
        (
            "…",
            "reads",
            f"one of {backends.MAX_SLOW} reads, once a read has taken {backends.SLOW_SECONDS} s",
        ),
        (
            "a new variant in memory",
            "the end of its response",
            (
                f"{afterwards.LATEST_SECONDS:g} s; not at all beyond {afterwards.MOST_MEGABYTES} MB of them,"
                f" or after a failure of the variants storage in the last {store.DOUBT_SECONDS} s"
            ),
        ),
        ("under ASGI", "threads", f"one of {asgi.THREADS} threads, and"),
        ("under ASGI", "threads", f"| {asgi.LONGEST_SECONDS:g} s |"),
        ("a call", "a cache", f"after {cache.SLOW_SECONDS:g} s or more"),
        ("a call", "a cache", f"for {cache.DOWN_SECONDS} s"),
        (
            "a query",
            "locked",
            (
                f"{databases.LOCKED_MILLISECONDS / 1000:g} s; in the next {databases.AGAIN_SECONDS} s"
                f" {databases.LOCKED_AGAIN_MILLISECONDS / 1000:g} s"
            ),
        ),
        ("…", "a database", f"after {tables.SLOW_SECONDS} s or more"),
        ("…", "a database", f"for {tables.DOWN_SECONDS} s"),
    ],
)
def test_table_has_the_numbers_of_the_code(waiting: str, what: str, cell: str) -> None:
    (row,) = (
        one
        for one in ROWS
        if one[0].startswith(waiting) and what in one[1] and cell in " | ".join(one)
    )
    assert len(row) == 6
