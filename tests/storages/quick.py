"""A storage of S3 that tests make often."""

from __future__ import annotations

import boto3
from storages.backends.s3 import S3Storage


class QuickStorage(S3Storage):  # type: ignore[misc]  # it has no types
    """Reads the description of all of S3's operations, half a second long, once."""

    _session = boto3.Session("testing", "testing-secret")

    def _create_session(self) -> boto3.Session:
        return self._session
