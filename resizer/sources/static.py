"""Static files as originals: from the finders in development, from `collectstatic` in production."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from django.conf import settings as django_settings

from resizer.conf import get_settings
from resizer.keys.names import tidy_name
from resizer.sources.files import OriginalFile, listing_errors, storage_errors
from resizer.sources.storage import StorageSource
from resizer.storages.contents import FileContent
from resizer.storages.local import open_file, stat_content

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.core.files.storage import Storage

    from resizer.storages.protocol import Stat


class StaticSource:
    """Static files. `storage` is the alias in `STORAGES` of the collected files."""

    def __init__(self, storage: str = "staticfiles") -> None:
        # `collectstatic --link` makes links. No visitor puts files there.
        # Servers collect the same files at different times.
        self._collected = StorageSource(storage, follow_symlinks=True, by_content=True)

    @property
    def is_local(self) -> bool:
        return self._collected.is_local

    def claims(self, storage: Storage) -> bool:
        return self._collected.claims(storage)

    def spell(self, name: str) -> str:
        return tidy_name(name)

    def stat(self, name: str, known: str | None = None) -> Stat:
        if django_settings.DEBUG:
            with storage_errors(name):
                return stat_content(_find(name), get_settings().MAX_BYTES)
        return self._collected.stat(self._stored_name(name), known)

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        if not django_settings.DEBUG:
            with self._collected.open(self._stored_name(name)) as collected:
                yield collected
            return
        with storage_errors(name):
            file = open_file(_find(name))
        with file:
            yield cast("BinaryIO", OriginalFile(FileContent(file), name))

    def names(self) -> Iterator[str]:
        if not django_settings.DEBUG:
            yield from self._collected.names()
            return
        with listing_errors():
            yield from _list()

    def url(self, name: str) -> str:
        # Imported here, because a project may not have the app.
        from django.contrib.staticfiles.storage import HashedFilesMixin

        with storage_errors(name):
            storage = self._collected.storage
        if not isinstance(storage, HashedFilesMixin) or self._stored_name(name) != name:
            return self._collected.url(name)
        # A strict manifest refuses unknown names, such as an already hashed one.
        with storage_errors(name):
            return str(super(HashedFilesMixin, cast("Any", storage)).url(name))

    def name_of(self, url: str) -> str | None:
        return self._collected.name_of(url)

    def _stored_name(self, name: str) -> str:
        """The name of the collected file. Manifest storages add a hash, and may keep no file without it."""
        with storage_errors(name):
            storage = self._collected.storage
            manifest = getattr(storage, "hashed_files", None)
            if manifest is not None:
                # `stored_name` would take the name for a URL, and hash a file missing in the manifest.
                return str(manifest.get(name, name))
            return str(storage.stored_name(name)) if hasattr(storage, "stored_name") else name


def _find(name: str) -> str:
    """The path of a static file. Raises FileNotFoundError, and storages' errors about the name."""
    # Imported here, because a project may not have the app and its settings.
    from django.contrib.staticfiles import finders

    path = finders.find(name)
    if path is None:
        raise FileNotFoundError(errno.ENOENT, "no finder has it")
    return path


def _list() -> Iterator[str]:
    from django.contrib.staticfiles import finders

    for finder in finders.get_finders():
        for path, storage in finder.list([]):
            # The prefix of a directory in STATICFILES_DIRS.
            prefix = getattr(storage, "prefix", None)
            yield f"{prefix}/{path}" if prefix else path
