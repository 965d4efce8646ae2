"""Variants and originals as objects in an S3 bucket."""

from __future__ import annotations

import hashlib
import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from resizer.errors import TooManyBytes
from resizer.keys.variant import PRIVATE
from resizer.storages.any import known_place
from resizer.storages.buckets import Bucket, fingerprint_of
from resizer.storages.listings import LookUp
from resizer.storages.protocol import FOREVER, Stat, Stored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from resizer.formats import Format
    from resizer.storages.contents import Content
    from resizer.storages.protocol import Reading, Sending

#: Errors for a missing key. S3 denies permission if the app may not list the bucket.
_MISSING = (FileNotFoundError, PermissionError)
#: How long the signed URL of a private variant works, seconds. A browser needs it at once.
SIGNED_SECONDS = 60
#: Of a private variant.
FOR_ONE_VISITOR = "private, no-cache"


class Objects:
    """The objects of django-storages' `S3Storage`, or of a subclass."""

    is_local = False
    names_are_paths = True
    for_variants = None

    def __init__(self, storage: Any) -> None:
        self._storage = storage
        self._bucket = Bucket(storage)

    @property
    def has_unsigned_urls(self) -> bool:
        has_domain = getattr(self._storage, "custom_domain", None)
        return not has_domain and not getattr(self._storage, "querystring_auth", True)

    @property
    def place(self) -> tuple[object, ...] | None:
        return known_place(self._storage)

    def lasting_place(self, project: str | None) -> tuple[object, ...] | None:
        return self.place

    def publish(
        self, key: str, content: bytes, written_as: Format, made_at: float | None = None
    ) -> Stored | None:
        started_at = time.time()
        # The bucket may respond to later requests itself, with these headers.
        cache_control = FOR_ONE_VISITOR if key.startswith(PRIVATE) else FOREVER
        headers = {"ContentType": written_as.content_type, "CacheControl": cache_control}
        etag = self._bucket.put(key, content, headers)
        return None if etag is None else Stored(key, len(content), started_at, etag)

    def etag_of(self, content: bytes, made_at: float) -> str:
        # With a KMS key, S3 makes up another one, and tells it when the object is stored.
        return hashlib.md5(content, usedforsecurity=False).hexdigest()

    def fetch(self, key: str) -> tuple[bytes, Stored] | None:
        try:
            return self._bucket.read(key)
        except _MISSING:
            return None

    def exists(self, key: str) -> bool:
        try:
            self._bucket.stat(key)
        except _MISSING:
            return False
        return True

    def missing(self, keys: Iterable[str]) -> list[str]:
        """Lists the bucket, up to a thousand objects a request."""
        look_up = LookUp(self._bucket)
        return [key for key in sorted(keys) if not _is_listed(look_up, key)]

    def walk(self, directory: str = "", after: str = "") -> Iterator[Stored]:
        return self._bucket.walk(directory, after)

    def remove(self, keys: Iterable[str]) -> None:
        self._bucket.remove(keys)

    def url(self, key: str) -> str | None:
        if key.startswith(PRIVATE):
            return cast("str", self._storage.url(key, expire=SIGNED_SECONDS))
        return cast("str", self._storage.url(key))

    def is_absent(self, *, had_files: bool) -> bool:
        return self._bucket.is_absent()

    def stat(self, name: str, reading: Reading) -> Stat:
        return _stat(self._bucket.stat, name, reading)

    def stat_many(
        self, names: Iterable[str], reading: Reading, sending: Sending
    ) -> Iterator[tuple[str, Callable[[], Stat]]]:
        """Lists the bucket, up to a thousand objects a request."""
        stat = LookUp(self._bucket, sending).stat
        return ((name, partial(_stat, stat, name, reading)) for name in sorted(names))

    @contextmanager
    def open(self, name: str, reading: Reading) -> Iterator[Content]:
        with self._bucket.open(name, by_content=reading.by_content) as (stored, download):
            if stored.bytes > reading.max_bytes:
                raise TooManyBytes(f"{name[:200]!r} has {stored.bytes} bytes")
            yield download

    def names(self) -> Iterator[str]:
        return (one.name for one in self._bucket.walk(""))


def _stat(ask: Callable[[str], Stored], name: str, reading: Reading) -> Stat:
    stored = ask(name)
    return Stat(stored.bytes, fingerprint_of(stored, by_content=reading.by_content))


def _is_listed(look_up: LookUp, key: str) -> bool:
    try:
        look_up.stat(key)
    except FileNotFoundError:
        return False
    return True
