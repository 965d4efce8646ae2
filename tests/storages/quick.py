"""A storage of S3 that tests make often."""

from __future__ import annotations

import threading
from typing import Any

import boto3
from storages.backends.s3 import S3Storage


class QuickStorage(S3Storage):  # type: ignore[misc]  # it has no types
    """Reads the description of all of S3's operations, half a second long, once."""

    _session = boto3.Session("testing", "testing-secret")

    def _create_session(self) -> boto3.Session:
        return self._session


class SharedStorage(S3Storage):  # type: ignore[misc]  # it has no types
    """The same for servers: all threads of a process share a session, and make their clients in turn."""

    _session = boto3.Session()
    _turn = threading.Lock()

    def _create_session(self) -> boto3.Session:
        return self._session

    @property
    def connection(self) -> Any:
        with self._turn:
            return super().connection
