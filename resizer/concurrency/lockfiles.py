"""Lock files for the processes of one machine. The kernel releases a lock when its process dies.

Lock files are never deleted: another process could create a deleted file again, and lock it a second time. So their
number is fixed, and keys share them. Without a usable directory, and on Windows, all functions raise OSError.
"""

from __future__ import annotations

import os
import secrets
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, cast

from django.conf import settings as django_settings

from resizer.conf import get_settings
from resizer.keys.digests import digest_of

if TYPE_CHECKING:
    from types import ModuleType

#: The number of files for all keys. Two keys with the same file wait for each other. With 32 renders at once, this
#: happens to one in 128.
SLOTS = 4096
#: The size of the text in a lock file, filled up with spaces.
TEXT_BYTES = 96


def directory() -> Path:
    """The directory of this project and this user."""
    configured = get_settings().LOCK_DIRECTORY
    if configured is not None:
        return Path(configured)
    module = sys.modules.get(str(django_settings.SETTINGS_MODULE))
    project = digest_of(str(getattr(module, "__file__", "")))[:12]
    return Path(tempfile.gettempdir()) / f"resizer-{os.geteuid()}-{project}"


def slot(key: str) -> int:
    return int(digest_of(key), 16) % SLOTS


def lock(name: str, *, waits: bool = False) -> int | None:
    """Lock a file. Returns its descriptor for `unlock`, or None if another thread or process holds the lock."""
    fcntl = _fcntl()
    descriptor = _open(name)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
    except OSError as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            return None
        raise
    return descriptor


def unlock(descriptor: int) -> None:
    """Release the lock and close the file. Closing alone is not enough: a forked process may have it open as well."""
    fcntl = _fcntl()
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)


def identity() -> str:
    """A name for all processes with this directory."""
    descriptor = cast("int", lock("identity", waits=True))
    try:
        name = read(descriptor)
        if not name:
            name = secrets.token_hex(16)
            write(descriptor, name)
        return name
    finally:
        unlock(descriptor)


def read(descriptor: int) -> str:
    """The text in a lock file. Empty at first."""
    return os.pread(descriptor, TEXT_BYTES, 0).decode().strip()


def read_unlocked(name: str) -> str:
    """`read`, while another process may hold the lock."""
    descriptor = _open(name)
    try:
        return read(descriptor)
    finally:
        os.close(descriptor)


def write(descriptor: int, text: str) -> None:
    """Replace the text in a lock file."""
    os.pwrite(descriptor, text.ljust(TEXT_BYTES).encode(), 0)


def _fcntl() -> ModuleType:
    """Imported here, because Windows has no such module, and the app works without locks."""
    try:
        import fcntl
    except ImportError as error:
        raise OSError("this system has no lock files") from error
    return fcntl


def _open(name: str) -> int:
    path = directory()
    try:
        opened = _open_directory(path)
    except FileNotFoundError:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        opened = _open_directory(path)
    try:
        status = os.fstat(opened)
        if status.st_uid != os.geteuid() or status.st_mode & 0o022:
            raise PermissionError(f"others may write into {path}")
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
        return os.open(name, flags, 0o600, dir_fd=opened)
    finally:
        os.close(opened)


def _open_directory(path: Path) -> int:
    # In a directory for all users, such as /tmp, another user may have put a link or a directory at this path.
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
