"""Search without accents, where the database can: PostgreSQL with its extension `unaccent`.

Collations of MySQL and MariaDB ignore accents anyway. SQLite cannot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.apps import apps
from django.db import connections

if TYPE_CHECKING:
    from collections.abc import Sequence


def without_accents(fields: Sequence[str], alias: str) -> Sequence[str]:
    """The names of search fields, with the lookup of the database for texts without accents."""
    return [f"{name}__unaccent" for name in fields] if _has_unaccent(alias) else fields


def _has_unaccent(alias: str) -> bool:
    connection = connections[alias]
    # The app registers the lookup.
    if connection.vendor != "postgresql" or not apps.is_installed("django.contrib.postgres"):
        return False
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_extension WHERE extname = 'unaccent'")
        return cursor.fetchone() is not None
