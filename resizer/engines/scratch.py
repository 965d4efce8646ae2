"""Files that nobody else sees, and that are gone when they are closed."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import BinaryIO


def open_scratch() -> BinaryIO:
    """A file with a descriptor, in memory where the system has such."""
    if hasattr(os, "memfd_create"):
        return open(os.memfd_create("resizer"), "w+b")
    return tempfile.TemporaryFile()  # pragma: no cover  # other systems do with a disk
