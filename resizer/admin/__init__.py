"""The admin of cached variants and of originals, and parts of it for the admin of other models.

| module | contents |
|---|---|
| `variants.py`, `originals.py` | the two lists and their pages, as mixins for any base class |
| `lists.py` | what a list adds to its rows, with one query each |
| `states.py` | current, stale and orphaned variants |
| `removing.py`, `making.py` | the actions |
| `previews.py`, `files.py` | previews of variants that exist, and the very files |
| `words.py` | recipes in words |
"""

from __future__ import annotations

from django.contrib import admin

from resizer.admin.originals import OriginalAdmin, OriginalMixin
from resizer.admin.variants import CachedVariantAdmin, CachedVariantMixin
from resizer.conf import wants_admin
from resizer.models import CachedVariant, Original

__all__ = ["CachedVariantAdmin", "CachedVariantMixin", "OriginalAdmin", "OriginalMixin"]

if wants_admin():
    admin.site.register(CachedVariant, CachedVariantAdmin)
    admin.site.register(Original, OriginalAdmin)
