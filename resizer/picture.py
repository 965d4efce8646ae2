"""The documented door for Python: the pictures that tags print, as values."""

from __future__ import annotations

from resizer.markup.picture import Picture, build, url

__all__ = ["Picture", "build", "url"]
