from __future__ import annotations

import os
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from resizer.storages import directories

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Each path that is asked for, after its directory has been listed."""
    paths: list[str] = []
    for name in ("isdir", "realpath"):
        real = getattr(os.path, name)

        def ask(path: str, *, real: object = real) -> object:
            paths.append(os.path.basename(path))
            return real(path)  # type: ignore[operator]

        monkeypatch.setattr(os.path, name, ask)
    return paths


def test_files_are_not_asked_for_one_by_one(tmp_path: Path, asked: list[str]) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").symlink_to("a")
    (tmp_path / "c.jpg").symlink_to("0.jpg")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "lost").symlink_to("nowhere")
    names = [f"{number}.jpg" for number in range(100)]
    for name in names:
        (tmp_path / "a" / name).touch()
        (tmp_path / name).touch()
    asked.clear()
    found = list(directories.walk_linked(tmp_path))
    inner = [f"{directory}/{name}" for directory in "ab" for name in names]
    assert sorted(found) == sorted([*names, *inner, "c.jpg", "lost"])
    assert not set(asked) & set(names)


def test_first_of_many_is_there_at_once(tmp_path: Path) -> None:
    peaks = []
    for number in (10, 3000):
        for place in range(number):
            (tmp_path / f"{place}.jpg").touch()
        tracemalloc.start()
        assert next(directories.walk_linked(tmp_path)).endswith(".jpg")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # What the first one needs is not what all of them do.
    assert peaks[1] < 2 * peaks[0] + 10_000


def test_closed_directory_below_the_root_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for directory in ("lost+found", "open"):
        (tmp_path / directory).mkdir()
        (tmp_path / directory / "a.jpg").touch()
    real, closed = os.scandir, {"lost+found"}

    # Root may read everything.
    def scandir(path: str) -> Any:
        if os.path.basename(path.rstrip("/")) in closed:
            raise PermissionError(path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert list(directories.walk_linked(tmp_path)) == ["open/a.jpg"]
    closed.add(tmp_path.name)
    with pytest.raises(PermissionError):
        list(directories.walk_linked(tmp_path))


def test_directory_that_is_not_there_has_nothing(tmp_path: Path) -> None:
    assert list(directories.walk_linked(tmp_path / "none")) == []
    assert list(directories.walk(tmp_path / "none")) == []


@pytest.mark.parametrize("page", [1, 3, 4, 7, 100])
def test_pages_make_one_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: int) -> None:
    monkeypatch.setattr(directories, "PAGE", page)
    names = ["A.jpg", "a/b.jpg", "a/c/d.jpg", "a-b.jpg", "a.jpg", "b.jpg", "é.jpg"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "elsewhere").symlink_to("a")
    in_order = sorted([*names, "elsewhere"], key=lambda name: name.split("/"))
    assert list(directories.walk(tmp_path)) == in_order
    for place, name in enumerate(in_order):
        assert list(directories.walk(tmp_path, "", name)) == in_order[place + 1 :]
