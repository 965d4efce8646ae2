"""The style sheet for pictures: how a page gets it, and a reminder for pages without it."""

from __future__ import annotations

import functools
import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING

from django.apps import apps
from django.conf import settings as django_settings
from django.templatetags.static import static
from django.utils.safestring import SafeString, mark_safe

from resizer.markup.csp import allows_scripts, nonce_of
from resizer.markup.html import element
from resizer.markup.mistakes import tell_once

if TYPE_CHECKING:
    from django.template.context import Context

NAME = "resizer/resizer.css"
_ADVICE = "Write {% load resizer %}{% resized_css %} in its head, before your own style sheets."
#: On a request whose page has the style sheet, or has been told of.
_MARK = "_resizer_css"
# The property is set in the style sheet, however it comes into the page.
_SCRIPT = (
    'addEventListener("load",()=>{{getComputedStyle(document.documentElement).getPropertyValue("--resizer-css")'
    '||console.warn("resizer: this page has no style sheet for its pictures. {}")}})'
)


def print_css(context: Context, *, inline: bool = False) -> SafeString:
    """A `link`, or a `style` with the page's nonce. Without the app for static files, always a `style`."""
    request = context.get("request")
    if request is not None:
        setattr(request, _MARK, True)
    if not inline and apps.is_installed("django.contrib.staticfiles"):
        return mark_safe(element("link", {"rel": "stylesheet", "href": static(NAME)}))
    style = element("style", {"nonce": nonce_of(context) or None})
    return mark_safe(f"{style}{_rules()}</style>")


@functools.cache
def _rules() -> str:
    """The rules in one line, without comments."""
    path = Path(__file__).parent.parent / "static" / NAME
    text = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    return re.sub(r"\s*([{}:;,])\s+", r"\1", re.sub(r"\s+", " ", text)).strip()


def reminder(context: Context) -> str:
    """A script for the first picture of a page without the style sheet, and a line in the log. Only for DEBUG.

    Only where a browser loads a whole page: a fragment or an e-mail has no head of its own.
    """
    if not django_settings.DEBUG:
        return ""
    request = context.get("request")
    headers = getattr(request, "headers", {})
    if headers.get("Sec-Fetch-Dest") != "document" or getattr(request, _MARK, False):
        return ""
    setattr(request, _MARK, True)
    tell_once(f"A page prints pictures without their style sheet. {_ADVICE}", logging.WARNING)
    nonce = nonce_of(context)
    if not allows_scripts(nonce):
        return ""
    return f"{element('script', {'nonce': nonce or None})}{_SCRIPT.format(_ADVICE)}</script>"
