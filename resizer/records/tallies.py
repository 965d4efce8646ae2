"""Counts of hits, misses and failures, when variants were last used, and which originals were found missing.

A request only counts, in the memory of its process. A thread writes the counts at most once a minute, and the process
writes the rest at its end. So a hit costs no query, and a killed process loses at most a minute.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from functools import partial, reduce
from operator import or_
from typing import TYPE_CHECKING

from django.db import connections, models
from django.db.models import Case, F, Q, Value, When

from resizer.batched import batched
from resizer.databases import insert_missing
from resizer.keys.digests import digest_of
from resizer.models import CachedVariant, Tally
from resizer.records import index, tables

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from resizer.records.descriptions import Reference

#: A variant came from the storage, or was unchanged.
HIT = "hit"
#: A variant was made for a request.
MISS = "miss"
#: A request got 503, because too many waited, or the variants storage failed.
BUSY = "busy"
#: An original or its source failed: 413, 415, 422, 502 or 504.
FAILURE = "failure"
NAMES = (HIT, MISS, BUSY, FAILURE)

#: How long counts stay in memory, seconds.
FLUSH_SECONDS = 60
#: How long tallies stay in the database, days.
KEPT_DAYS = 400
#: The most variants that a process remembers as noted today.
MAX_USED = 50_000
#: The most missing originals that a process remembers. Strangers may try any number of names.
MAX_MISSING = 5000

HOUR = 3600  # seconds
DAY = 24 * HOUR


class _Tallies:
    """What this process has not written yet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        #: By the beginning of the hour, POSIX seconds, and by name.
        self._counts: Counter[tuple[int, str]] = Counter()
        #: Keys of variants that were used, and not noted today.
        self._used: list[str] = []
        #: Originals found missing, where no query is possible.
        self._missing: set[Reference] = set()
        #: Hashes of keys: a few bytes each.
        self._noted: set[int] = set()
        self._day = 0
        self._timer: threading.Timer | None = None
        #: Tallies that have a row.
        self._known: set[tuple[int, str]] = set()

    def count(self, name: str, used: str | None = None) -> None:
        """Count one, and note the use of a key."""
        hour = int(time.time()) // HOUR * HOUR
        with self._lock:
            self._counts[hour, name] += 1
            if used is not None and hash(used) not in self._noted:
                self._note(used)
            if self._timer is None:
                self._start_timer()

    def note_missing(self, reference: Reference) -> None:
        with self._lock:
            if len(self._missing) < MAX_MISSING:
                self._missing.add(reference)
            if self._timer is None:
                self._start_timer()

    def _note(self, key: str) -> None:
        """Note that a variant was used, once a day."""
        if len(self._noted) >= MAX_USED:
            self._noted.clear()
        self._noted.add(hash(key))
        if len(self._used) < MAX_USED:
            self._used.append(key)

    def flush(self) -> None:
        """Write everything. What cannot be written is kept for the next time."""
        if not (self._counts or self._missing):
            return
        with self._lock:
            missing, self._missing = self._missing, set()
            counts, self._counts = self._counts, Counter()
            used, self._used = self._used, []
            self.stop()
            today = int(time.time()) // DAY
            if today != self._day:
                self._day = today
                self._noted.clear()
        if not tables.is_configured():
            return
        # A row that is left is of an original that a purge finds missing.
        index.forget(*missing)
        if counts and not self._write(counts):
            with self._lock:
                self._counts += counts
        if used and not _note_uses(used):
            with self._lock:
                self._noted.difference_update(map(hash, used))

    def _write(self, counts: Mapping[tuple[int, str], int]) -> bool:
        new = [one for one in counts if one not in self._known]
        if new:
            if not tables.write("Tallies are not begun", partial(_begin, new)):
                return False
            self._known.update(new)
        return tables.write("Tallies are not written", partial(_add, counts))

    def _start_timer(self) -> None:
        timer = threading.Timer(FLUSH_SECONDS, _flush_in_thread)
        timer.daemon = True
        # At the end of a process no thread can be started. `atexit` writes the rest.
        with suppress(RuntimeError):
            timer.start()
            self._timer = timer

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


_tallies = _Tallies()


def count(name: str) -> None:
    """Count one of `NAMES`, in memory."""
    _tallies.count(name)


def count_served(key: str, *, is_hit: bool) -> None:
    """Count a response with a variant, and note that the variant is used. The index knows that to a day."""
    if is_hit:
        _tallies.count(HIT, key)
        return
    _tallies.count(MISS)


def note_missing(reference: Reference) -> None:
    """Note that an original is missing. Its row, if it has one, says so within a minute."""
    _tallies.note_missing(reference)


def flush() -> None:
    """Write what this process has counted."""
    _tallies.flush()


def recent(seconds: int) -> dict[str, int] | None:
    """The sums of the tallies since some seconds ago, by name. None if the database failed."""
    since = tables.moment(time.time() - seconds)
    sums = (
        Tally.objects.filter(hour__gte=since)
        .order_by()
        .values_list("name")
        .annotate(models.Sum("count"))
    )
    found = tables.read("Tallies are not read", lambda: dict(sums), None)
    return None if found is None else dict.fromkeys(NAMES, 0) | found


def forget() -> None:
    """Drop what was counted, as a new process does."""
    global _tallies
    _tallies.stop()
    _tallies = _Tallies()


def _flush_in_thread() -> None:
    try:
        _tallies.flush()
    finally:
        connections.close_all()


def _begin(tallies: Iterable[tuple[int, str]]) -> None:
    """Insert rows with a count of 0, and delete those of long ago."""
    rows = [Tally(hour=tables.moment(hour), name=name, count=0) for hour, name in tallies]
    insert_missing(rows, alias=tables.alias())
    long_ago = max(row.hour for row in rows) - timedelta(days=KEPT_DAYS)
    Tally.objects.filter(hour__lt=long_ago).delete()


def _add(counts: Mapping[tuple[int, str], int]) -> None:
    """Add to all rows with one statement. Each waits for no other: processes add to the same rows."""
    conditions = {
        Q(hour=tables.moment(hour), name=name): number for (hour, name), number in counts.items()
    }
    whens = [When(condition, then=Value(number)) for condition, number in conditions.items()]
    added = Case(*whens, default=Value(0))
    Tally.objects.filter(reduce(or_, conditions)).update(count=F("count") + added)


def _note_uses(keys: list[str]) -> bool:
    now = tables.moment(time.time())
    before = tables.moment(time.time() // DAY * DAY)
    return all(
        tables.write("Uses of variants are not noted", partial(_use, some, now, before))
        for some in batched(keys, tables.BATCH)
    )


def _use(keys: list[str], now: object, before: object) -> None:
    # Another process may have noted it today.
    rows = CachedVariant.objects.filter(digest__in=map(digest_of, keys))
    rows.filter(Q(used_at=None) | Q(used_at__lt=before)).update(used_at=now)


atexit.register(flush)
# The parent writes its own counts, and its lock may be held by a thread that the child does not have.
with suppress(AttributeError):
    # Windows has no forks.
    os.register_at_fork(after_in_child=forget)
