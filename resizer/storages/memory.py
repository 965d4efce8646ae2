"""Variants and originals in the memory of this process, for tests."""

from __future__ import annotations

from django.core.files.storage import InMemoryStorage

from resizer.storages.any import AnyStorage


class Memory(AnyStorage):
    """An `InMemoryStorage`. Each has files of its own, so its place is unknown."""

    names_are_paths = True
    place = None

    def __init__(self, storage: InMemoryStorage) -> None:
        super().__init__(storage)
        self.for_variants = InMemoryStorage()
