from __future__ import annotations

import errno
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, InMemoryStorage

from resizer.errors import StoreFailed
from resizer.formats import AVIF
from resizer.storages.publishing import fetch, note, publish, remove, walk
from tests.conftest import files, wait_until

if TYPE_CHECKING:
    from pytest_django import Settings

KEY = "photos/a.jpg/5d41402a-nFGBozSE6GBqnk/640.avif"
ROOT = Path(__file__).parents[2]


def test_file_has_all_its_bytes_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    publish(FileSystemStorage(tmp_path), KEY, b"content", AVIF)
    assert files(tmp_path) == [KEY]
    assert (tmp_path / KEY).read_bytes() == b"content"


def test_file_and_all_new_directories_are_flushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[str] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").resolve()
        flushed.append(str(path.relative_to(tmp_path)) if path.is_dir() else "the file")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    storage = FileSystemStorage(tmp_path / "variants")
    publish(storage, KEY, b"content", AVIF)
    directory = "variants/photos/a.jpg/5d41402a-nFGBozSE6GBqnk"
    above = ["variants/photos/a.jpg", "variants/photos", "variants", "."]
    assert flushed == ["the file", directory, *above]
    # Those that were there have been flushed by whoever made them.
    flushed.clear()
    publish(storage, KEY.replace("640", "320"), b"content", AVIF)
    assert flushed == ["the file", directory]


def test_directory_that_a_purge_deletes_meanwhile_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = FileSystemStorage(tmp_path)
    real_open, real_link = os.open, os.link
    purges = iter([True])

    def open_late(path: str, flags: int, *arguments: int) -> int:
        if flags & os.O_CREAT and next(purges, False):
            remove(storage, [KEY])
        return real_open(path, flags, *arguments)

    def link_early(source: str, target: str) -> None:
        real_link(source, target)
        os.unlink(source)
        remove(storage, [KEY])

    monkeypatch.setattr(os, "open", open_late)
    publish(storage, KEY, b"content", AVIF)
    assert files(tmp_path) == [KEY]
    # Deleted as soon as it is there.
    remove(storage, [KEY])
    monkeypatch.setattr(os, "link", link_early)
    publish(storage, KEY, b"content", AVIF)
    assert files(tmp_path) == []


def test_file_has_the_mode_of_the_umask(tmp_path: Path, settings: Settings) -> None:
    settings.FILE_UPLOAD_PERMISSIONS = None
    before = os.umask(0o027)
    try:
        publish(FileSystemStorage(tmp_path), KEY, b"content", AVIF)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / KEY).stat().st_mode) == 0o640


def test_file_and_directories_have_the_modes_of_the_storage(tmp_path: Path) -> None:
    storage = FileSystemStorage(
        tmp_path / "variants", file_permissions_mode=0o604, directory_permissions_mode=0o711
    )
    publish(storage, KEY, b"content", AVIF)
    path = tmp_path / "variants" / KEY
    assert stat.S_IMODE(path.stat().st_mode) == 0o604
    for parent in path.parents[:4]:
        assert stat.S_IMODE(parent.stat().st_mode) == 0o711


def test_file_system_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no hard links")

    monkeypatch.setattr(os, "link", refuse)
    publish(FileSystemStorage(tmp_path), KEY, b"content", AVIF)
    assert files(tmp_path) == [KEY]


def test_full_disk_leaves_nothing(tmp_path: Path) -> None:
    script = """
import resource, sys
from pathlib import Path
import django
from django.conf import settings
settings.configure()
from django.core.files.storage import FileSystemStorage
from resizer.errors import StoreFailed
from resizer.formats import AVIF
from resizer.storages.publishing import publish
import signal
# A limit on the size of a file ends a write in the middle, as a full disk does.
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    publish(FileSystemStorage(sys.argv[1]), "a.jpg/640.avif", bytes(1_000_000), AVIF)
except StoreFailed as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "File too large" in done.stdout
    assert files(tmp_path) == []


def test_killed_process_leaves_no_partial_file_under_a_final_name(tmp_path: Path) -> None:
    size = 4_000_000
    script = f"""
import itertools, sys
from django.conf import settings
settings.configure()
from django.core.files.storage import FileSystemStorage
from resizer.formats import AVIF
from resizer.storages.publishing import publish
storage = FileSystemStorage(sys.argv[1])
for number in itertools.count():
    publish(storage, f"{{sys.argv[2]}}/{{number}}.avif", bytes({size}), AVIF)
"""
    caught = 0
    for attempt in range(60):
        directory = tmp_path / str(attempt)
        process = subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path), str(attempt)], cwd=ROOT
        )
        wait_until((directory / "0.avif").exists)
        time.sleep(attempt % 10 / 300)
        process.send_signal(signal.SIGKILL)
        process.wait()
        finished = list(directory.glob("[!.]*"))
        assert finished
        assert {path.stat().st_size for path in finished} == {size}
        # What is left beside them shows that the process was saving when it was killed.
        caught += bool(list(directory.glob(".*.tmp")))
        shutil.rmtree(directory)
        if caught == 3:
            return
    pytest.fail("hardly a kill came while something was saved: the test shows nothing")


def test_object_is_saved_with_its_type() -> None:
    class TypedStorage(InMemoryStorage):
        def _save(self, name: str, content: Any) -> str:
            self.saved_as = content.content_type
            return super()._save(name, content)  # type: ignore[misc,no-any-return]  # not in the stubs

    storage = TypedStorage()
    publish(storage, KEY, b"content", AVIF)
    assert storage.open(KEY).read() == b"content"
    assert storage.saved_as == "image/avif"


def test_storage_that_fails_is_our_error() -> None:
    class Full(InMemoryStorage):
        def _save(self, name: str, content: Any) -> str:
            raise RuntimeError("quota exceeded")

    with pytest.raises(StoreFailed, match="quota exceeded"):
        publish(Full(), KEY, b"content", AVIF)


def test_directory_that_cannot_be_listed_is_our_error(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no directory")
    with pytest.raises(StoreFailed, match="Not a directory"):
        list(walk(FileSystemStorage(tmp_path), "a.jpg"))


class ContestedStorage(FileSystemStorage):
    """Another process saves the same name as soon as it is free."""

    def delete(self, name: str) -> None:
        super().delete(name)
        if name == "note":
            super().save(name, ContentFile(b"theirs"))


def test_second_note_of_two_leaves_no_file(tmp_path: Path) -> None:
    storage = ContestedStorage(tmp_path)
    for _ in range(2):
        note(storage, "note", b"ours")
    assert [one.name for one in walk(storage)] == ["note"]


def test_file_that_the_system_reads_in_parts_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = FileSystemStorage(tmp_path)
    publish(storage, "a.avif", b"content", AVIF)
    read = os.read
    monkeypatch.setattr(os, "read", lambda descriptor, size: read(descriptor, min(size, 3)))
    fetched = fetch(storage, "a.avif")
    assert fetched is not None
    assert fetched[0] == b"content"
    # As of a file that is cut off while it is read.
    monkeypatch.setattr(os, "read", lambda _descriptor, _size: b"")
    fetched = fetch(storage, "a.avif")
    assert fetched is not None
    assert fetched[0] == b""
