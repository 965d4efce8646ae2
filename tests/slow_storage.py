"""A storage that is elsewhere, and does not answer for as long as a test likes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.files.storage import FileSystemStorage, Storage

if TYPE_CHECKING:
    from datetime import datetime


class SlowStorage(Storage):
    """Files of a directory; while there is one called `hold/save`, none is saved, and so on."""

    def __init__(self, location: str, hold: str) -> None:
        self._files = FileSystemStorage(location)
        self._hold = Path(hold)

    def _wait(self, action: str) -> None:
        while (self._hold / action).exists():
            time.sleep(0.01)

    def _open(self, name: str, mode: str = "rb") -> Any:
        self._wait("open")
        return self._files.open(name, mode)

    def _save(self, name: str, content: Any) -> str:
        self._wait("save")
        return self._files.save(name, content)

    def size(self, name: str) -> int:
        self._wait("size")
        return self._files.size(name)

    def exists(self, name: str) -> bool:
        return self._files.exists(name)

    def delete(self, name: str) -> None:
        self._files.delete(name)

    def get_modified_time(self, name: str) -> datetime:
        return self._files.get_modified_time(name)
