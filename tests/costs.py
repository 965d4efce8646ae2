"""What a page asks of the cache, the database and the storages."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.calls import recorded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType

CACHE_CALLS = ("read", "read_many", "write", "write_many", "claim", "drop")
STORAGE_CALLS = ("_open", "exists", "get_modified_time", "open", "size", "stat", "stat_many")


class Costs(NamedTuple):
    cache: list[str]
    storage: list[str]
    queries: list[str]


@contextmanager
def counted() -> Iterator[Costs]:
    """The calls of this thread: of the cache, of storages, and the queries."""
    costs = Costs([], [], [])
    with CaptureQueriesContext(connection) as queries, recorded() as entered:
        yield costs
    costs.cache.extend(
        one.co_name
        for one in entered
        if _is_in(one, "records/cache") and one.co_name in CACHE_CALLS
    )
    costs.storage.extend(
        one.co_name
        for one in entered
        if "storage" in one.co_filename and one.co_name in STORAGE_CALLS
    )
    costs.queries.extend(one["sql"] for one in queries.captured_queries)


def _is_in(code: CodeType, module: str) -> bool:
    return f"{os.sep}resizer{os.sep}{module.replace('/', os.sep)}" in code.co_filename
