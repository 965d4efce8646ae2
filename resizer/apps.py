"""The app, and what it watches."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from django.apps import AppConfig, apps
from django.core.signals import setting_changed
from django.db import transaction
from django.db.models import ImageField, Model
from django.db.models.signals import post_save
from django.utils.translation import gettext_lazy as _

from resizer.conf import get_settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from resizer.descriptions import Reference

logger = logging.getLogger(__name__)


class ResizerConfig(AppConfig):
    name = "resizer"
    verbose_name = _("resized pictures")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from resizer import checks  # noqa: F401  # registers the system checks

        setting_changed.connect(forget_settings, dispatch_uid="resizer.forget_settings")
        for model in apps.get_models():
            if any(isinstance(field, ImageField) for field in model._meta.get_fields()):
                post_save.connect(look_at_files, sender=model, dispatch_uid="resizer.look_at_files")


def forget_settings(**_: object) -> None:
    """What is built from settings is cached by the Settings object, so that any change renews all of it."""
    get_settings.cache_clear()


# Nobody calls us when another app's model is saved.
def look_at_files(
    sender: type[Model],
    instance: Model,
    using: str,
    raw: bool,
    update_fields: Iterable[str] | None,
    **_kwargs: Any,
) -> None:
    """Describe images that were saved, so that no page has to, and none shows what they replaced.

    A storage that overwrites gives a new file an old name.
    """
    from resizer import originals
    from resizer.errors import OriginalNotFound

    for field in sender._meta.get_fields():
        is_saved = not raw and (update_fields is None or field.name in update_fields)
        if not is_saved or not isinstance(field, ImageField) or not getattr(instance, field.name):
            continue
        try:
            reference = originals.locate(getattr(instance, field.name))
        except OriginalNotFound:
            # Files in a storage that is no source are none of our business.
            continue
        # Before, others would read the former row again; and its failure is not the saver's.
        transaction.on_commit(partial(_check, reference), using=using, robust=True)


def _check(reference: Reference) -> None:
    from resizer import originals
    from resizer.errors import ResizerError

    try:
        originals.check(reference)
    except ResizerError as error:
        logger.info("%.1000r cannot be resized: %.500r", reference, error)
