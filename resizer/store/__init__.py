"""Cached variants: `find` or `make` one, `delete` some, `forget` all of an original.

The file is written first, then the row, then the cache entry. In a request, all of this comes after the response. A
process killed in between costs only time.
"""

from __future__ import annotations

import hashlib
import logging
import time
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, cast

from resizer import originals
from resizer.breaker import CircuitBreaker
from resizer.concurrency import afterwards, single_flight
from resizer.concurrency.at_once import NotAtOnce, at_once
from resizer.concurrency.waiting import Deadline
from resizer.conf import get_settings
from resizer.errors import ResizerError, StoreFailed
from resizer.formats import BY_EXTENSION, SNIFF_BYTES, sniff
from resizer.keys.variant import parse_key, write_prefix
from resizer.records import cache, descriptions, index
from resizer.records.descriptions import Reference
from resizer.rendering import refuse, render
from resizer.signals import variant_removed, variant_rendered
from resizer.storages.endings import has_end
from resizer.storages.kinds import kind_of
from resizer.storages.publishing import publish
from resizer.store import backends
from resizer.throttle import problems

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from resizer.keys.variant import ParsedKey, Variant
    from resizer.models import CachedVariant
    from resizer.records.descriptions import Description, State
    from resizer.storages.protocol import Stored

logger = logging.getLogger(__name__)

#: For this time after a variant could not be stored, responses come after storing it, seconds.
DOUBT_SECONDS = 60
_storing = CircuitBreaker(DOUBT_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantFile:
    """The file of a variant, as a response needs it."""

    length: int  # bytes
    #: Without quotes. The storage's own ETag if it also serves visitors itself, else a hash of the content.
    etag: str
    modified_at: int  # POSIX seconds
    #: None until `read` loads it.
    content: bytes | None = None
    #: Whether it is in the storage. If not, the next request makes it again.
    is_kept: bool = True
    #: Seconds of each step of rendering. Empty for a variant from cache or storage.
    timings: Mapping[str, float] = field(default_factory=dict)


class Recalled(NamedTuple):
    """What the cache knows of a variant and its original. A hit needs no more."""

    original: State
    file: VariantFile | None


def recall(reference: Reference, key: str) -> Recalled:
    """Read the state of an original and one of its variants, with at most one cache call."""
    keys = cache_keys(reference, key)
    original, entry = map(cache.read_many(keys).get, keys)
    return Recalled(descriptions.decode(reference, original), _decode(entry))


def cache_keys(reference: Reference, key: str) -> tuple[str, str]:
    """The cache keys of an original and one of its variants."""
    return descriptions.cache_key(reference), _cache_key(key)


def find(key: str) -> VariantFile | None:
    """A cached variant, known from the cache, else loaded from the storage. None if missing. Raises StoreFailed."""
    return _decode(cache.read(_cache_key(key))) or load(key)


def load(key: str) -> VariantFile | None:
    """A variant with its content: one about to be stored, else from the storage. None if missing or damaged.

    Raises StoreFailed.
    """
    made: VariantFile | None = single_flight.result_of(key)
    return _fetch(key) if made is None else replace(made, timings={})


def read(key: str, file: VariantFile) -> bytes | None:
    """The content of a cached variant. Raises StoreFailed.

    None if the file is gone or was replaced. Its cache entry is then dropped: call `load` to see what is there.
    """
    if file.content is not None:
        return file.content
    fetched = backends.fetch(key)
    if fetched is None:
        cache.drop(_cache_key(key))
        return None
    content, stored = fetched
    if stored.bytes != file.length or stored.etag not in {None, file.etag}:
        # The file was changed or made again, so the cache entry describes another file.
        cache.drop(_cache_key(key))
        return None
    return content


def confirm(key: str) -> bool:
    """Whether a cached variant is still in the storage. If not, drop its cache entry. Raises StoreFailed."""
    is_there = backends.exists(key)
    if not is_there:
        cache.drop(_cache_key(key))
    return is_there


def make(description: Description, variant: Variant, key: str) -> VariantFile:
    """Render a variant and keep it: after the response, if there is one and `RESPOND_FIRST` is set.

    Concurrent calls for the same key share one render. If the variant cannot be written, `is_kept` is False.

    Raises OriginalChanged, OriginalNotFound, TooManyBytes, TooManyPixels, TooMuchWork, UnsupportedFormat,
    UndecodableOriginal, SourceFailed, SourceTimedOut or Busy.
    """
    if at_once.get():
        refuse(description, variant)
        raise NotAtOnce
    deadline = Deadline(get_settings().LOCK_SECONDS)
    return single_flight.share(
        key,
        partial(_make, description, variant, key, deadline),
        look=partial(_look_again, key),
        finish=partial(_keep, description, variant, key),
        defer=_defer,
        deadline=deadline,
    )


def delete(cached_variants: Iterable[CachedVariant]) -> None:
    """Remove cached variants: cache entries, files and rows. Raises StoreFailed; then call it again for the rest."""
    rows = list(cached_variants)
    delete_files([row.key for row in rows])
    for row in rows:
        row.delete()


def delete_files(keys: Iterable[str]) -> None:
    """Remove cached variants from cache and storage, not from the index. Raises StoreFailed."""
    keys = list(keys)
    cache.drop_many(_cache_key(key) for key in keys)
    backends.remove(keys)
    if variant_removed.has_listeners():
        for key in keys:
            variant_removed.send_robust(None, key=key)


def forget(reference: Reference) -> None:
    """Remove all cached variants of an original, and its description. Raises StoreFailed.

    Variants without a row are removed too.
    """
    prefixes = {one: write_prefix(*reference, is_private=one) for one in (False, True)}
    delete_files([one.name for one in backends.walk_both(prefixes)])
    index.forget_variants_of(reference)
    originals.forget(reference)


def _look_again(key: str, *, has_waited: bool) -> VariantFile | None:
    """Load a variant that another request has made since the first look. Raises StoreFailed.

    A look into a storage elsewhere is a request. So it needs a reason: a wait, or a new cache entry.
    """
    is_local = kind_of(backends.storage_of(key)).is_local
    if has_waited or is_local or cache.read(_cache_key(key)) is not None:
        return _fetch(key)
    return None


def _fetch(key: str) -> VariantFile | None:
    """A cached variant from the storage, with its content. None if missing or damaged. Raises StoreFailed."""
    fetched = backends.fetch(key)
    return None if fetched is None else _accept(*fetched)


def _accept(content: bytes, stored: Stored) -> VariantFile | None:
    """A fetched file. A damaged one, as after a power cut, is deleted and made again: None."""
    key = stored.name
    target = BY_EXTENSION[key.rpartition(".")[2]]
    if sniff(content[:SNIFF_BYTES]) is not target or not has_end(content, target):
        logger.warning("%.1000r is damaged. It is deleted, and made again.", key)
        delete_files([key])
        return None
    file = _describe(content, stored.modified_at, stored.etag)
    _remember(key, file, is_recorded=_ensure_row(key, file))
    return file


def _ensure_row(key: str, file: VariantFile) -> bool:
    """Record a variant from the storage. A killed process or an outage may have left it without a row.

    False if it has no row afterwards. A variant of a former version gets none, so that a purge removes it.
    """
    has_row = index.has_variant(key)
    if has_row is not False:
        return bool(has_row)
    variant = cast("ParsedKey", parse_key(key)).variant
    try:
        description = originals.look_up(Reference(variant.source, variant.name))
    except ResizerError:
        return False
    return description.version_of(variant.recipe) == variant.version and index.record_variant(
        description, variant, key, file.length, file.modified_at
    )


def _make(description: Description, variant: Variant, key: str, deadline: Deadline) -> VariantFile:
    rendered, read_seconds = render(description, variant, deadline)
    timings = {
        "read": read_seconds,
        "decode": rendered.decode_seconds,
        "encode": rendered.encode_seconds,
    }
    made_at = int(time.time())
    etag = kind_of(backends.storage_of(key)).etag_of(rendered.content, made_at)
    return replace(_describe(rendered.content, made_at, etag), timings=timings)


def _defer(keep: Callable[[], object], file: VariantFile) -> bool:
    """Whether a new variant will be kept after the response."""
    limit = get_settings().MAX_RESPONSE_BYTES
    # The response to a larger variant leads to the storage.
    fits = limit is None or file.length <= limit
    # While the storage fails, responses have to say that the variant is not kept.
    return fits and _storing.allows_call() and afterwards.defer(keep, file.length)


def _keep(description: Description, variant: Variant, key: str, file: VariantFile) -> VariantFile:
    """Store a new variant, then its row and its cache entry. Tell the signal and the log of it."""
    started_at = time.perf_counter()
    kept = _store(description, variant, key, file)
    timings = {**file.timings, "store": time.perf_counter() - started_at}
    kept = replace(kept, timings=timings)
    _tell_rendered(key, kept)
    return kept


def _tell_rendered(key: str, file: VariantFile) -> None:
    steps = ", ".join(f"{step} {seconds * 1000:.0f} ms" for step, seconds in file.timings.items())
    logger.info("Rendered %.1000s: %d bytes; %s", key, file.length, steps)
    variant_rendered.send_robust(
        None, key=key, bytes=file.length, timings=file.timings, is_kept=file.is_kept
    )


def _store(description: Description, variant: Variant, key: str, file: VariantFile) -> VariantFile:
    try:
        content = cast("bytes", file.content)
        published = publish(
            backends.storage_of(key), key, content, variant.format, file.modified_at
        )
        # If a file is there already, another process was faster. Everybody then responds with that file.
        other = _fetch(key) if published is None else None
    except StoreFailed as error:
        # Its visitors get the picture. The next request makes it again.
        level = problems.level("variant", logging.ERROR)
        logger.log(level, "A variant could not be kept. Check the variants storage: %.500r", error)
        _storing.open()
        return replace(file, is_kept=False)
    _storing.close()
    if published is None:
        return other or replace(file, is_kept=False)
    seconds = sum(file.timings.values())
    file = replace(file, etag=published.etag or file.etag, modified_at=int(published.modified_at))
    is_recorded = index.record_variant(
        description, variant, key, file.length, file.modified_at, seconds
    )
    _remember(key, file, is_recorded=is_recorded)
    return file


def _describe(content: bytes, modified_at: float, etag: str | None = None) -> VariantFile:
    return VariantFile(
        length=len(content),
        etag=etag or hashlib.blake2s(content, digest_size=16).hexdigest(),
        modified_at=int(modified_at),
        content=content,
    )


def _remember(key: str, file: VariantFile, *, is_recorded: bool) -> None:
    # Without a row, let the entry expire. The variant is then loaded again and gets its row.
    seconds = None if is_recorded else get_settings().FRESH_SECONDS
    cache.write(_cache_key(key), (file.length, file.etag, file.modified_at), seconds)


def _decode(entry: tuple[int, str, int] | None) -> VariantFile | None:
    if entry is None:
        return None
    length, etag, modified_at = entry
    return VariantFile(length=length, etag=etag, modified_at=modified_at)


def _cache_key(key: str) -> str:
    return cache.key_of("variant", key)
