"""Test the engine, and the services that the app uses on the way."""

from __future__ import annotations

import io
import secrets
import shutil
import tempfile
from typing import TYPE_CHECKING

from django.conf import settings as django_settings
from django.core.cache import caches
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, connections, router
from django.db import Error as DatabaseProblem
from django.db.migrations.executor import MigrationExecutor

from resizer.concurrency import lockfiles
from resizer.concurrency.locks import locking_cache
from resizer.conf import get_settings
from resizer.engines import can_isolate, get_engine, load_engine
from resizer.formats import FALLBACKS
from resizer.keys.variant import Variant
from resizer.maintenance.doctor.findings import Finding, Mark
from resizer.maintenance.pixel import one_pixel
from resizer.models import CachedVariant, Original
from resizer.records import tables
from resizer.storages.kinds import kind_of
from resizer.store import backends

if TYPE_CHECKING:
    from collections.abc import Iterator


#: How much is written into the temporary directory, bytes.
SCRATCH_BYTES = 1_000_000


def examine_engine() -> Iterator[Finding]:
    engine = get_engine()
    name = type(load_engine(get_settings().ENGINE)).__name__
    if get_settings().ISOLATION and can_isolate():
        name += ", in child processes,"
    formats = dict.fromkeys((*get_settings().FORMATS, *FALLBACKS))
    for target in formats:
        variant = Variant(source="default", name="x", version="00000000", width=1, format=target)
        file = io.BytesIO(one_pixel())
        try:
            next(engine.render(file, engine.read_header(file), [variant]))
        except Exception as error:
            # A broken image library can raise anything.
            advice = f"Install a build with {target.name}, or remove it from FORMATS."
            yield Finding(
                Mark.BROKEN, "engine", f"{name} cannot write {target.name}: {error}. {advice}"
            )
            return
    yield Finding(Mark.FINE, "engine", f"{name} writes {', '.join(one.name for one in formats)}.")


def examine_cache() -> Finding:
    alias = get_settings().CACHE
    cache = caches[alias]
    name = type(cache).__name__
    if isinstance(cache, DummyCache):
        text = f"{name} stores nothing, so each request asks the storages. Configure CACHES[{alias!r}]."
        return Finding(Mark.ADVICE, "cache", text)
    key = f"resizer:doctor:{secrets.token_hex(8)}"
    try:
        cache.set(key, "here", 60)
        found = cache.get(key)
        cache.delete(key)
    except Exception as error:
        # A cache's library can raise its own classes.
        text = f"{name} does not respond: {error}. Pictures work without it, but slower. Start it, or change CACHES[{alias!r}]."
        return Finding(Mark.BROKEN, "cache", text)
    if found != "here":
        text = f"{name} returns another value than was written. Check CACHES[{alias!r}]."
        return Finding(Mark.BROKEN, "cache", text)
    if isinstance(cache, LocMemCache):
        text = f"{name} works, but each process has its own. With several processes, use Redis, Memcached or the database."
        return Finding(Mark.ADVICE, "cache", text)
    return Finding(Mark.FINE, "cache", f"{name} works, and is shared between processes.")


def examine_locks() -> Finding:
    part = "locks"
    cache = locking_cache()
    shared = type(cache).__name__ if cache else ""
    try:
        lockfiles.identity()
    except OSError as error:
        wait = f"wait for each other by {shared} only" if shared else "do not wait for each other"
        text = f"the lock directory does not work: {error}. Set RESIZER['LOCK_DIRECTORY']. Until then, processes {wait}."
        return Finding(Mark.ADVICE, part, text)
    hosts = f"hosts by {shared}" if shared else "hosts do not"
    text = f"processes wait for each other by files in {lockfiles.directory()}, {hosts}."
    if shared or kind_of(backends.public_storage()).is_local:
        return Finding(Mark.FINE, part, text)
    text += " Hosts may render the same variant at once, which costs only time. To prevent it, use Redis, Memcached or the database as cache."
    return Finding(Mark.ADVICE, part, text)


def examine_temporary_directory() -> Finding:
    """Large originals of remote sources are kept there while they are fetched."""
    part = "temporary directory"
    directory = tempfile.gettempdir()
    try:
        with tempfile.TemporaryFile() as file:
            file.write(bytes(SCRATCH_BYTES))
            file.flush()
    except OSError as error:
        text = f"{directory} does not work: {error}. Free some space, or set TMPDIR to another directory."
        return Finding(Mark.BROKEN, part, text)
    free = shutil.disk_usage(directory).free
    largest = get_settings().MAX_BYTES
    if free < largest:
        text = (
            f"{directory} has {free // 10**6:,} MB left, less than one original may have ({largest // 10**6:,} MB)."
            " Free some space, or set TMPDIR to another directory."
        )
        return Finding(Mark.ADVICE, part, text)
    return Finding(
        Mark.FINE, part, f"{directory} can be written, and has {free // 10**6:,} MB left."
    )


def examine_database() -> Finding:
    part = "database"
    if not tables.is_configured():
        text = "there is none. Pictures work without it, the admin's lists do not."
        return Finding(Mark.FINE, part, text)
    alias = router.db_for_write(Original)
    connection = connections[alias]
    try:
        executor = MigrationExecutor(connection)
        targets = [node for node in executor.loader.graph.leaf_nodes() if node[0] == "resizer"]
        missing = executor.migration_plan(targets)
        present = set(connection.introspection.table_names())
    except (DatabaseProblem, ImproperlyConfigured) as problem:
        said = " ".join(str(problem).split())
        text = (
            f"it does not respond: {said}. Pictures work without it. Start it, or check DATABASES."
        )
        return Finding(Mark.BROKEN, part, text)
    if missing or not {Original._meta.db_table, CachedVariant._meta.db_table} <= present:
        option = "" if alias == DEFAULT_DB_ALIAS else f" --database {alias}"
        text = f"the app's tables are missing or old. Run manage.py migrate{option}."
        if django_settings.DATABASE_ROUTERS:
            text += " DATABASE_ROUTERS must allow the app resizer there."
        return Finding(Mark.BROKEN, part, text)
    return Finding(Mark.FINE, part, f"{connection.display_name} has the app's tables.")
