"""The project in directories of a test, as it is before a server runs it."""

from __future__ import annotations

import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from tests.nginx import Reply, ask


class Project(NamedTuple):
    """One that is not served yet."""

    directory: Path
    environment: dict[str, str]

    def save(self, name: str, content: bytes) -> None:
        path = self.directory / "originals" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)

    def stored(self) -> list[str]:
        from tests.conftest import files  # which makes projects, too

        return files(self.directory / "variants")

    def lines(self) -> list[str]:
        """What the engines of all processes did, such as "begin 4711"."""
        path = Path(self.environment["TESTS_LOG"])
        return path.read_text().splitlines() if path.exists() else []

    def log(self) -> list[str]:
        return [line.split()[0] for line in self.lines()]


def make(migrated: Path, directory: Path) -> Project:
    """In a new directory, with a copy of this database."""
    directory.mkdir()
    shutil.copy(migrated, directory)
    return Project(directory, environment(directory))


def environment(directory: Path) -> dict[str, str]:
    return {
        "DJANGO_SETTINGS_MODULE": "tests.load_settings",
        "DJANGO_SECRET_KEY": "for tests only",
        "DJANGO_ALLOWED_HOSTS": "127.0.0.1",
        "RESIZER_OPEN": "default",
        "RESIZER_DATA_DIR": str(directory),
        "TESTS_LOCKS": str(directory / "locks"),
        "TESTS_LOG": str(directory / "engine.log"),
    }


def ask_together(urls: list[str], clients: int) -> list[Reply]:
    with ThreadPoolExecutor(clients) as pool:
        return list(pool.map(ask, urls))


def rows(project: Project) -> list[str]:
    with closing(sqlite3.connect(project.directory / "db.sqlite3")) as connection:
        return [key for (key,) in connection.execute("SELECT key FROM resizer_cachedvariant")]
