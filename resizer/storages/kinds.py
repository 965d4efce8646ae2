"""The kind of a storage: its class in this package, chosen once for each storage."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from django.core.files.storage import FileSystemStorage, InMemoryStorage
from django.utils.functional import LazyObject, empty

from resizer.storages.any import AnyStorage
from resizer.storages.files import Files
from resizer.storages.memory import Memory
from resizer.storages.objects import Objects

if TYPE_CHECKING:
    from django.core.files.storage import Storage

    from resizer.storages.protocol import Kind

#: Attributes of django-storages' `S3Storage` and its subclasses. `hasattr` asks the class, because `bucket` of an
#: instance sets up a client.
_OFFERED_BY_S3 = ("bucket", "unsigned_connection", "get_object_parameters")


@functools.lru_cache
def kind_of(storage: Storage) -> Kind:
    """The kind of a storage. Raises whatever the setup of a lazy storage raises."""
    storage = unwrap(storage)
    if isinstance(storage, FileSystemStorage):
        return Files(storage)
    if isinstance(storage, InMemoryStorage):
        return Memory(storage)
    if all(hasattr(type(storage), name) for name in _OFFERED_BY_S3):
        return Objects(storage)
    return AnyStorage(storage)


def unwrap(storage: Storage) -> Storage:
    """The storage inside a lazy object, or the storage itself. Raises whatever its setup raises."""
    while isinstance(storage, LazyObject):
        if storage._wrapped is empty:
            storage._setup()
        storage = storage._wrapped
    return storage
