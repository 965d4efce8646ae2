"""Fetches from storages elsewhere; those from the web are in test_http_source."""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import pytest
from django.core.management import CommandError, call_command

from resizer.concurrency import semaphores
from resizer.concurrency.waiting import Pauses
from resizer.errors import Busy
from resizer.markup import picture
from resizer.sources import StorageSource, bulkhead
from resizer.sources.bulkhead import one_fetch_from
from resizer.sources.deadline import one_request
from tests.conftest import save, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from django.test import Client
    from pytest_django import Settings


@pytest.fixture
def source(settings: Settings) -> StorageSource:
    """A storage elsewhere, from which one file may be fetched at a time."""
    memory = {"BACKEND": "django.core.files.storage.InMemoryStorage"}
    settings.STORAGES = {**settings.STORAGES, "default": memory}
    settings.RESIZER = {"MAX_FETCHES": 1}
    save("a.jpg", b"content")
    return StorageSource()


def test_storage_has_a_number_of_fetches_at_once(source: StorageSource) -> None:
    with source.open("a.jpg") as file:
        assert file.read(3) == b"con"
        with pytest.raises(Busy, match="1 fetches from \"storage 'default'\""):
            source.open("a.jpg").__enter__()
        # As a render does while it has the file open.
        assert source.stat("a.jpg").bytes == 7
    with source.open("a.jpg") as file:
        assert file.read() == b"content"


def test_storage_that_is_asked_about_a_file_is_counted(source: StorageSource) -> None:
    with one_fetch_from("storage 'default'"), pytest.raises(Busy, match="1 fetches"):
        source.stat("a.jpg")
    assert source.stat("a.jpg").bytes == 7


def read_last_byte(file: BinaryIO) -> None:
    file.seek(file.seek(0, os.SEEK_END) - 1)
    assert file.read(1) == b"t"


@pytest.mark.parametrize("read", [lambda file: file.read(), read_last_byte])
def test_file_that_is_here_leaves_its_place(
    source: StorageSource, read: Callable[[BinaryIO], None]
) -> None:
    with source.open("a.jpg") as file:
        read(file)
        with source.open("a.jpg"):
            pass
        file.seek(-4, os.SEEK_END)
        assert file.read(4) == b"tent"


def test_local_files_are_not_counted(settings: Settings) -> None:
    settings.RESIZER = {"MAX_FETCHES": 1}
    save("a.jpg", b"content")
    source = StorageSource()
    with source.open("a.jpg"), source.open("a.jpg"):
        assert source.stat("a.jpg").bytes == 7


def test_few_of_a_process_wait(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.RESIZER = {"MAX_FETCHES": 1}
    monkeypatch.setattr(bulkhead, "MAX_PATIENT", 1)
    monkeypatch.setattr(bulkhead, "PATIENCE_SECONDS", 30)

    def fetch() -> str:
        with one_request(), one_fetch_from("host"):
            return "fetched"

    with ThreadPoolExecutor(1) as pool:
        with one_fetch_from("host"):
            patient = pool.submit(fetch)
            # Nothing outside shows that it waits.
            wait_until(lambda: semaphores._held.get("wait host"))
            with pytest.raises(Busy, match=r"no more room for one of 1 fetches from 'host'"):
                fetch()
            assert not patient.done()
        assert patient.result(10) == "fetched"


@pytest.mark.django_db
@pytest.mark.usefixtures("source")
def test_command_waits_for_a_place(
    client: Client, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    save("a.jpg")
    assert client.get(picture.url("a.jpg", width=320)).status_code == 200
    rush = ExitStack()
    real = Pauses.pause

    def pause(self: Pauses) -> None:
        rush.close()
        real(self)

    monkeypatch.setattr(Pauses, "pause", pause)
    rush.enter_context(one_fetch_from("storage 'default'"))
    call_command("resizer_purge")
    rush.enter_context(one_fetch_from("storage 'default'"))
    with suppress(CommandError):
        call_command("resizer_doctor")
    (told,) = re.findall(".*source 'default'.*", capsys.readouterr().out)
    assert told.startswith("✓")
    with rush:
        rush.enter_context(one_fetch_from("storage 'default'"))
        monkeypatch.setattr(Pauses, "pause", real)
        monkeypatch.setattr(bulkhead, "COMMAND_SECONDS", 0)
        with pytest.raises(CommandError, match="could not be checked"):
            call_command("resizer_purge")
