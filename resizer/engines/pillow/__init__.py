"""The default engine without libvips: Pillow."""

from __future__ import annotations

from resizer.engines.pillow.engine import PillowEngine

__all__ = ["PillowEngine"]
