"""Queries of ours in a project's database: one that fails spoils no transaction, and none waits long for a lock.

Each database has its own name for the longest wait: PostgreSQL `lock_timeout` (17 §19.11), MySQL and MariaDB
`innodb_lock_wait_timeout` for rows and `lock_wait_timeout` for tables, SQLite `busy_timeout`. Oracle has none for rows.
"""

from __future__ import annotations

import math
import threading
import time
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from django.core.cache.backends.db import BaseDatabaseCache
from django.db import Error as DatabaseProblem
from django.db import connections, router, transaction

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from django.core.cache import BaseCache
    from django.db.models import Model, QuerySet

#: How long a query waits for what another transaction has locked.
LOCKED_MILLISECONDS = 2000
#: How long one does that comes after another of its thread, which has waited in vain.
LOCKED_AGAIN_MILLISECONDS = 50
#: For so long it comes after it, seconds: a request that has waited for its cache does not wait for the index as well.
AGAIN_SECONDS = 10
#: What takes so long has waited, seconds.
WAITED_SECONDS = 1

_thread = threading.local()


@contextmanager
def lock_timeout(alias: str, *, writes: bool = False) -> Iterator[None]:
    """Bound how long queries of one database wait for locks. PostgreSQL needs a savepoint for reads as well."""
    connection: Any = connections[alias]
    wait_briefly = _WAITS.get(connection.vendor)
    with _noting_waits(), ExitStack() as stack:
        if wait_briefly:
            stack.enter_context(wait_briefly(connection, _limit()))
        if writes and connection.in_atomic_block and connection.vendor != "postgresql":
            stack.enter_context(transaction.atomic(using=alias))
        yield


@contextmanager
def lock_timeout_of_cache(cache: BaseCache) -> Iterator[None]:
    """The same for calls of a cache, which may be a table of a database."""
    with ExitStack() as stack:
        if isinstance(cache, BaseDatabaseCache):
            model = cache.cache_model_class
            for alias in sorted({router.db_for_read(model), router.db_for_write(model)}):
                stack.enter_context(lock_timeout(alias))
        yield


def write_row(row: Model, *, unique: str, alias: str, kept: Container[str] = ()) -> None:
    """Insert a row, or overwrite the one with the same value in the unique field, but for the `kept` fields.

    By one statement, as far as the database has one: a transaction that reads before it writes cannot wait for another
    writer of SQLite, and fails at once with "database is locked".
    """
    rows: QuerySet[Model] = type(row)._base_manager.using(alias)
    features = connections[alias].features
    names = [
        field.name
        for field in row._meta.concrete_fields
        if not field.primary_key and field.name != unique and field.name not in kept
    ]
    if not features.supports_update_conflicts:
        fields: dict[str, Any] = {name: getattr(row, name) for name in names}
        rows.update_or_create(**{unique: getattr(row, unique)}, defaults=fields)
        return
    rows.bulk_create(
        [row],
        update_conflicts=True,
        update_fields=names,
        # MySQL takes any unique key, and refuses to be told which.
        unique_fields=[unique] if features.supports_update_conflicts_with_target else None,
    )


def is_undone_by_deadlocks(alias: str) -> bool:
    """Whether a query of ours may cost a page what its transaction has done: InnoDB ends a deadlock by undoing all of one."""
    connection = connections[alias]
    return connection.vendor == "mysql" and connection.in_atomic_block


@contextmanager
def _noting_waits() -> Iterator[None]:
    asked_at = time.monotonic()
    try:
        yield
    finally:
        # A cache that is a table does not tell that it could not write.
        if time.monotonic() - asked_at >= WAITED_SECONDS:
            _thread.waited_at = time.monotonic()


def _limit() -> int:
    """Milliseconds."""
    is_over = time.monotonic() - getattr(_thread, "waited_at", -math.inf) > AGAIN_SECONDS
    return LOCKED_MILLISECONDS if is_over else LOCKED_AGAIN_MILLISECONDS


@contextmanager
def _on_postgresql(connection: Any, limit: int) -> Iterator[None]:
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('lock_timeout'), set_config('lock_timeout', %s, true)",
            [str(limit)],
        )
        former, _ = cursor.fetchone()
        yield
        # The transaction may be a page's. Where a query has failed, its savepoint takes this back.
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [former])


@contextmanager
def _on_mysql(connection: Any, limit: int) -> Iterator[None]:
    # MariaDB takes 0 for no wait at all. MySQL has no less than a second, and refuses 0 in strict mode.
    seconds = max(limit // 1000, 0 if connection.mysql_is_mariadb else 1)
    command = "SET SESSION innodb_lock_wait_timeout = %s, SESSION lock_wait_timeout = %s"
    connection.ensure_connection()
    # Not Django's cursor, which refuses to work once a transaction is broken: these outlive it.
    with connection.wrap_database_errors, closing(connection.connection.cursor()) as cursor:
        cursor.execute("SELECT @@SESSION.innodb_lock_wait_timeout, @@SESSION.lock_wait_timeout")
        former = cursor.fetchone()
        cursor.execute(command, [min(seconds, one) for one in former])
        try:
            yield
        finally:
            # A connection that is lost has nothing to restore.
            with suppress(DatabaseProblem), connection.wrap_database_errors:
                cursor.execute(command, former)


@contextmanager
def _on_sqlite(connection: Any, limit: int) -> Iterator[None]:
    connection.ensure_connection()
    # Not Django's cursor: these ask nothing of the file, and count as no queries of a page.
    file = connection.connection
    # A connection that was closed in a transaction is still there, and refuses.
    with connection.wrap_database_errors:
        ((former,),) = file.execute("PRAGMA busy_timeout")
        file.execute(f"PRAGMA busy_timeout = {min(former, limit)}")
    try:
        yield
    finally:
        # A connection that is closed has nothing to restore.
        with suppress(DatabaseProblem), connection.wrap_database_errors:
            file.execute(f"PRAGMA busy_timeout = {former}")


_WAITS = {"postgresql": _on_postgresql, "mysql": _on_mysql, "sqlite": _on_sqlite}
