"""S3 buckets of django-storages, by the client of the storage.

`S3Storage.open` needs two requests instead of one, and its `save` cannot be conditional. boto3 is not imported here; the
storage has it. Its errors become Python's own:

FileNotFoundError   there is no such key
PermissionError     the same, if the app has no s3:ListBucket
TimeoutError        no response in time
Busy                this process lacks descriptors or memory
OSError             anything else: SlowDown, no such bucket, wrong credentials, no network
"""

from __future__ import annotations

import errno
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, cast

from django.core.exceptions import SuspiciousFileOperation

from resizer.scratch import Spool, raise_shortage
from resizer.storages.contents import Download
from resizer.storages.protocol import Stored

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

#: The size of a read from the network, bytes.
CHUNK_BYTES = 65_536
#: The most keys in one request to list or delete.
BATCH = 1000

#: Parameters for uploads, also allowed in requests to read.
_READING = {"ExpectedBucketOwner", "RequestPayer", "SSECustomerAlgorithm", "SSECustomerKey"}
_MISSING = {"404", "NoSuchKey", "NotFound"}
_FORBIDDEN = {"403", "AccessDenied", "Forbidden"}
#: Another PUT of the key was first, or is in progress (Amazon S3, "Conditional writes").
_SECOND = {"412", "PreconditionFailed", "409", "ConditionalRequestConflict"}
#: The error of a server without conditional writes.
_UNCONDITIONAL = {"501", "NotImplemented"}


class Bucket:
    """The bucket of a storage. Names are relative to the location of the storage."""

    def __init__(self, storage: Any) -> None:
        self._storage = storage

    def stat(self, name: str) -> Stored:
        """The facts about an object, with one HEAD."""
        with _errors():
            return _stored(
                name, self._client.head_object(**self._object(name), **self._reading(name))
            )

    def is_absent(self) -> bool:
        """Whether the bucket is missing, with one HEAD. False if the permissions of the app do not tell."""
        try:
            with _errors():
                self._client.head_bucket(Bucket=self._storage.bucket_name)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return False

    def read(self, name: str) -> tuple[bytes, Stored]:
        """The content and the facts of an object, with one GET."""
        with _errors():
            response = self._client.get_object(**self._object(name), **self._reading(name))
            return response["Body"].read(), _stored(name, response)

    @contextmanager
    def open(self, name: str, *, by_content: bool = False) -> Iterator[tuple[Stored, Download]]:
        """The facts and the content of an object, with one GET. Unread parts are not fetched."""
        with _errors():
            response = self._client.get_object(**self._object(name), **self._reading(name))
        with closing(response["Body"]) as body, closing(Spool()) as spool:
            stored = _stored(name, response)
            fetching = _Fetching(body, spool, stored.bytes)
            yield stored, Download(fetching, spool, fingerprint_of(stored, by_content=by_content))

    def put(self, name: str, content: bytes, headers: Mapping[str, str]) -> str | None:
        """Save a new object with one PUT. Returns its ETag, or None if the object exists."""
        parameters = self._storage.get_object_parameters(name)
        if self._storage.default_acl:
            parameters.setdefault("ACL", self._storage.default_acl)
        request = {**parameters, **headers, **self._object(name), "Body": content}
        with _errors():
            try:
                response = self._client.put_object(**request, IfNoneMatch="*")
            except Exception as error:
                if _code(error) in _SECOND:
                    return None
                if _code(error) not in _UNCONDITIONAL:
                    raise
                response = self._client.put_object(**request)
        return _etag(response)

    def walk(self, directory: str, after: str = "") -> Iterator[Stored]:
        """All objects below a directory after a name, with one request for a thousand."""
        prefix = self._key(directory) + "/" if directory else self._location
        for entry in self._entries(prefix, self._location + after if after else ""):
            yield self._listed(entry)

    def page(self, after: str) -> tuple[dict[str, Stored], bool]:
        """The next thousand objects after a name, and whether there are more. The name need not exist."""
        with _errors():
            response = self._client.list_objects_v2(
                Bucket=self._storage.bucket_name,
                Prefix=self._location,
                StartAfter=self._location + after,
                MaxKeys=BATCH,
            )
        found = [self._listed(entry) for entry in response.get("Contents", ())]
        return {one.name: one for one in found}, response["IsTruncated"]

    def remove(self, names: Iterable[str]) -> None:
        """Delete objects, with one request for a thousand. Missing objects are no error."""
        keys = [{"Key": self._key(name)} for name in names]
        for start in range(0, len(keys), BATCH):
            with _errors():
                response = self._client.delete_objects(
                    Bucket=self._storage.bucket_name,
                    Delete={"Objects": keys[start : start + BATCH], "Quiet": True},
                )
            if response.get("Errors"):
                failed = response["Errors"][0]
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

    # All threads share the bucket's own client. `connection` would make one for each thread.
    @property
    def _client(self) -> Any:
        return self._storage.bucket.meta.client

    @property
    def _location(self) -> str:
        location = self._storage.location.strip("/")
        return f"{location}/" if location else ""

    def _key(self, name: str) -> str:
        # The storage would turn "../x" into "x", a second name for the same object.
        if any(segment in {"", ".", ".."} for segment in name.split("/")):
            raise SuspiciousFileOperation(f"{name[:200]!r} is not the name of an object")
        return self._location + name

    def check(self, name: str) -> None:
        """Raises SuspiciousFileOperation if this is not the name of an object."""
        self._key(name)

    def _object(self, name: str) -> dict[str, str]:
        return {"Bucket": self._storage.bucket_name, "Key": self._key(name)}

    def _reading(self, name: str) -> dict[str, Any]:
        parameters = self._storage.get_object_parameters(name)
        return {key: value for key, value in parameters.items() if key in _READING}


class _Fetching:
    """Fetches an object only as far as it is read."""

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
                raise OSError(errno.EIO, "the response ends too early")
            self._spool.append(chunk)


def fingerprint_of(stored: Stored, *, by_content: bool = False) -> str:
    """A fingerprint of an object. `by_content` leaves out the time, so that equal bytes are equal."""
    content = f"{stored.bytes}-{(stored.etag or '')[:64]}"
    return content if by_content else f"{content}-{int(stored.modified_at)}"


def _stored(name: str, response: Mapping[str, Any]) -> Stored:
    modified_at = response["LastModified"].timestamp()
    return Stored(name, response["ContentLength"], modified_at, _etag(response))


def _etag(response: Mapping[str, Any]) -> str:
    return cast("str", response["ETag"]).strip('"')


def _code(error: Exception) -> str:
    """The code of an S3 error, such as "NoSuchKey" or "404". Empty for other errors."""
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


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
