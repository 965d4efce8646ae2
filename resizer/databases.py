"""Our queries in a project's database: a failed query breaks no transaction, and no query waits long for a lock.

Each database has its own lock timeout: PostgreSQL `lock_timeout` (17 §19.11), MySQL and MariaDB
`innodb_lock_wait_timeout` for rows and `lock_wait_timeout` for tables, SQLite `busy_timeout`. Oracle has none for rows.
"""

from __future__ import annotations

import math
import re
import threading
import time
from contextlib import ExitStack, closing, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any

from django.core.cache.backends.db import BaseDatabaseCache
from django.db import Error as DatabaseProblem
from django.db import connections, router, transaction

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence
    from contextlib import AbstractContextManager

    from django.core.cache import BaseCache
    from django.db.models import Model, QuerySet

#: Lock timeout of a query.
LOCKED_MILLISECONDS = 2000
#: Lock timeout for AGAIN_SECONDS after a long wait in the same thread. So a request does not wait for the cache, and then for
#: the index too.
LOCKED_AGAIN_MILLISECONDS = 50
AGAIN_SECONDS = 10
#: A call of this length counts as a long wait.
WAITED_SECONDS = 1

#: No such table, no such column: PostgreSQL (17 appendix A), MySQL and MariaDB.
_UNMIGRATED = {"42P01", "42703", 1146, 1054}
#: The same in SQLite and Oracle, which tell it by words.
_UNMIGRATED_WORDS = re.compile(
    r"no such (?:table|column): |table \S+ has no column named |ORA-00942|ORA-00904"
)

_thread = threading.local()


@contextmanager
def lock_timeout(alias: str, *, writes: bool = False) -> Iterator[None]:
    """Limit how long queries of one database wait for locks.

    Protects the page's transaction by a savepoint: with `writes`, and on PostgreSQL always.
    """
    connection: Any = connections[alias]
    wait_briefly = _WAITS.get(connection.vendor)
    with _noting_waits(), ExitStack() as stack:
        if wait_briefly:
            stack.enter_context(wait_briefly(connection, _limit()))
        if writes and connection.in_atomic_block and connection.vendor != "postgresql":
            stack.enter_context(transaction.atomic(using=alias))
        yield


def lock_timeout_of_cache(cache: BaseCache) -> AbstractContextManager[None]:
    """Limit how long calls of a cache wait for locks, if the cache is a database table."""
    return _lock_timeout_of_table(cache) if isinstance(cache, BaseDatabaseCache) else nullcontext()


@contextmanager
def _lock_timeout_of_table(cache: BaseDatabaseCache) -> Iterator[None]:
    model = cache.cache_model_class
    with ExitStack() as stack:
        for alias in sorted({router.db_for_read(model), router.db_for_write(model)}):
            stack.enter_context(lock_timeout(alias))
        yield


def write_row(row: Model, *, unique: str, alias: str, kept: Container[str] = ()) -> None:
    """Insert a row, or update the row with the same value in the `unique` field. An update leaves the `kept` fields.

    In one statement if the database has one. A transaction reading before it writes cannot wait for another writer of
    SQLite: it fails at once with "database is locked".
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
        # MySQL uses any unique key, and refuses a named one.
        unique_fields=[unique] if features.supports_update_conflicts_with_target else None,
    )


def insert_missing(rows: Sequence[Model], *, alias: str, batch_size: int | None = None) -> None:
    """Insert rows of one model, except those that exist by the model's `UNIQUE` fields."""
    if not rows:
        return
    model: Any = type(rows[0])
    objects = model._base_manager.using(alias)
    if connections[alias].features.supports_ignore_conflicts:
        objects.bulk_create(rows, batch_size=batch_size, ignore_conflicts=True)
        return
    for row in rows:
        if not objects.filter(**{name: getattr(row, name) for name in model.UNIQUE}).exists():
            row.save(using=alias, force_insert=True)


def is_undone_by_deadlocks(alias: str) -> bool:
    """Whether our query could undo a page's transaction: InnoDB ends a deadlock by rolling back a whole transaction."""
    connection = connections[alias]
    return connection.vendor == "mysql" and connection.in_atomic_block


def is_unmigrated(problem: Exception) -> bool:
    """Whether a query failed for want of a table or a column, as before `manage.py migrate`."""
    # psycopg 3 and 2; PyMySQL and mysqlclient.
    codes = [getattr(problem.__cause__, name, None) for name in ("sqlstate", "pgcode")]
    is_told = not _UNMIGRATED.isdisjoint([*codes, *problem.args[:1]])
    return is_told or _UNMIGRATED_WORDS.match(str(problem)) is not None


@contextmanager
def _noting_waits() -> Iterator[None]:
    asked_at = time.monotonic()
    try:
        yield
    finally:
        # Django's database cache hides that it could not write. So measure the time.
        if time.monotonic() - asked_at >= WAITED_SECONDS:
            _thread.waited_at = time.monotonic()


def _limit() -> int:
    """The lock timeout for the next query, milliseconds."""
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
        # The transaction may be a page's. After a failed query, the rollback to the savepoint resets the timeout.
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [former])


@contextmanager
def _on_mysql(connection: Any, limit: int) -> Iterator[None]:
    # On MariaDB, 0 means no wait. MySQL's least is 1 s, and it refuses 0 in strict mode.
    seconds = max(limit // 1000, 0 if connection.mysql_is_mariadb else 1)
    command = "SET SESSION innodb_lock_wait_timeout = %s, SESSION lock_wait_timeout = %s"
    connection.ensure_connection()
    # Django's cursor refuses to work in a broken transaction, but the session's timeouts must be restored even then.
    with connection.wrap_database_errors, closing(connection.connection.cursor()) as cursor:
        cursor.execute("SELECT @@SESSION.innodb_lock_wait_timeout, @@SESSION.lock_wait_timeout")
        former = cursor.fetchone()
        cursor.execute(command, [min(seconds, one) for one in former])
        try:
            yield
        finally:
            # Nothing to restore on a lost connection.
            with suppress(DatabaseProblem), connection.wrap_database_errors:
                cursor.execute(command, former)


@contextmanager
def _on_sqlite(connection: Any, limit: int) -> Iterator[None]:
    connection.ensure_connection()
    # Not Django's cursor: these statements do not read the file, and must not count as a page's queries.
    file = connection.connection
    # A connection closed within a transaction still exists, and raises errors.
    with connection.wrap_database_errors:
        ((former,),) = file.execute("PRAGMA busy_timeout")
        file.execute(f"PRAGMA busy_timeout = {min(former, limit)}")
    try:
        yield
    finally:
        # Nothing to restore on a closed connection.
        with suppress(DatabaseProblem), connection.wrap_database_errors:
            file.execute(f"PRAGMA busy_timeout = {former}")


_WAITS = {"postgresql": _on_postgresql, "mysql": _on_mysql, "sqlite": _on_sqlite}
