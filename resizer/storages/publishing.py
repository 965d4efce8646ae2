"""Variants in a storage: `publish` one whole or not at all, `fetch` it, `walk` over all, `remove` some.

Local files, buckets of S3, and any other storage of Django's.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage

from resizer.breaker import Slowness
from resizer.errors import StoreFailed
from resizer.storages import directories
from resizer.storages.buckets import Bucket, bucket_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from django.core.files.storage import Storage

    from resizer.formats import Format
    from resizer.storages.buckets import LookUp

#: A storage is slow where it has been asked for so many seconds …
SLOW_SECONDS = 1
#: … and then no more threads of a process read from it at once.
MAX_SLOW = 4

_reading = Slowness(SLOW_SECONDS, MAX_SLOW)

#: A key says which version it is of, so what is under it never changes.
FOREVER = "public, max-age=31536000, immutable"


class Published(NamedTuple):
    #: As the storage will tell it to a browser; None where storages tell none.
    etag: str | None
    modified_at: float | None  # POSIX seconds; None where storages do not tell


class Fetched(NamedTuple):
    content: bytes
    modified_at: float  # POSIX seconds
    etag: str | None


class Stored(NamedTuple):
    """A file in the storage."""

    name: str
    bytes: int
    modified_at: float  # POSIX seconds


def publish(storage: Storage, key: str, content: bytes, written_as: Format) -> Published | None:
    """Save content under a key; None where something is there already, which stays. Raises StoreFailed.

    Django's own file system storage can leave half a file under the final name, when the process is killed or
    the disk is full, and one file with a random suffix for each of several writers.
    """
    with _errors(key):
        if isinstance(storage, FileSystemStorage):
            return _publish_file(storage, key, content)
        bucket = bucket_of(storage)
        if bucket is not None:
            return _publish_object(bucket, key, content, written_as)
        return _publish_elsewhere(storage, key, content, written_as)


def fetch(storage: Storage, key: str) -> Fetched | None:
    """What is under a key, asked for once; None if nothing is there. Raises StoreFailed."""
    bucket = bucket_of(storage)
    with _errors(key), _reading.asking():
        if bucket is not None:
            return _fetch_object(bucket, key)
        try:
            if isinstance(storage, FileSystemStorage):
                with open(storage.path(key), "rb") as opened:
                    return Fetched(opened.read(), os.fstat(opened.fileno()).st_mtime, None)
            with storage.open(key) as file:
                content = bytes(file.read())
            return Fetched(content, _modified_at(storage, key), None)
        except FileNotFoundError:
            return None


def exists(storage: Storage, key: str) -> bool:
    """Raises StoreFailed."""
    bucket = bucket_of(storage)
    with _errors(key), _reading.asking():
        if bucket is None:
            return storage.exists(key)
        try:
            bucket.stat(key)
        except (FileNotFoundError, PermissionError):
            return False
        return True


def missing(storage: Storage, keys: Iterable[str]) -> list[str]:
    """Those under which nothing is. A bucket is listed where they lie. Raises StoreFailed."""
    bucket = bucket_of(storage)
    with _errors("files"):
        if bucket is None:
            return [key for key in keys if not storage.exists(key)]
        look_up = bucket.look_up()
        return [key for key in sorted(keys) if not _is_listed(look_up, key)]


def note(storage: Storage, name: str, content: bytes) -> None:
    """Keep a few bytes under a name, in place of others; killed meanwhile, there may be none, or half of them.

    Raises StoreFailed.
    """
    with _errors(name):
        storage.delete(name)
        storage.save(name, ContentFile(content))


def walk(storage: Storage, directory: str = "", after: str = "") -> Iterator[Stored]:
    """All files below a directory, temporary ones as well, in the storage's order; those after one. Raises StoreFailed.

    What is deleted meanwhile is no error, and does not end it.
    """
    bucket = bucket_of(storage)
    with _errors(directory):
        if isinstance(storage, FileSystemStorage):
            yield from _walk_files(storage, directory, after)
        elif bucket is not None:
            yield from (Stored(*listed) for listed in bucket.walk(directory, after))
        else:
            yield from _walk_elsewhere(storage, directory, after)


def remove(storage: Storage, keys: Iterable[str]) -> None:
    """Delete files, those that exist, and the directories that this empties. Raises StoreFailed."""
    keys = list(keys)
    bucket = bucket_of(storage)
    with _errors(f"{len(keys)} files from {keys[0]!r} on" if keys else ""):
        if bucket is not None:
            bucket.remove(keys)
            return
        for key in keys:
            storage.delete(key)
            if isinstance(storage, FileSystemStorage):
                _remove_empty_directories(storage, key)


def address(storage: Storage, key: str) -> str | None:
    """Where the storage itself answers a key; None for local files, of which only a web server before us knows."""
    if isinstance(storage, FileSystemStorage):
        return None
    with _errors(key):
        try:
            return storage.url(key)
        except NotImplementedError:
            # Django's word for a storage that browsers cannot reach.
            return None


def _publish_file(storage: FileSystemStorage, key: str, content: bytes) -> Published | None:
    """Write beside the final name, then link: a name appears with all its bytes, and the first one wins."""
    path = Path(storage.path(key))
    new = _make_directories(storage, path.parent)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        modified_at = _write(temporary, content, storage.file_permissions_mode)
        try:
            os.link(temporary, path)
        except FileExistsError:
            return None
        except OSError:
            # A file system without hard links, as on some network shares: the last one wins, with the same picture.
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _flush(path.parent)
    for directory in new:
        # After a power cut nobody finds a file in a directory of which the one above does not know. That one may be of
        # another user, and hide its names from us.
        with contextlib.suppress(PermissionError):
            _flush(directory.parent)
    return Published(None, modified_at)


def _make_directories(storage: FileSystemStorage, directory: Path) -> list[Path]:
    """The new ones."""
    mode = storage.directory_permissions_mode
    missing = [parent for parent in (directory, *directory.parents) if not parent.exists()]
    directory.mkdir(parents=True, exist_ok=True)
    if mode is not None:
        for parent in missing:
            parent.chmod(mode)
    return missing


def _write(path: Path, content: bytes, mode: int | None) -> float:
    """When the file was written, as a web server will tell it, POSIX seconds."""
    # 0o666 less the umask, as any other new file; the storage's own mode replaces it.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    with open(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        if mode is not None:
            os.fchmod(descriptor, mode)
        # Without it a power cut can leave a name with no bytes.
        os.fsync(descriptor)
        return os.fstat(descriptor).st_mtime


def _flush(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _walk_files(storage: FileSystemStorage, directory: str, after: str) -> Iterator[Stored]:
    # Follows the rules of the storage about names.
    storage.path(directory)
    for name in directories.walk(storage.location, directory, _below(directory, after)):
        # Another process may delete it meanwhile.
        with contextlib.suppress(FileNotFoundError):
            status = Path(storage.location, name).lstat()
            yield Stored(name, status.st_size, status.st_mtime)


def _below(directory: str, name: str) -> str:
    """A name as seen from a directory."""
    return name.removeprefix(f"{directory}/") if directory else name


def _remove_empty_directories(storage: FileSystemStorage, key: str) -> None:
    directory = Path(storage.path(key)).parent
    with contextlib.suppress(OSError):
        # Up to the first directory that still holds something.
        while directory != Path(storage.location):
            directory.rmdir()
            directory = directory.parent


def _publish_object(
    bucket: Bucket, key: str, content: bytes, written_as: Format
) -> Published | None:
    # The bucket answers later requests by itself, and has to say what we would.
    headers = {"ContentType": written_as.content_type, "CacheControl": FOREVER}
    etag = bucket.put(key, content, headers)
    return None if etag is None else Published(etag, None)


def _fetch_object(bucket: Bucket, key: str) -> Fetched | None:
    try:
        content, facts = bucket.read(key)
    except (FileNotFoundError, PermissionError):
        # The latter is what S3 says of a missing key to those who may not list the bucket.
        return None
    return Fetched(content, facts.modified_at, facts.etag)


def _is_listed(look_up: LookUp, key: str) -> bool:
    try:
        look_up.stat(key)
    except FileNotFoundError:
        return False
    return True


def _publish_elsewhere(
    storage: Storage, key: str, content: bytes, written_as: Format
) -> Published | None:
    file = ContentFile(content, name=key)
    # Storages of objects keep it with them; guessed from the name it can be wrong, or missing.
    file.content_type = written_as.content_type  # type: ignore[attr-defined]
    try:
        saved = storage.save(key, file)
    except Exception:
        # Half of it may be there, where a web server finds it. If it was another's, that is made again.
        with contextlib.suppress(Exception):
            storage.delete(key)
        raise
    if saved != key:
        # Another was first, and the storage has made up a name for ours.
        storage.delete(saved)
    return Published(None, None) if saved == key else None


def _walk_elsewhere(storage: Storage, directory: str, after: str) -> Iterator[Stored]:
    for name in directories.walk_storage(storage, directory, _below(directory, after)):
        with contextlib.suppress(FileNotFoundError):
            yield Stored(name, storage.size(name), _modified_at(storage, name))


def _modified_at(storage: Storage, key: str) -> float:
    try:
        return storage.get_modified_time(key).timestamp()
    except NotImplementedError:
        # Django's word for a storage that keeps no times.
        return time.time()


@contextmanager
def _errors(name: str) -> Iterator[None]:
    """Turn what storages raise into our error."""
    try:
        yield
    except Exception as error:
        # A storage's library raises classes of its own, of which we know nothing.
        raise StoreFailed(f"{name!r}: {error}") from error
