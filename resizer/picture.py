"""The documented door for Python: the pictures that tags print, as values."""

from __future__ import annotations

from resizer.markup.html import Picture
from resizer.markup.picture import build, url

__all__ = ["Picture", "build", "url"]
