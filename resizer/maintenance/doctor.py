"""Test each part of the app by using it. `examine` yields one or more findings for each part."""

from __future__ import annotations

import io
import secrets
import shutil
import signal
import tempfile
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from http.client import HTTPException
from itertools import chain, islice
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django.conf import settings as django_settings
from django.core.cache import caches
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.checks import ERROR, WARNING, run_checks
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, connections, router
from django.db import Error as DatabaseProblem
from django.db.migrations.executor import MigrationExecutor
from django.urls import NoReverseMatch, Resolver404, get_script_prefix, resolve

from resizer import store
from resizer.concurrency import lockfiles
from resizer.concurrency.locks import locking_cache
from resizer.conf import get_settings
from resizer.engines import can_isolate, get_engine, load_engine
from resizer.errors import OriginalNotFound, ResizerError, StoreFailed
from resizer.formats import FALLBACKS, PNG
from resizer.keys.variant import Variant, write_directory, write_key
from resizer.links.addresses import host, path_for, sign, url_for
from resizer.maintenance import losses, presence
from resizer.maintenance.listing import may_be_picture, variant_of
from resizer.maintenance.pixel import one_pixel
from resizer.models import CachedVariant, Original
from resizer.records import index, rows, tables
from resizer.sources import StorageSource, get_sources
from resizer.sources.identity import own_alias
from resizer.storages import publishing
from resizer.storages.kinds import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.core.files.storage import Storage

    from resizer.sources import Source

#: The tag of the app's system checks.
TAG = "resizer"
#: With one of these errors, no other part can be tested.
UNLOADABLE = {"resizer.E001", "resizer.E002", "resizer.E003", "resizer.E005", "resizer.E008"}
#: Deployment checks of parts that are tested below.
TESTED = {"resizer.W004", "resizer.W005", "resizer.W010"}
#: How long a URL of the storage may take to respond, seconds.
ADDRESS_SECONDS = 10
#: How long the test of a storage or a source may take, seconds.
PART_SECONDS = 15
#: How much is written into the temporary directory, bytes.
SCRATCH_BYTES = 1_000_000
#: How many originals are tried until one can be opened …
TRIES = 5
#: … and how many listed names are searched for them.
LISTED = 1000
SOURCE_ADVICE = "Check its OPTIONS, its network and its permissions."


class Mark(StrEnum):
    FINE = "✓"
    #: Good to know. Pictures work without a change.
    ADVICE = "!"
    BROKEN = "✗"


@dataclass(frozen=True, slots=True)
class Finding:
    mark: Mark
    part: str
    #: What was found, then what to do.
    text: str

    def __str__(self) -> str:
        return f"{self.mark} {self.part}: {self.text}"


def examine() -> Iterator[Finding]:
    """Test every part. Variants and originals stay as they are. Failures become findings, not exceptions."""
    marks = {WARNING: Mark.ADVICE, ERROR: Mark.BROKEN}
    messages = [
        one
        for one in run_checks(tags=[TAG], include_deployment_checks=True)
        if one.id not in TESTED
    ]
    for message in messages:
        yield Finding(marks[message.level], "settings", f"{message.msg} {message.hint}")
    if not messages:
        yield Finding(Mark.FINE, "settings", "manage.py check finds nothing.")
    if any(message.id in UNLOADABLE for message in messages):
        return
    public = partial(_variants, store.variants_storage(), is_private=False)
    yield from _within(losses.STORAGES[False], public)
    yield from _private_sources()
    yield _address()
    yield from _host()
    yield from _large_variants()
    yield from _engine()
    yield _cache()
    yield _locks()
    yield _temporary_directory()
    yield _database()
    yield from _sources()
    yield _signing_key()


def _probe(*, is_private: bool = False) -> tuple[Variant, str]:
    """A variant of an original that does not exist, and its key."""
    name = f"resizer-doctor-{secrets.token_hex(8)}.png"
    variant = Variant(
        source="default",
        name=name,
        version="00000000",
        width=1,
        format=PNG,
        is_private=is_private,
    )
    return variant, write_key(variant, sign(variant))


def _variants(storage: Storage, *, is_private: bool) -> Finding:
    part = losses.STORAGES[is_private]
    known = rows.count(is_private=is_private)
    if known and kind_of(storage).is_local and _is_bare(storage):
        # Writing would make the directory, perhaps on the disk that is mounted over.
        text = (
            f"it is empty or missing, but the database knows {known:,} cached variants. Is the disk mounted?"
            " If they were deleted, run resizer_sync --force."
        )
        return Finding(Mark.BROKEN, part, text)
    return _try_storage(part, storage, *_probe(is_private=is_private))


def _private_sources() -> Iterator[Finding]:
    """Whether private variants can be kept, and whether public ones are left of a source that was public before."""
    private = [alias for alias, source in get_settings().SOURCES.items() if source.PRIVATE]
    storage = store.private_storage()
    # A system check says that it is missing.
    if not private or storage is None:
        return
    part = losses.STORAGES[True]
    yield from _within(part, partial(_variants, storage, is_private=True))
    for alias in private:
        yield from _within(f"source {alias}", partial(_public_rest, alias))


def _public_rest(alias: str) -> Finding:
    part = f"source {alias}"
    source = get_sources()[alias]
    # Before it was configured, its storage had an alias of its own.
    former = own_alias(source.storage) if isinstance(source, StorageSource) else None
    try:
        rest = next(chain.from_iterable(map(_public_keys, filter(None, (alias, former)))), None)
    except StoreFailed as error:
        return Finding(Mark.BROKEN, part, f"{error}.")
    if rest is None:
        return Finding(Mark.FINE, part, "it is private, and no public variant is left of it.")
    text = (
        f"it is private, but public variants are left, such as {rest}. Servers and CDNs may show them."
        " Run resizer_purge, and purge the CDN."
    )
    return Finding(Mark.BROKEN, part, text)


def _public_keys(alias: str) -> Iterator[str]:
    """The public variants of a source. Raises StoreFailed."""
    directory = write_directory(alias, is_private=False)
    for one in publishing.walk(store.variants_storage(), directory):
        variant = variant_of(one.name)
        if variant is not None and variant.source == alias:
            yield one.name


def _try_storage(part: str, storage: Storage, variant: Variant, key: str) -> Finding:
    content = one_pixel()
    started_at = time.perf_counter()
    try:
        publishing.publish(storage, key, content, variant.format)
        fetched = publishing.fetch(storage, key)
        second = publishing.publish(storage, key, content, variant.format)
        publishing.remove(storage, [key])
        rest = publishing.fetch(storage, key)
    except StoreFailed as error:
        advice = "Check its STORAGES entry, its permissions and its free space."
        return Finding(Mark.BROKEN, part, f"{error}. {advice}")
    seconds = time.perf_counter() - started_at
    name = type(storage).__name__
    if fetched is None or fetched[0] != content:
        text = f"{name} returns other content than was written, so it cannot keep variants. Use another storage."
        return Finding(Mark.BROKEN, part, text)
    if rest is not None:
        text = f"{name} still has a deleted file, so variants cannot be purged. Permit deleting."
        return Finding(Mark.BROKEN, part, text)
    if second is not None:
        text = f"{name} works, but a second writer replaces a file. That is harmless, because both write the same picture."
        return Finding(Mark.ADVICE, part, text)
    return Finding(Mark.FINE, part, f"{name} writes, reads and deletes ({seconds * 1000:.0f} ms).")


def _is_bare(storage: Storage) -> bool:
    try:
        return next(publishing.walk(storage), None) is None
    except StoreFailed:
        # Writing says why.
        return False


def _address() -> Finding:
    _variant, key = _probe()
    try:
        address = path_for(key)
        # The path as a server passes it on.
        match = resolve("/" + address.removeprefix(get_script_prefix()))
    except (NoReverseMatch, Resolver404) as error:
        text = f"no URL leads to the app ({type(error).__name__}). Include resizer.urls in the root URLconf."
        return Finding(Mark.BROKEN, "addresses", text)
    if "resizer" not in match.app_names:
        text = f"{address} leads to {match.view_name}. Put the app's URLs before it."
        return Finding(Mark.BROKEN, "addresses", text)
    return Finding(Mark.FINE, "addresses", f"{address.removesuffix(key)}… leads to the app.")


def _host() -> Iterator[Finding]:
    """Whether requests for new variants reach the app on the host of URLs. A CDN that knows only a bucket refuses them."""
    part = "host"
    if not host():
        return
    _variant, key = _probe()
    advice = f"Send requests for {path_for('')}* on it to the app, or set RESIZER['HOST'] to \"\"."
    try:
        with urllib.request.urlopen(url_for(key), timeout=ADDRESS_SECONDS) as answer:
            found = answer.read(len(OriginalNotFound.public_message) + 1)
    except urllib.error.HTTPError as error:
        with error:
            found = error.read(len(OriginalNotFound.public_message) + 1)
    except (OSError, HTTPException) as error:
        yield Finding(Mark.BROKEN, part, f"{host()} does not respond: {error}. {advice}")
        return
    if found.decode("utf-8", "replace") == OriginalNotFound.public_message:
        yield Finding(Mark.FINE, part, f"{host()} passes requests for new pictures on to the app.")
        return
    text = f"{host()} does not pass requests for new pictures on to the app. {advice}"
    yield Finding(Mark.BROKEN, part, text)


def _large_variants() -> Iterator[Finding]:
    part = "large variants"
    if get_settings().MAX_ANSWER_BYTES is None:
        return
    variant, key = _probe()
    storage = store.variants_storage()
    content = one_pixel()
    try:
        address = store.address(key)
        if address is None or not address.startswith(("http://", "https://")):
            text = "visitors are redirected to the same URL. Let a web server or CDN in front serve it from the storage."
            yield Finding(Mark.ADVICE, part, text)
            return
        publishing.publish(storage, key, content, variant.format)
        try:
            with urllib.request.urlopen(address, timeout=ADDRESS_SECONDS) as answer:
                found = answer.read(len(content) + 1)
        finally:
            publishing.remove(storage, [key])
    except (StoreFailed, OSError, HTTPException) as error:
        text = f"visitors are redirected to a URL that fails: {error}. Check custom_domain and the read permissions of the bucket."
        yield Finding(Mark.BROKEN, part, text)
        return
    if found != content:
        text = (
            "visitors are redirected to a URL with other content. Check custom_domain and location."
        )
        yield Finding(Mark.BROKEN, part, text)
        return
    host = urlsplit(address).netloc
    yield Finding(Mark.FINE, part, f"visitors are redirected to {host}, and it responds.")


def _engine() -> Iterator[Finding]:
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


def _cache() -> Finding:
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


def _locks() -> Finding:
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
    text = f"processes wait for each other by files in {lockfiles.place()}, {hosts}."
    if shared or kind_of(store.variants_storage()).is_local:
        return Finding(Mark.FINE, part, text)
    text += " Hosts may render the same variant at once, which costs only time. To prevent it, use Redis, Memcached or the database as cache."
    return Finding(Mark.ADVICE, part, text)


def _temporary_directory() -> Finding:
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


def _database() -> Finding:
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


def _sources() -> Iterator[Finding]:
    for alias, source in get_sources().items():
        part = f"source {alias!r}"
        yield from _within(part, partial(_source, part, alias, source))


def _source(part: str, alias: str, source: Source) -> Finding:
    mark, text = _try_source(alias, source)
    return Finding(mark, part, text)


def _try_source(alias: str, source: Source) -> tuple[Mark, str]:
    """Open a real original: a known one, else one from the listing."""
    known = index.newest_originals(alias, TRIES)
    names: list[str] | None = None
    refusal = None
    try:
        names = list(islice(presence.first_names(alias), LISTED))
    except NotImplementedError:
        pass
    except ResizerError as error:
        refusal = error
    pictures = [name for name in names or () if may_be_picture(name)]
    if names == []:
        if known:
            text = f"it is empty or missing, but it had {known[0]!r}. Is the disk mounted? Is it the right bucket?"
            return Mark.BROKEN, f"{text} Until this is fixed, resizer_purge keeps its variants."
        return Mark.ADVICE, "it is empty or missing, so no original could be opened. Add one."
    opened = _open_one(source, [*known, *pictures[:TRIES]])
    if refusal is not None and not isinstance(opened, str):
        return Mark.BROKEN, f"it does not respond: {refusal}. {SOURCE_ADVICE}"
    if isinstance(opened, ResizerError):
        return Mark.BROKEN, f"no original could be opened: {opened}. {SOURCE_ADVICE}"
    if opened is None:
        return _answer(source)
    if refusal is not None:
        text = f"opens {opened}, but cannot be listed: {refusal}. Permit listing, or its variants are never purged."
        return Mark.ADVICE, text
    loss = presence.loss(alias, index.sample_originals(alias, presence.ENOUGH))
    if loss is not None:
        text = f"opens {opened}, but {loss}. If you deleted them, run resizer_purge --force. Else restore them."
        return Mark.ADVICE, text
    return Mark.FINE, f"opens {opened}."


def _open_one(source: Source, names: list[str]) -> str | ResizerError | None:
    """Describe the first original that opens, else give the error of the last one. None without names."""
    failure = None
    for name in names:
        try:
            with source.open(name) as file:
                header = get_engine().read_header(file)
        except ResizerError as error:
            failure = error
            continue
        return f"{name!r} ({header.format.name}, {header.width} × {header.height} px)"
    return failure


def _answer(source: Source) -> tuple[Mark, str]:
    """Without a known original, ask the source for one that does not exist."""
    try:
        source.stat(f"resizer-doctor-{secrets.token_hex(8)}.png")
    except OriginalNotFound:
        pass
    except ResizerError as error:
        return Mark.BROKEN, f"it does not respond: {error}. {SOURCE_ADVICE}"
    return Mark.FINE, "it responds. None of its originals is known yet."


class _TooSlow(BaseException):
    """No Exception: a storage's library would handle it, and try again."""


def _within(part: str, test: Callable[[], Finding]) -> Iterator[Finding]:
    """The finding of a test that may hang. botocore alone waits up to a minute, and tries five times."""
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or not hasattr(signal, "setitimer"):
        # Signals come to the main thread only, and Windows has no timer for them.
        yield test()
        return

    def stop(*_: object) -> None:
        raise _TooSlow

    former = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, PART_SECONDS)
    try:
        finding = test()
    except _TooSlow:
        text = f"it does not respond within {PART_SECONDS} s. Check its network, and give its OPTIONS short timeouts."
        finding = Finding(Mark.BROKEN, part, text)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)
    yield finding


def _signing_key() -> Finding:
    if get_settings().SIGNING_KEY is None:
        text = "SECRET_KEY signs URLs. If you change it, every variant is made again. Set RESIZER['SIGNING_KEY']."
        return Finding(Mark.ADVICE, "signing key", text)
    return Finding(Mark.FINE, "signing key", "RESIZER['SIGNING_KEY'] is set.")
