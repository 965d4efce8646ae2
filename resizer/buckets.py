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
import os
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from django.core.exceptions import SuspiciousFileOperation

from resizer.scratch import Spool, raise_shortage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from django.core.files.storage import Storage

#: How much is fetched ahead of who reads, bytes.
CHUNK_BYTES = 65_536
#: How many keys one request lists or deletes at most.
BATCH = 1000

#: Of a storage's parameters for uploads, those that reading takes as well.
_READING = {"ExpectedBucketOwner", "RequestPayer", "SSECustomerAlgorithm", "SSECustomerKey"}
_MISSING = {"404", "NoSuchKey", "NotFound"}
_FORBIDDEN = {"403", "AccessDenied", "Forbidden"}
#: Another PUT of the key was first, or is being done (Amazon S3, "Conditional writes").
_SECOND = {"412", "PreconditionFailed", "409", "ConditionalRequestConflict"}
#: A server that knows no conditional writes, if it does not ignore them.
_UNCONDITIONAL = {"501", "NotImplemented"}


class Facts(NamedTuple):
    """What a bucket tells of an object."""

    #: Without quotes.
    etag: str
    length: int  # bytes
    modified_at: float  # POSIX seconds

    @property
    def fingerprint(self) -> str:
        return f"{self.length}-{self.etag[:64]}-{int(self.modified_at)}"


class Listed(NamedTuple):
    name: str
    length: int  # bytes
    modified_at: float  # POSIX seconds


class Bucket:
    """The bucket of a storage, by names as the storage takes them: below its location."""

    def __init__(self, storage: Any) -> None:
        self._storage = storage

    def stat(self, name: str) -> Facts:
        """One HEAD."""
        with _errors():
            return _facts(self._client.head_object(**self._object(name), **self._reading(name)))

    def read(self, name: str) -> tuple[bytes, Facts]:
        """One GET: an object's content, and what is told of it."""
        with _errors():
            answer = self._client.get_object(**self._object(name), **self._reading(name))
            return answer["Body"].read(), _facts(answer)

    @contextmanager
    def open(self, name: str) -> Iterator[Download]:
        """One GET: an object to be read from any place; what nobody reads is not fetched."""
        with _errors():
            answer = self._client.get_object(**self._object(name), **self._reading(name))
        with closing(answer["Body"]) as body, closing(Spool()) as spool:
            yield Download(body, spool, _facts(answer))

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

    def walk(self, directory: str) -> Iterator[Listed]:
        """All objects below a directory, or in the whole location; one request for a thousand."""
        prefix = self._key(directory) + "/" if directory else self._location
        with _errors():
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._storage.bucket_name,
                Prefix=prefix,
                PaginationConfig={"PageSize": BATCH},
            )
            for page in pages:
                for entry in page.get("Contents", ()):
                    name = entry["Key"].removeprefix(self._location)
                    yield Listed(name, entry["Size"], entry["LastModified"].timestamp())

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

    def _object(self, name: str) -> dict[str, str]:
        return {"Bucket": self._storage.bucket_name, "Key": self._key(name)}

    def _reading(self, name: str) -> dict[str, Any]:
        parameters = self._storage.get_object_parameters(name)
        return {key: value for key, value in parameters.items() if key in _READING}


class Download:
    """An object that is fetched as far as it is read, and can be read again."""

    def __init__(self, body: Any, spool: Spool, facts: Facts) -> None:
        self._body = body
        self._spool = spool
        self._position = 0
        self.facts = facts

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.facts.length}
        self._position = max(0, start[whence] + offset)
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        end = self.facts.length
        if size is not None and size >= 0:
            end = min(end, self._position + size)
        self._fetch(end)
        content = self._spool.read(self._position, max(0, end - self._position))
        self._position += len(content)
        return content

    def _fetch(self, end: int) -> None:
        while self._spool.length < end:
            with _errors():
                chunk = self._body.read(min(CHUNK_BYTES, self.facts.length - self._spool.length))
            if not chunk:
                raise OSError(errno.EIO, "the answer ends too early")
            self._spool.append(chunk)


def bucket_of(storage: Storage) -> Bucket | None:
    """The bucket of a storage that is django-storages' `S3Storage`, or made of it; else None."""
    # Asked of the class, because `bucket` of an instance sets up a client.
    offered = ("bucket", "unsigned_connection", "get_object_parameters")
    return Bucket(storage) if all(hasattr(type(storage), name) for name in offered) else None


def _facts(answer: Mapping[str, Any]) -> Facts:
    return Facts(_etag(answer), answer["ContentLength"], answer["LastModified"].timestamp())


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
