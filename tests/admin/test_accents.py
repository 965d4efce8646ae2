from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import dj_database_url
import pytest
from django.db import connections

from resizer.admin.accents import without_accents
from tests.servers import ROOT, manage, postgresql_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_django import DjangoDbBlocker, Settings

FIND = """
from django.db import connection
from django.contrib.postgres.operations import UnaccentExtension
from resizer.admin.accents import without_accents
from resizer.models import Original
Original.objects.create(name="löwenzahn.jpg", width=1, height=1, format="jpeg", bytes=1)
def find():
    (field,) = without_accents(["name"], "default")
    print(Original.objects.filter(**{field + "__icontains": "lowen"}).count())
find()
connection.cursor().execute("CREATE EXTENSION unaccent")
find()
"""


@pytest.mark.service("postgresql")
def test_accents_are_ignored_with_the_extension(
    tmp_path: Path, settings: Settings, django_db_blocker: DjangoDbBlocker
) -> None:
    (tmp_path / "accented.py").write_text(
        "from config.settings import *\nINSTALLED_APPS += ['django.contrib.postgres']\n"
    )
    with postgresql_server() as url:
        environment = {
            "DATABASE_URL": url,
            "DJANGO_DEBUG": "1",
            "DJANGO_SETTINGS_MODULE": "accented",
            "PYTHONPATH": f"{tmp_path}:{ROOT}",
            "RESIZER_DATA_DIR": str(tmp_path),
        }
        manage(ROOT, environment, "migrate", "--verbosity", "0")
        assert manage(ROOT, environment, "shell", "-v0", "-c", FIND).split() == ["0", "1"]
        settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "django.contrib.postgres"]
        with connected(url) as alias, django_db_blocker.unblock():
            assert without_accents(["name"], alias) == ["name__unaccent"]
            connections[alias].cursor().execute("DROP EXTENSION unaccent")
            assert without_accents(["name"], alias) == ["name"]


@contextmanager
def connected(url: str) -> Iterator[str]:
    """An alias of one more database."""
    connections.databases["accented"] = {
        **connections.databases["default"],
        **dj_database_url.parse(url),
        "OPTIONS": {},
    }
    try:
        yield "accented"
    finally:
        connections["accented"].close()
        del connections["accented"]
        del connections.databases["accented"]
