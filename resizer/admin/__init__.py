"""The admin of cached variants and of originals, and parts of it for the admin of other models.

| module | contents |
|---|---|
| `variants.py`, `originals.py` | the two lists and their pages, as mixins for any base class |
| `mixins.py`, `pictures.py`, `widgets.py` | for models with pictures: the mixin, previews, the widget of focal points |
| `overview.py` | the header with totals |
| `lists.py`, `filters.py`, `accents.py` | lists: facts about their rows by one query, filters, search |
| `sheet.py`, `crops.py`, `visitors.py`, `uses.py` | the page of an original: live crops, loads of devices, objects with the file |
| `states.py` | current, stale and orphaned variants |
| `removing.py`, `making.py` | the actions |
| `previews.py`, `files.py` | previews of variants that exist, and the very files |
| `words.py` | recipes in words |
"""

from __future__ import annotations

from django.contrib import admin

from resizer.admin.mixins import PictureMixin
from resizer.admin.originals import OriginalAdmin, OriginalMixin
from resizer.admin.pictures import preview
from resizer.admin.variants import CachedVariantAdmin, CachedVariantMixin
from resizer.admin.widgets import FocalPointWidget
from resizer.conf import wants_admin
from resizer.models import CachedVariant, Original

__all__ = [
    "CachedVariantAdmin",
    "CachedVariantMixin",
    "FocalPointWidget",
    "OriginalAdmin",
    "OriginalMixin",
    "PictureMixin",
    "preview",
]

if wants_admin():
    admin.site.register(CachedVariant, CachedVariantAdmin)
    admin.site.register(Original, OriginalAdmin)
