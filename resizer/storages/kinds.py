"""Which kind a storage is of."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from django.core.files.storage import FileSystemStorage
from django.utils.functional import LazyObject, empty

from resizer.storages.any import AnyStorage
from resizer.storages.files import Files
from resizer.storages.objects import Objects

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from django.core.files.storage import Storage

    from resizer.storages.protocol import Kind

#: What the class of django-storages' `S3Storage` has, and classes made of it.
_OFFERED_BY_S3 = ("bucket", "unsigned_connection", "get_object_parameters")


def kind_of(storage: Storage) -> Kind:
    """Raises what setting up a lazy storage raises."""
    storage = unwrap(storage)
    # mypy takes a method of the class's instances for one of its own.
    return _choose(type(storage))(storage)  # type: ignore[arg-type]


def unwrap(storage: Storage) -> Storage:
    """The storage itself, where it is wrapped in a lazy object. Raises what setting it up raises."""
    while isinstance(storage, LazyObject):
        if storage._wrapped is empty:
            storage._setup()
        storage = storage._wrapped
    return storage


@functools.lru_cache
def _choose(storage: Any) -> Callable[[Any], Kind]:
    if issubclass(storage, FileSystemStorage):
        return Files
    # Asked of the class, because `bucket` of an instance sets up a client.
    return Objects if all(hasattr(storage, name) for name in _OFFERED_BY_S3) else AnyStorage
