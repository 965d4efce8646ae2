"""S3 buckets of django-storages: what its `S3Storage` cannot say is said to its client.

`S3Storage.open` asks twice where one GET tells all, `save` cannot be conditional, and a missing key may be 403.
boto3 is not imported here: the storage has it. Whatever it raises becomes one of Python's own errors:

FileNotFoundError   there is no such key
PermissionError     … or we may not know, which is what S3 says of a missing key without s3:ListBucket
TimeoutError        no answer in time
OSError             anything else: SlowDown, no such bucket, wrong credentials, no network
"""

from __future__ import annotations

import errno
from contextlib import closing, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, cast

from django.core.exceptions import SuspiciousFileOperation

from resizer.scratch import Spool, raise_shortage
from resizer.storages.contents import Download
from resizer.storages.protocol import Stored

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from resizer.storages.protocol import Sending

#: How much is fetched ahead of who reads, bytes.
CHUNK_BYTES = 65_536
#: How many keys one request lists or deletes at most.
BATCH = 1000
#: Behind every name.
LAST = "\U0010ffff"

#: Of a storage's parameters for uploads, those that reading takes as well.
_READING = {"ExpectedBucketOwner", "RequestPayer", "SSECustomerAlgorithm", "SSECustomerKey"}
_MISSING = {"404", "NoSuchKey", "NotFound"}
_FORBIDDEN = {"403", "AccessDenied", "Forbidden"}
#: Another PUT of the key was first, or is being done (Amazon S3, "Conditional writes").
_SECOND = {"412", "PreconditionFailed", "409", "ConditionalRequestConflict"}
#: A server that knows no conditional writes, if it does not ignore them.
_UNCONDITIONAL = {"501", "NotImplemented"}


class Bucket:
    """The bucket of a storage, by names as the storage takes them: below its location."""

    def __init__(self, storage: Any) -> None:
        self._storage = storage

    def stat(self, name: str) -> Stored:
        """One HEAD."""
        with _errors():
            return _told(
                name, self._client.head_object(**self._object(name), **self._reading(name))
            )

    def is_absent(self) -> bool:
        """Whether there is no such bucket, as far as we may know: one HEAD. One of a missing object says the same 404."""
        try:
            with _errors():
                self._client.head_bucket(Bucket=self._storage.bucket_name)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return False

    def read(self, name: str) -> tuple[bytes, Stored]:
        """One GET: an object's content, and what is told of it."""
        with _errors():
            answer = self._client.get_object(**self._object(name), **self._reading(name))
            return answer["Body"].read(), _told(name, answer)

    @contextmanager
    def open(self, name: str, *, by_content: bool = False) -> Iterator[tuple[Stored, Download]]:
        """One GET: an object to be read from any place; what nobody reads is not fetched."""
        with _errors():
            answer = self._client.get_object(**self._object(name), **self._reading(name))
        with closing(answer["Body"]) as body, closing(Spool()) as spool:
            stored = _told(name, answer)
            fetching = _Fetching(body, spool, stored.bytes)
            yield stored, Download(fetching, spool, fingerprint_of(stored, by_content=by_content))

    def put(self, name: str, content: bytes, headers: Mapping[str, str]) -> str | None:
        """One PUT, if there is no such object: its ETag; None where another was first."""
        parameters = self._storage.get_object_parameters(name)
        if self._storage.default_acl:
            parameters.setdefault("ACL", self._storage.default_acl)
        request = {**parameters, **headers, **self._object(name), "Body": content}
        with _errors():
            try:
                answer = self._client.put_object(**request, IfNoneMatch="*")
            except Exception as error:
                if _code(error) in _SECOND:
                    return None
                if _code(error) not in _UNCONDITIONAL:
                    raise
                answer = self._client.put_object(**request)
        return _etag(answer)

    def walk(self, directory: str, after: str = "") -> Iterator[Stored]:
        """All objects below a directory, or in the whole location, after one; one request for a thousand."""
        prefix = self._key(directory) + "/" if directory else self._location
        for entry in self._entries(prefix, self._location + after if after else ""):
            yield self._listed(entry)

    def look_up(self, sending: Sending = nullcontext) -> LookUp:
        return LookUp(self, sending)

    def page(self, after: str) -> tuple[dict[str, Stored], bool]:
        """The next thousand objects of the location after a name, which need not exist, and whether there are more."""
        with _errors():
            answer = self._client.list_objects_v2(
                Bucket=self._storage.bucket_name,
                Prefix=self._location,
                StartAfter=self._location + after,
                MaxKeys=BATCH,
            )
        found = [self._listed(entry) for entry in answer.get("Contents", ())]
        return {one.name: one for one in found}, answer["IsTruncated"]

    def remove(self, names: Iterable[str]) -> None:
        """Delete objects, or nothing where there are none; one request for a thousand."""
        keys = [{"Key": self._key(name)} for name in names]
        for start in range(0, len(keys), BATCH):
            with _errors():
                answer = self._client.delete_objects(
                    Bucket=self._storage.bucket_name,
                    Delete={"Objects": keys[start : start + BATCH], "Quiet": True},
                )
            if answer.get("Errors"):
                failed = answer["Errors"][0]
                raise OSError(errno.EIO, f"{failed.get('Key')!r}: {failed.get('Code')}")

    def _entries(self, prefix: str, after: str) -> Iterator[Mapping[str, Any]]:
        with _errors():
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._storage.bucket_name,
                Prefix=prefix,
                StartAfter=after,
                PaginationConfig={"PageSize": BATCH},
            )
            for page in pages:
                yield from page.get("Contents", ())

    def _listed(self, entry: Mapping[str, Any]) -> Stored:
        name = cast("str", entry["Key"]).removeprefix(self._location)
        return Stored(name, entry["Size"], entry["LastModified"].timestamp(), _etag(entry))

    # The bucket's own client, which all threads share; `connection` makes one for each thread.
    @property
    def _client(self) -> Any:
        return self._storage.bucket.meta.client

    @property
    def _location(self) -> str:
        location = self._storage.location.strip("/")
        return f"{location}/" if location else ""

    def _key(self, name: str) -> str:
        # The storage would make "../x" to "x", a second name for the same object.
        if any(segment in {"", ".", ".."} for segment in name.split("/")):
            raise SuspiciousFileOperation(f"{name[:200]!r} is not the name of an object")
        return self._location + name

    def check(self, name: str) -> None:
        """Raises SuspiciousFileOperation for what is not the name of an object."""
        self._key(name)

    def _object(self, name: str) -> dict[str, str]:
        return {"Bucket": self._storage.bucket_name, "Key": self._key(name)}

    def _reading(self, name: str) -> dict[str, Any]:
        parameters = self._storage.get_object_parameters(name)
        return {key: value for key, value in parameters.items() if key in _READING}


class LookUp:
    """What a bucket tells of many objects, asked for in ascending order: one request of its listing for up to a thousand.

    A listing that fails, is not in order, or tells of an object what HEAD does not, is used no longer: each object is
    asked for.
    """

    def __init__(self, bucket: Bucket, sending: Sending) -> None:
        """Each request is sent within `sending`."""
        self._bucket = bucket
        self._sending = sending
        self._page: dict[str, Stored] = {}
        #: Up to here, all that is there is in the page or was in a former one.
        self._end = ""
        self._is_compared = False
        self._is_usable = True

    def stat(self, name: str) -> Stored:
        # Refuses what is no name of an object.
        self._bucket.check(name)
        while self._is_usable and name > self._end:
            self._turn(max(self._end, _just_before(name)))
        if not self._is_usable:
            return self._ask(name)
        stored = self._page.get(name)
        if stored is None:
            raise FileNotFoundError(errno.ENOENT, "the listing has no such key")
        return stored if self._is_compared else self._compare(stored)

    def _turn(self, after: str) -> None:
        try:
            with self._sending():
                self._page, is_cut = self._bucket.page(after)
        except OSError:
            # One that may not be listed may be asked for what it has.
            self._is_usable = False
            return
        names = list(self._page)
        is_later = names[0] > after if names else not is_cut
        self._is_usable = is_later and names == sorted(names)
        self._end = names[-1] if is_cut and names else LAST

    def _compare(self, listed: Stored) -> Stored:
        stored = self._ask(listed.name)
        self._is_compared = True
        self._is_usable = fingerprint_of(stored) == fingerprint_of(listed)
        return stored

    def _ask(self, name: str) -> Stored:
        with self._sending():
            return self._bucket.stat(name)


class _Fetching:
    """Fetches an object no further than it is read."""

    def __init__(self, body: Any, spool: Spool, length: int) -> None:
        self._body = body
        self._spool = spool
        self._length = length

    def length(self) -> int:
        return self._length

    def fetch(self, end: int | None) -> None:
        end = self._length if end is None else min(end, self._length)
        while self._spool.length < end:
            with _errors():
                chunk = self._body.read(min(CHUNK_BYTES, self._length - self._spool.length))
            if not chunk:
                raise OSError(errno.EIO, "the answer ends too early")
            self._spool.append(chunk)


def fingerprint_of(stored: Stored, *, by_content: bool = False) -> str:
    # Written again, an object has another time, but of the same bytes the same ETag.
    content = f"{stored.bytes}-{(stored.etag or '')[:64]}"
    return content if by_content else f"{content}-{int(stored.modified_at)}"


def _just_before(name: str) -> str:
    """A name from which a listing comes to this one at once: nothing that is used stands between them."""
    before = ord(name[-1]) - 1
    # Surrogates are no characters of their own.
    return f"{name[:-1]}{chr(0xD7FF if 0xD800 <= before <= 0xDFFF else before)}\uffdc"


def _told(name: str, answer: Mapping[str, Any]) -> Stored:
    modified_at = answer["LastModified"].timestamp()
    return Stored(name, answer["ContentLength"], modified_at, _etag(answer))


def _etag(answer: Mapping[str, Any]) -> str:
    return cast("str", answer["ETag"]).strip('"')


def _code(error: Exception) -> str:
    """What S3 calls an error, such as "NoSuchKey", or the status, as "404", where it has no words; "" for others."""
    answer = getattr(error, "response", None)
    return str(answer.get("Error", {}).get("Code", "")) if isinstance(answer, dict) else ""


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except SuspiciousFileOperation:
        raise
    except Exception as error:
        raise_shortage(error)
        code = _code(error)
        if code in _MISSING:
            raise FileNotFoundError(errno.ENOENT, str(error)) from error
        if code in _FORBIDDEN:
            raise PermissionError(errno.EACCES, str(error)) from error
        if any("Timeout" in one.__name__ for one in type(error).__mro__):
            raise TimeoutError(errno.ETIMEDOUT, str(error)) from error
        raise OSError(errno.EIO, str(error)) from error
