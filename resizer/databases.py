"""Queries of ours in a project's database: one that fails spoils no transaction, and none waits long for a lock.

Both need care on PostgreSQL alone: an error there ends all of a transaction but for its savepoints, and a lock is waited
for as long as it is held (PostgreSQL 17 §13.3, "lock_timeout").
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from django.core.cache.backends.db import BaseDatabaseCache
from django.db import connections, router, transaction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.core.cache import BaseCache

#: How long a query waits for what another transaction has locked.
LOCKED_MILLISECONDS = 2000


@contextmanager
def careful(alias: str) -> Iterator[None]:
    """For queries of one database."""
    connection = connections[alias]
    if connection.vendor != "postgresql":
        yield
        return
    with transaction.atomic(using=alias), connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('lock_timeout'), set_config('lock_timeout', %s, true)",
            [str(LOCKED_MILLISECONDS)],
        )
        former, _ = cursor.fetchone()
        yield
        # The transaction may be a page's. Where a query has failed, its savepoint takes this back.
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [former])


@contextmanager
def careful_cache(cache: BaseCache) -> Iterator[None]:
    """For calls of a cache, which may be a table of a database."""
    with ExitStack() as stack:
        if isinstance(cache, BaseDatabaseCache):
            model = cache.cache_model_class
            for alias in sorted({router.db_for_read(model), router.db_for_write(model)}):
                stack.enter_context(careful(alias))
        yield
