"""The project's own settings with a private source, and a page that prints a link of its picture."""

from __future__ import annotations

import os

from config.settings import *  # noqa: F403  # the environment comes first
from config.settings import _bucket, _files

ROOT_URLCONF = "tests.private_urls"
_bucket_name = os.environ.get("TESTS_PRIVATE_BUCKET")
STORAGES["members"] = _files("members")  # noqa: F405
STORAGES["resizer-private"] = (  # noqa: F405
    _bucket(_bucket_name, "private", querystring_auth=True) if _bucket_name else _files("private")
)
_members = {"OPTIONS": {"storage": "members"}, "PRIVATE": True}
RESIZER["SOURCES"]["members"] = _members  # noqa: F405
RESIZER["PRIVATE_DELIVERY"] = "presigned" if _bucket_name else "/private-variants/"  # noqa: F405
