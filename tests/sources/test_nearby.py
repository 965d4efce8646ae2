"""Sources that are asked before Django."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from resizer.concurrency.at_once import NotAtOnce
from resizer.concurrency.slowness import Slowness
from resizer.errors import OriginalNotFound
from resizer.sources import StaticSource, get_source, nearby
from resizer.sources.nearby import stat_at_once
from tests.conftest import save

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django import Settings


def test_file_on_this_machine_is_asked_for() -> None:
    save("a.jpg")
    assert stat_at_once("default", "a.jpg") == get_source("default").stat("a.jpg")
    for alias, name in (("default", "b.jpg"), ("elsewhere", "a.jpg")):
        with pytest.raises(OriginalNotFound):
            stat_at_once(alias, name)


def test_static_files_are_where_their_storage_is() -> None:
    assert StaticSource().is_local


def test_source_elsewhere_is_left_to_django(settings: Settings, tmp_path: Path) -> None:
    options = {"base_url": "https://example.com/"}
    web = {"BACKEND": "resizer.sources.HttpSource", "OPTIONS": options}
    slow = {"OPTIONS": {"storage": "slow"}}
    places = {"location": str(tmp_path), "hold": str(tmp_path)}
    backend = "tests.slow_storage.SlowStorage"
    settings.STORAGES = {**settings.STORAGES, "slow": {"BACKEND": backend, "OPTIONS": places}}
    settings.RESIZER = {"SOURCES": {"default": {}, "web": web, "slow": slow}}
    for alias in ("web", "slow"):
        with pytest.raises(NotAtOnce):
            stat_at_once(alias, "a.jpg")


def test_absent_directory_is_left_to_django(tmp_path: Path) -> None:
    (tmp_path / "originals").rmdir()
    with pytest.raises(NotAtOnce):
        stat_at_once("default", "a.jpg")


def test_few_threads_ask_a_slow_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    save("a.jpg")
    monkeypatch.setattr(nearby, "_asking", slow := Slowness("it", 0, 1))
    with slow.asking(), pytest.raises(NotAtOnce):
        stat_at_once("default", "a.jpg")
    assert stat_at_once("default", "a.jpg").bytes > 0
