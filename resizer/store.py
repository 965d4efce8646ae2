"""Cached variants: `find` or `make` one, `delete` some, `forget` all of an original.

The file comes first, then the row, then the cache entry: what is lost in between costs time only.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import logging
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from django.core.files.storage import FileSystemStorage, storages
from django.db import Error as DatabaseProblem
from django.utils import timezone

from resizer import cache, geometry, locks, originals
from resizer.conf import Settings, get_settings
from resizer.engines import get_engine
from resizer.errors import Busy, ResizerError, StoreFailed, TooManyPixels, UndecodableOriginal
from resizer.formats import BY_EXTENSION, SNIFF_BYTES, sniff
from resizer.models import CachedVariant
from resizer.publishing import publish
from resizer.sources import get_source
from resizer.variant import write_prefix, write_recipe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from django.core.files.storage import Storage

    from resizer.descriptions import Description, Reference
    from resizer.engines import Rendered
    from resizer.variant import Variant

logger = logging.getLogger(__name__)

#: Beside the originals, for projects whose STORAGES do not say where variants are to be kept.
FALLBACK_DIRECTORY = "_resized"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A variant as it is answered."""

    length: int  # bytes
    #: Of the content, without quotes.
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
    if alias in storages.backends or not isinstance(storages["default"], FileSystemStorage):
        return storages[alias]
    return _fallback_storage(get_settings(), str(storages["default"].location))


def find(key: str) -> Answer | None:
    """What is known of a cached variant, from the cache, else from the storage. Raises StoreFailed."""
    entry = cache.read(_cache_key(key))
    if entry is None:
        return _load(key)
    length, etag, modified_at = entry
    return Answer(length=length, etag=etag, modified_at=modified_at)


def read(key: str, answer: Answer) -> Answer | None:
    """The same with its content; None, and no longer remembered, if the file is gone. Raises StoreFailed."""
    if answer.content is not None:
        return answer
    content = _read(key)
    if content is None:
        cache.drop(_cache_key(key))
        return None
    if len(content) != answer.length:
        # Somebody has changed the file, or it was made anew: what is remembered is of another one.
        return _load(key)
    return replace(answer, content=content)


def make(description: Description, variant: Variant, key: str) -> Answer:
    """Render a variant, keep it and answer it, once for all threads that ask. Raises any ResizerError."""
    return locks.share(
        key,
        # Who comes after another has made it finds it.
        lambda: _load(key) or _make(description, variant, key),
        seconds=get_settings().LOCK_SECONDS,
    )


def delete(cached_variants: Iterable[CachedVariant]) -> None:
    """Remove cached variants: cache entry, file and row. Raises StoreFailed; what is left can be tried again."""
    for cached_variant in cached_variants:
        _delete_file(cached_variant.key)
        cached_variant.delete()


def forget(reference: Reference) -> None:
    """Remove all cached variants of an original, recorded or not, and what is known of it. Raises StoreFailed."""
    for key in _walk(variants_storage(), write_prefix(*reference)):
        _delete_file(key)
    CachedVariant.objects.filter(
        original__source=reference.source, original__name=reference.name
    ).delete()
    originals.forget(reference)


def _read(key: str) -> bytes | None:
    with _errors(key):
        try:
            with variants_storage().open(key) as file:
                return bytes(file.read())
        except FileNotFoundError:
            return None


def _load(key: str) -> Answer | None:
    """A cached variant from the storage. One that is damaged, as after a power cut, goes: it is made again."""
    content = _read(key)
    if content is None:
        return None
    if sniff(content[:SNIFF_BYTES]) is not BY_EXTENSION[key.rpartition(".")[2]]:
        logger.warning("%s is damaged, and is deleted", key)
        _delete_file(key)
        return None
    with _errors(key):
        try:
            modified_at = variants_storage().get_modified_time(key).timestamp()
        except (FileNotFoundError, NotImplementedError):
            modified_at = time.time()
    answer = _answer(content, modified_at)
    _remember(key, answer)
    return answer


def _make(description: Description, variant: Variant, key: str) -> Answer:
    failure = cache.key_of("failure", f"{variant.name}\n{variant.source}\n{variant.version}")
    if cache.read(failure):
        raise UndecodableOriginal(f"{description.reference} could not be decoded a moment ago")
    try:
        rendered, read_seconds = _render(description, variant)
    except ResizerError as error:
        _raise_if_changed(description, error)
        if isinstance(error, UndecodableOriginal):
            cache.write(failure, True, originals.FAILURE_SECONDS)
        raise
    # Otherwise it may be a mixture, under the version of the former file.
    _raise_if_changed(description)
    rendered_at = time.perf_counter()
    answer = _keep(description, variant, key, rendered)
    timings = {
        "read": read_seconds,
        "decode": rendered.decode_seconds,
        "encode": rendered.encode_seconds,
        "store": time.perf_counter() - rendered_at,
    }
    return replace(answer, timings=timings)


def _render(description: Description, variant: Variant) -> tuple[Rendered, float]:
    """The variant, and how long its original took to open, seconds."""
    size = geometry.plan(description.size, variant.recipe, variant.width).size
    if size[0] * size[1] > get_settings().MAX_VARIANT_PIXELS:
        raise TooManyPixels(f"a variant of {size} px")
    started_at = time.perf_counter()
    with get_source(variant.source).open(variant.name) as file:
        read_seconds = time.perf_counter() - started_at
        return next(get_engine().render(file, description.header, [variant])), read_seconds


def _raise_if_changed(description: Description, cause: ResizerError | None = None) -> None:
    reference = description.reference
    if get_source(reference.source).stat(reference.name).fingerprint != description.fingerprint:
        originals.forget(reference)
        raise Busy(f"{reference} has changed while it was read") from cause


def _keep(description: Description, variant: Variant, key: str, rendered: Rendered) -> Answer:
    answer = _answer(rendered.content, time.time())
    try:
        is_first = publish(variants_storage(), key, rendered.content, variant.format)
    except StoreFailed:
        # The visitor gets the picture all the same; the next one has it made again.
        logger.exception("A variant could not be kept")
        return replace(answer, is_kept=False)
    if not is_first:
        # Another process was faster: all answer what that has made.
        answer = _load(key) or answer
    try:
        CachedVariant.objects.update_or_create(
            key=key,
            defaults={
                "original": originals.find_or_record(description),
                "recipe": write_recipe(variant.recipe),
                "width": rendered.width,
                "height": rendered.height,
                "format": variant.format.name,
                "bytes": answer.length,
                "created_at": timezone.now(),
            },
        )
    except DatabaseProblem as problem:
        logger.warning("%s is kept but not recorded: %s", key, problem)
    _remember(key, answer)
    return answer


def _answer(content: bytes, modified_at: float) -> Answer:
    return Answer(
        length=len(content),
        etag=hashlib.blake2s(content, digest_size=16).hexdigest(),
        modified_at=int(modified_at),
        content=content,
    )


def _walk(storage: Storage, directory: str) -> Iterator[str]:
    """The names of all files below a directory, temporary ones as well. Raises StoreFailed."""
    with _errors(directory):
        try:
            directories, files = storage.listdir(directory)
        except FileNotFoundError:
            return
    for name in directories:
        yield from _walk(storage, f"{directory}/{name}")
    for name in files:
        yield f"{directory}/{name}"


def _delete_file(key: str) -> None:
    storage = variants_storage()
    cache.drop(_cache_key(key))
    with _errors(key):
        storage.delete(key)
    if isinstance(storage, FileSystemStorage):
        directory = Path(storage.path(key)).parent
        with contextlib.suppress(OSError):
            # Up to the first directory that still holds something.
            while directory != Path(storage.location):
                directory.rmdir()
                directory = directory.parent


@contextlib.contextmanager
def _errors(key: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        # A storage's library raises classes of its own, of which we know nothing.
        raise StoreFailed(f"{key!r}: {error}") from error


def _remember(key: str, answer: Answer) -> None:
    cache.write(_cache_key(key), (answer.length, answer.etag, answer.modified_at), None)


def _cache_key(key: str) -> str:
    return cache.key_of("variant", key)


@functools.lru_cache(maxsize=1)
def _fallback_storage(settings: Settings, location: str) -> FileSystemStorage:
    return FileSystemStorage(location=Path(location) / FALLBACK_DIRECTORY)
