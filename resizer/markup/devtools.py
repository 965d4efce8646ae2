"""The tools for a page in development: a button shows the loaded file of each picture, and advice."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from django.apps import apps
from django.conf import settings as django_settings
from django.templatetags.static import static
from django.utils.safestring import SafeString, mark_safe

from resizer.markup.csp import nonce_of
from resizer.markup.html import element
from resizer.markup.mistakes import tell_once

if TYPE_CHECKING:
    from django.template.context import Context


def print_devtools(context: Context) -> SafeString:
    """A `script` with the page's nonce. Nothing without DEBUG, and without the app for static files."""
    if not django_settings.DEBUG:
        return mark_safe("")
    if not apps.is_installed("django.contrib.staticfiles"):
        tell_once(
            "resized_devtools needs static files. Add django.contrib.staticfiles to INSTALLED_APPS.",
            logging.WARNING,
        )
        return mark_safe("")
    attributes = {
        "src": static("resizer/devtools.js"),
        "data-css": static("resizer/devtools.css"),
        "nonce": nonce_of(context) or None,
        "defer": True,
    }
    return mark_safe(f"{element('script', attributes)}</script>")
