"""The app, and its signal receivers."""

from __future__ import annotations

import functools
import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from django.apps import AppConfig, apps
from django.core.files import File
from django.core.signals import request_finished, request_started, setting_changed
from django.db import transaction
from django.db.models import ImageField, Model, Q
from django.db.models.signals import post_init, post_save, pre_save
from django.utils.translation import gettext_lazy as _

from resizer.conf import get_settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.models.fields.files import FieldFile

    from resizer.models import Original
    from resizer.records.descriptions import Reference

logger = logging.getLogger(__name__)

#: Attribute of an instance: the names of its files when it was loaded or saved.
_NOTED = "_resizer_files"


class ResizerConfig(AppConfig):
    name = "resizer"
    verbose_name = _("Resized pictures")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from resizer import checks  # noqa: F401  # registers the system checks
        from resizer.concurrency import afterwards
        from resizer.contrib import (
            aws_lambda,  # noqa: F401  # registers checks for AWS Lambda
            opentelemetry,
        )
        from resizer.contrib.zappa import checks as _  # noqa: F401  # registers checks of zappa_settings.json

        opentelemetry.connect()
        setting_changed.connect(forget_settings, dispatch_uid="resizer.forget_settings")
        request_started.connect(afterwards.begin, dispatch_uid="resizer.begin")
        request_finished.connect(afterwards.end, dispatch_uid="resizer.end")
        for model in self.get_models():
            pre_save.connect(make_room, sender=model, dispatch_uid="resizer.make_room")
        original = self.get_model("Original")
        post_save.connect(reread, sender=original, dispatch_uid="resizer.reread")
        for model in filter(_image_fields, apps.get_models()):
            post_init.connect(note_files, sender=model, dispatch_uid="resizer.note_files")
            post_save.connect(look_at_files, sender=model, dispatch_uid="resizer.look_at_files")


def forget_settings(**_: object) -> None:
    """Read the settings again. Everything built from settings is cached by the Settings object, so it is renewed too."""
    get_settings.cache_clear()


# A signal, because `loaddata` calls no other code of this app.
def make_room(sender: type[Model], instance: Model, using: str, raw: bool, **_kwargs: Any) -> None:
    """Delete the rows a fixture's row replaces: rows with the same unique fields, or with the same number, but not both."""
    if not raw:
        return
    unique: tuple[str, ...] = sender.UNIQUE  # type: ignore[attr-defined]  # our models have it
    same = Q(**{name: getattr(instance, name) for name in unique})
    numbered = Q(pk=instance.pk)
    sender._base_manager.using(using).filter(same | numbered).exclude(same & numbered).delete()


# Pages show a saved row at once, whether the admin or other code saves it.
def reread(instance: Original, using: str, **_kwargs: Any) -> None:
    from resizer import originals

    reference = originals.locate(instance)
    # Before, others would read the former row again.
    transaction.on_commit(partial(originals.reread, reference), using=using, robust=True)


# Signals, because other apps' models call no code of this app.
def note_files(sender: type[Model], instance: Model, **_kwargs: Any) -> None:
    """Remember the files of a row, to detect new files when it is saved."""
    instance.__dict__[_NOTED] = {
        field.name: _name_in(instance, field) for field in _image_fields(sender)
    }


def look_at_files(
    sender: type[Model],
    instance: Model,
    created: bool,
    using: str,
    raw: bool,
    update_fields: Iterable[str] | None,
    **_kwargs: Any,
) -> None:
    """Describe newly saved images, so that pages do not wait, and do not show replaced ones.

    Saving a row with the same files costs nothing.
    """
    noted = instance.__dict__.setdefault(_NOTED, {})
    for field in _image_fields(sender):
        if update_fields is not None and field.name not in update_fields:
            continue
        name = _name_in(instance, field)
        # Compare identity: an overwriting storage gives a new file the old name, in a new text object.
        has_changed = created or name is not noted.get(field.name)
        noted[field.name] = name
        if name and has_changed and not raw:
            _check_soon(getattr(instance, field.name), using)
            _warm_soon(field, instance.pk, using)


def _warm_soon(field: ImageField, primary_key: object, using: str) -> None:
    tags = [{"preset": name} if name else {} for name in get_settings().WARM_ON_SAVE]
    if not tags:
        return

    # No partial: Django 5.2 logs the name of a function that fails.
    def enqueue() -> None:
        from resizer.tasks import enqueue_warming

        enqueue_warming(field, [primary_key], tags)

    # `robust`, because a broker that is down must not stop the project's code.
    transaction.on_commit(enqueue, using=using, robust=True)


@functools.cache
def _image_fields(model: type[Model]) -> list[ImageField]:
    return [field for field in model._meta.get_fields() if isinstance(field, ImageField)]


def _name_in(instance: Model, field: ImageField) -> str | None:
    """The name of a file; None for a deferred field. Reading the attribute could query the database."""
    value = instance.__dict__.get(field.attname)
    return value.name if isinstance(value, File) else value


def _check_soon(file: FieldFile, using: str) -> None:
    from resizer import originals
    from resizer.errors import OriginalNotFound

    try:
        reference = originals.locate(file)
    except OriginalNotFound:
        # Ignore files in a storage without a source.
        return
    # Before the commit, others would read the former row. `robust`, because a failure must not stop the project's code.
    transaction.on_commit(partial(_check, reference), using=using, robust=True)


def _check(reference: Reference) -> None:
    from resizer import originals
    from resizer.errors import ResizerError

    try:
        originals.look_up(reference, originals.Freshness.NOW)
    except ResizerError as error:
        logger.info("%.1000r cannot be resized: %.500r", reference, error)
