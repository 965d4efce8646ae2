"""A bounded memory of the process."""

from __future__ import annotations

import threading
from typing import TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Memo(dict[Key, Value]):
    """A dict of limited size. Write with `remember` and `forget` only."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size
        self._lock = threading.Lock()

    def remember(self, key: Key, value: Value) -> None:
        """Add an entry. Beyond `size` entries, forget the oldest one."""
        with self._lock:
            self.pop(key, None)
            if len(self) >= self._size:
                del self[next(iter(self))]
            self[key] = value

    def forget(self, key: Key) -> None:
        """Remove an entry, if there is one."""
        with self._lock:
            self.pop(key, None)
