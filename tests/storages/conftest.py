from __future__ import annotations

from typing import TYPE_CHECKING

import boto3
import pytest
from storages.backends.s3 import S3Storage

from tests.servers import moto_server

if TYPE_CHECKING:
    from collections.abc import Iterator


class QuickStorage(S3Storage):  # type: ignore[misc]  # it has no types
    """Reads the description of all of S3's operations, half a second long, once."""

    _session = boto3.Session("testing", "testing-secret")

    def _create_session(self) -> boto3.Session:
        return self._session


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    with moto_server() as url:
        yield url
