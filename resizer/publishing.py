"""Put a variant's bytes under its key, whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage

from resizer.errors import StoreFailed

if TYPE_CHECKING:
    from django.core.files.storage import Storage

    from resizer.formats import Format


def publish(storage: Storage, key: str, content: bytes, written_as: Format) -> bool:
    """Save content under a key; False where something is there already, which stays. Raises StoreFailed.

    Django's own file system storage can leave half a file under the final name, when the process is killed or
    the disk is full, and one file with a random suffix for each of several writers.
    """
    try:
        if isinstance(storage, FileSystemStorage):
            return _publish_file(storage, key, content)
        return _publish_object(storage, key, content, written_as)
    except Exception as error:
        # A storage's library raises classes of its own, of which we know nothing.
        raise StoreFailed(f"{key!r}: {error}") from error


def _publish_file(storage: FileSystemStorage, key: str, content: bytes) -> bool:
    """Write beside the final name, then link: a name appears with all its bytes, and the first one wins."""
    path = Path(storage.path(key))
    _make_directories(storage, path.parent)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        _write(temporary, content, storage.file_permissions_mode)
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
        except OSError:
            # A file system without hard links, as on some network shares: the last one wins, with the same picture.
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _flush(path.parent)
    return True


def _make_directories(storage: FileSystemStorage, directory: Path) -> None:
    mode = storage.directory_permissions_mode
    missing = [parent for parent in (directory, *directory.parents) if not parent.exists()]
    directory.mkdir(parents=True, exist_ok=True)
    if mode is not None:
        for parent in missing:
            parent.chmod(mode)


def _write(path: Path, content: bytes, mode: int | None) -> None:
    # 0o666 less the umask, as any other new file; the storage's own mode replaces it.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    with open(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        if mode is not None:
            os.fchmod(descriptor, mode)
        # Without it a power cut can leave a name with no bytes.
        os.fsync(descriptor)


def _flush(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _publish_object(storage: Storage, key: str, content: bytes, written_as: Format) -> bool:
    file = ContentFile(content, name=key)
    # Storages of objects keep it with them; guessed from the name it can be wrong, or missing.
    file.content_type = written_as.content_type  # type: ignore[attr-defined]
    saved = storage.save(key, file)
    if saved != key:
        # Another was first, and the storage has made up a name for ours.
        storage.delete(saved)
    return saved == key
