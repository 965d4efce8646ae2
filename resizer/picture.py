"""The public functions for Python: the picture of a tag as a value."""

from __future__ import annotations

from resizer.markup.html import Picture
from resizer.markup.picture import build, url

__all__ = ["Picture", "build", "url"]
