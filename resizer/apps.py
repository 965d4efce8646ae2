"""The app, and what it watches."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig, apps
from django.db.models import FileField, Model
from django.db.models.signals import post_save
from django.utils.translation import gettext_lazy as _


class ResizerConfig(AppConfig):
    name = "resizer"
    verbose_name = _("resized pictures")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from resizer import checks  # noqa: F401  # registers the system checks

        for model in apps.get_models():
            if any(isinstance(field, FileField) for field in model._meta.get_fields()):
                post_save.connect(forget_files, sender=model, dispatch_uid="resizer.forget_files")


# The one signal of the app: nobody calls us when another app's model is saved.
def forget_files(sender: type[Model], instance: Model, **_kwargs: Any) -> None:
    """A storage that overwrites gives a new file an old name: have those just saved described anew."""
    from resizer import originals

    for field in sender._meta.get_fields():
        file = getattr(instance, field.name) if isinstance(field, FileField) else None
        if not file:
            continue
        try:
            reference = originals.locate(file)
        except ValueError:
            # Files in a storage that is no source are none of our business.
            continue
        originals.forget(reference)
