"""Cached variants: `find` or `make` one, `delete` some, `forget` all of an original.

The file comes first, then the row, then the cache entry: what is lost in between costs time only.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from django.core.files.storage import (
    FileSystemStorage,
    InMemoryStorage,
    InvalidStorageError,
    storages,
)

from resizer import originals
from resizer.concurrency import lockfiles, single_flight
from resizer.concurrency.waiting import Deadline
from resizer.conf import Settings, get_settings
from resizer.errors import ResizerError, StoreFailed
from resizer.formats import BY_EXTENSION, SNIFF_BYTES, sniff
from resizer.keys.variant import parse_key, write_prefix
from resizer.records import cache, descriptions, index
from resizer.records.descriptions import Reference
from resizer.rendering import render
from resizer.storages import publishing
from resizer.storages.endings import has_end
from resizer.storages.kinds import kind_of
from resizer.storages.publishing import publish

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from django.core.files.storage import Storage

    from resizer.engines import Rendered
    from resizer.keys.variant import ParsedKey, Variant
    from resizer.models import CachedVariant
    from resizer.records.descriptions import Description, State
    from resizer.storages.protocol import Stored

logger = logging.getLogger(__name__)

#: Beside the originals, for projects whose STORAGES do not say where variants are to be kept.
FALLBACK_DIRECTORY = "_resized"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A variant as it is answered."""

    length: int  # bytes
    #: Without quotes: the storage's own, where it answers visitors by itself; else of the content.
    etag: str
    modified_at: int  # POSIX seconds
    #: None until somebody reads it.
    content: bytes | None = None
    #: It is in the storage; if not, the next request makes it again.
    is_kept: bool = True
    #: What it took to make it, seconds by step; empty where nothing was made.
    timings: Mapping[str, float] = field(default_factory=dict)


def variants_storage() -> Storage:
    """Where variants are kept. Raises InvalidStorageError where no place is configured."""
    alias = get_settings().STORAGE
    if alias not in storages.backends:
        default = storages["default"]
        if kind_of(default).is_local:
            location = cast("FileSystemStorage", default).location
            return _fallback_storage(get_settings(), str(location))
        if isinstance(default, InMemoryStorage):
            return _memory(get_settings())
    return storages[alias]


class Recalled(NamedTuple):
    """What the cache knows of a variant: what a hit needs."""

    original: State
    answer: Answer | None


def recall(reference: Reference, key: str) -> Recalled:
    """What the cache knows of an original and of a cached variant of it, by one call."""
    keys = descriptions.cache_key(reference), _cache_key(key)
    original, entry = map(cache.read_many(keys).get, keys)
    return Recalled(descriptions.decode(reference, original), _decode(entry))


def find(key: str) -> Answer | None:
    """A cached variant, from the cache, else from the storage. Raises StoreFailed."""
    return _decode(cache.read(_cache_key(key))) or load(key)


def load(key: str) -> Answer | None:
    """A cached variant from the storage, with its content. Raises StoreFailed."""
    fetched = publishing.fetch(_storage(), key)
    return None if fetched is None else _accept(*fetched)


def read(key: str, answer: Answer) -> bytes | None:
    """The content of a cached variant. Raises StoreFailed.

    None if there is no such file, or another one: then the variant is no longer remembered, and `load` tells.
    """
    if answer.content is not None:
        return answer.content
    fetched = publishing.fetch(_storage(), key)
    if fetched is None:
        cache.drop(_cache_key(key))
        return None
    content, stored = fetched
    if stored.bytes != answer.length or stored.etag not in {None, answer.etag}:
        # Somebody has changed the file, or it was made anew: what is remembered is of another one.
        cache.drop(_cache_key(key))
        return None
    return content


def confirm(key: str) -> bool:
    """Whether a cached variant is still in the storage; if not, it is no longer remembered. Raises StoreFailed."""
    is_there = publishing.exists(_storage(), key)
    if not is_there:
        cache.drop(_cache_key(key))
    return is_there


def address(key: str) -> str | None:
    """Where the storage itself answers a key; None where only the app's own address is known. Raises StoreFailed."""
    return publishing.address(_storage(), key)


def make(description: Description, variant: Variant, key: str) -> Answer:
    """Render a variant, keep it and answer it, once for all who ask at the moment. Raises any ResizerError."""
    deadline = Deadline(get_settings().LOCK_SECONDS)
    return single_flight.share(
        key,
        # Who comes after another has made it finds it.
        lambda: _load_remembered(key) or _make(description, variant, key, deadline),
        look=lambda: load(key),
        deadline=deadline,
    )


def delete(cached_variants: Iterable[CachedVariant]) -> None:
    """Remove cached variants: cache entry, file and row. Raises StoreFailed; what is left can be tried again."""
    rows = list(cached_variants)
    delete_files([row.key for row in rows])
    for row in rows:
        row.delete()


def delete_files(keys: Iterable[str]) -> None:
    """Remove cached variants from cache and storage, not from the index. Raises StoreFailed."""
    keys = list(keys)
    cache.drop_many(_cache_key(key) for key in keys)
    publishing.remove(_storage(), keys)


def forget(reference: Reference) -> None:
    """Remove all cached variants of an original, recorded or not, and what is known of it. Raises StoreFailed."""
    stored = publishing.walk(_storage(), write_prefix(*reference))
    delete_files([one.name for one in stored])
    index.forget_variants_of(reference)
    originals.forget(reference)


def _load_remembered(key: str) -> Answer | None:
    # A storage that is asked again a moment after it was would cost a miss a request more.
    # A process that remembers for itself alone has not heard of another's, so those of a machine tell each other.
    is_made = cache.read(_cache_key(key)) is not None
    if is_made or lockfiles.noted(key, seconds=get_settings().LOCK_SECONDS):
        return load(key)
    return None


def _accept(content: bytes, stored: Stored) -> Answer | None:
    """What was fetched as an answer. One that is damaged, as after a power cut, goes: it is made again."""
    key = stored.name
    target = BY_EXTENSION[key.rpartition(".")[2]]
    if sniff(content[:SNIFF_BYTES]) is not target or not has_end(content, target):
        logger.warning("%.1000r is damaged, and is deleted", key)
        delete_files([key])
        return None
    answer = _answer(content, stored.modified_at, stored.etag)
    _remember(key, answer, is_recorded=_ensure_row(key, answer))
    return answer


def _ensure_row(key: str, answer: Answer) -> bool:
    """Have a variant from the storage recorded, which a killed process or an outage may have left without; False if not.

    Not one of another version than the original's present one: it is to be purged.
    """
    has_row = index.has_variant(key)
    if has_row is not False:
        return bool(has_row)
    variant = cast("ParsedKey", parse_key(key)).variant
    try:
        description = originals.describe(Reference(variant.source, variant.name))
    except ResizerError:
        return False
    return description.version_of(variant.recipe) == variant.version and index.record_variant(
        description, variant, key, answer.length, answer.modified_at
    )


def _make(description: Description, variant: Variant, key: str, deadline: Deadline) -> Answer:
    rendered, read_seconds = render(description, variant, deadline)
    rendered_at = time.perf_counter()
    answer = _keep(description, variant, key, rendered)
    timings = {
        "read": read_seconds,
        "decode": rendered.decode_seconds,
        "encode": rendered.encode_seconds,
        "store": time.perf_counter() - rendered_at,
    }
    return replace(answer, timings=timings)


def _keep(description: Description, variant: Variant, key: str, rendered: Rendered) -> Answer:
    answer = _answer(rendered.content, time.time())
    try:
        published = publish(_storage(), key, rendered.content, variant.format)
        # If there is something already, another process was faster: all answer what that has made.
        other = load(key) if published is None else None
    except StoreFailed as error:
        # The visitor gets the picture all the same; the next one has it made again.
        logger.error("A variant could not be kept: %.500r", error)
        return replace(answer, is_kept=False)
    if published is None and other is None:
        return replace(answer, is_kept=False)
    if published is not None:
        answer = replace(
            answer,
            etag=published.etag or answer.etag,
            modified_at=int(published.modified_at),
        )
        is_recorded = index.record_variant(
            description, variant, key, answer.length, answer.modified_at
        )
        _remember(key, answer, is_recorded=is_recorded)
    lockfiles.note(key, "made")
    return other or answer


def _answer(content: bytes, modified_at: float, etag: str | None = None) -> Answer:
    return Answer(
        length=len(content),
        etag=etag or hashlib.blake2s(content, digest_size=16).hexdigest(),
        modified_at=int(modified_at),
        content=content,
    )


def _remember(key: str, answer: Answer, *, is_recorded: bool) -> None:
    # Who is forgotten is loaded again, and then gets its row.
    seconds = None if is_recorded else get_settings().FRESH_SECONDS
    cache.write(_cache_key(key), (answer.length, answer.etag, answer.modified_at), seconds)


def _decode(entry: tuple[int, str, int] | None) -> Answer | None:
    if entry is None:
        return None
    length, etag, modified_at = entry
    return Answer(length=length, etag=etag, modified_at=modified_at)


def _cache_key(key: str) -> str:
    return cache.key_of("variant", key)


def _storage() -> Storage:
    """`variants_storage` for a request, which answers 503 without one. Raises StoreFailed."""
    try:
        return variants_storage()
    except InvalidStorageError as error:
        raise StoreFailed(f"variants have no place: {error}") from error


@functools.lru_cache(maxsize=1)
def _memory(_settings: Settings) -> InMemoryStorage:
    return InMemoryStorage()


@functools.lru_cache(maxsize=1)
def _fallback_storage(settings: Settings, location: str) -> FileSystemStorage:
    return FileSystemStorage(location=Path(location) / FALLBACK_DIRECTORY)
