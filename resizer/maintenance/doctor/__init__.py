"""Test each part of the app by using it. `examine` yields one or more findings for each part."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from django.core.checks import ERROR, WARNING, run_checks

from resizer.conf import get_settings
from resizer.maintenance import losses
from resizer.maintenance.doctor.findings import Finding, Mark
from resizer.maintenance.doctor.patience import within
from resizer.maintenance.doctor.services import (
    examine_cache,
    examine_database,
    examine_engine,
    examine_locks,
    examine_temporary_directory,
)
from resizer.maintenance.doctor.sources import examine_sources
from resizer.maintenance.doctor.storages import examine_private_sources, examine_variants
from resizer.maintenance.doctor.urls import examine_host, examine_large_variants, examine_mount
from resizer.store import backends

if TYPE_CHECKING:
    from collections.abc import Iterator


#: The tag of the app's system checks.
TAG = "resizer"
#: With one of these errors, no other part can be tested.
UNLOADABLE = {"resizer.E001", "resizer.E002", "resizer.E003", "resizer.E005", "resizer.E008"}
#: Deployment checks of parts that are tested below.
TESTED = {"resizer.W004", "resizer.W005", "resizer.W010"}


def examine() -> Iterator[Finding]:
    """Test every part. Variants and originals stay as they are. Failures become findings, not exceptions."""
    marks = {WARNING: Mark.ADVICE, ERROR: Mark.BROKEN}
    messages = [
        one
        for one in run_checks(tags=[TAG], include_deployment_checks=True)
        if one.id not in TESTED
    ]
    for message in messages:
        yield Finding(marks[message.level], "settings", f"{message.msg} {message.hint}")
    if not messages:
        yield Finding(Mark.FINE, "settings", "manage.py check finds nothing.")
    if any(message.id in UNLOADABLE for message in messages):
        return
    public = partial(examine_variants, backends.public_storage(), is_private=False)
    yield from within(losses.STORAGES[False], public)
    yield from examine_private_sources()
    yield examine_mount()
    yield from examine_host()
    yield from examine_large_variants()
    yield from examine_engine()
    yield examine_cache()
    yield examine_locks()
    yield examine_temporary_directory()
    yield examine_database()
    yield from examine_sources()
    yield _signing_key()


def _signing_key() -> Finding:
    if get_settings().SIGNING_KEY is None:
        text = "SECRET_KEY signs URLs. If you change it, every variant is made again. Set RESIZER['SIGNING_KEY']."
        return Finding(Mark.ADVICE, "signing key", text)
    return Finding(Mark.FINE, "signing key", "RESIZER['SIGNING_KEY'] is set.")
