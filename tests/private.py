"""A private source for tests, and functions of `ALLOW`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from django.core.files.base import ContentFile
from django.core.files.storage import storages

from resizer.records.descriptions import Reference
from tests.pictures import photograph

if TYPE_CHECKING:
    from pathlib import Path

    from django.http import HttpRequest
    from pytest_django import Settings

ALIAS = "members"
BACKEND = "django.core.files.storage.FileSystemStorage"


def use_private(settings: Settings, directory: Path, **source: Any) -> None:
    """Add the source "members" to the settings. Its variants are in `private/`."""
    settings.STORAGES = {
        **settings.STORAGES,
        ALIAS: {
            "BACKEND": BACKEND,
            "OPTIONS": {"location": directory / ALIAS, "base_url": "/members/"},
        },
        "resizer-private": {"BACKEND": BACKEND, "OPTIONS": {"location": directory / "private"}},
    }
    (directory / ALIAS).mkdir(exist_ok=True)
    entry = {"OPTIONS": {"storage": ALIAS}, "PRIVATE": True, **source}
    settings.RESIZER = {**settings.RESIZER, "SOURCES": {ALIAS: entry}}


def save_private(name: str, content: bytes | None = None) -> Reference:
    """Put an original into the private source."""
    storage = storages[ALIAS]
    storage.delete(name)
    storage.save(name, ContentFile(photograph((800, 600)) if content is None else content))
    return Reference(ALIAS, name)


def staff_only(request: HttpRequest, reference: Reference) -> bool:
    assert reference.source == ALIAS
    return request.user.is_staff


async def everybody_later(request: HttpRequest, reference: Reference) -> bool:
    await asyncio.sleep(0)
    return True


def everybody_perhaps(request: HttpRequest, reference: Reference) -> object:
    """Whatever a query parameter says. No bool."""
    return request.GET.get("say")


STAFF_ONLY = f"{__name__}.staff_only"
EVERYBODY_LATER = f"{__name__}.everybody_later"
EVERYBODY_PERHAPS = f"{__name__}.everybody_perhaps"
