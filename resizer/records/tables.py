"""Queries of our tables in the project's database. Variants are made without it too.

A project may have no database, a failing one, or no tables yet. Then a query returns what its caller chose, and logs a
warning. Every query of a request goes through here.
"""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, SynchronousOnlyOperation
from django.db import DEFAULT_DB_ALIAS, connections, router
from django.db import Error as DatabaseProblem

from resizer.breaker import CircuitBreaker
from resizer.concurrency.at_once import raise_if_at_once
from resizer.databases import is_unmigrated, lock_timeout
from resizer.models import Original
from resizer.throttle import problems

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

#: After a failed connection or a long lock, the database is not asked for this time, seconds.
DOWN_SECONDS = 30
#: A failed query counts as slow after this time, seconds.
SLOW_SECONDS = 1
#: The most keys or rows in one query.
BATCH = 500

_breaker = CircuitBreaker(DOWN_SECONDS)


def is_configured() -> bool:
    """Whether the project has a database for the tables."""
    # Django uses this engine for DATABASES = {}.
    return bool(connections[alias()].settings_dict["ENGINE"] != "django.db.backends.dummy")


def alias() -> str:
    """The database for writing."""
    return router.db_for_write(Original)


def read(what: str, ask: Callable[[], Result], otherwise: Result) -> Result:
    """Ask the database for reading. `what` is the beginning of the log line for a failure."""
    return attempt(router.db_for_read(Original), what, ask, otherwise)


def write(what: str, act: Callable[[], object], *, about: object = "") -> bool:
    """Change rows. False if the database fails. In the log line, `about` stands for "…" in `what`."""

    def finish() -> bool:
        act()
        return True

    return attempt(alias(), what, finish, False, writes=True, about=about)


def attempt(
    alias: str,
    what: str,
    ask: Callable[[], Result],
    otherwise: Result,
    *,
    writes: bool = False,
    about: object = "",
) -> Result:
    """The result of a query, or `otherwise` if the database fails."""
    if not is_configured():
        return otherwise
    raise_if_at_once()
    if not _breaker.allows_call():
        return otherwise
    asked_at = time.monotonic()
    try:
        with lock_timeout(alias, writes=writes):
            result = ask()
    except SynchronousOnlyOperation as problem:
        # An async view may render a template itself. Django allows queries in sync code only.
        _tell(alias, what, about, problem)
        return otherwise
    except (DatabaseProblem, ImproperlyConfigured) as problem:
        _tell(alias, what, about, problem)
        is_slow = time.monotonic() - asked_at >= SLOW_SECONDS
        if is_slow or connections[alias].connection is None:
            _breaker.open()
        return otherwise
    _breaker.close()
    return result


def _tell(alias: str, what: str, about: object, problem: Exception) -> None:
    """Log why a query failed: a kind once a minute as a warning, whatever originals it is about."""
    if is_unmigrated(problem):
        # All queries fail, and for one reason.
        if problems.passes(is_unmigrated):
            option = "" if alias == DEFAULT_DB_ALIAS else f" --database {alias}"
            logger.warning(
                "Tables are missing or old. Run manage.py migrate%s. Until then, pictures work without them, but slower: %.500r",
                option,
                problem,
            )
        return
    level = problems.level((type(problem).__name__, what))
    logger.log(level, "%.1500s: %.500r", what.replace("…", str(about)), problem)


def moment(seconds: float) -> datetime:
    """A time of the project, from POSIX seconds. With USE_TZ False, it is local and has no zone."""
    return datetime.fromtimestamp(seconds, UTC if settings.USE_TZ else None)
