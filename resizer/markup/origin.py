"""The option `absolute`: scheme and host before the URLs of a picture, for e-mail, feeds and JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings as django_settings

from resizer.links.mount import host
from resizer.markup.mistakes import tell_once
from resizer.markup.options import read_flag

if TYPE_CHECKING:
    from django.template.context import Context

_TRUE = frozenset({"True", "true", "1"})


def read_origin(absolute: object) -> str:
    """The origin of a request, or that of `HOST` for True. Empty if URLs stay as they are. Raises ValueError otherwise."""
    # Django's request, or Django REST Framework's, which passes it on.
    build_absolute_uri = getattr(absolute, "build_absolute_uri", None)
    if build_absolute_uri is not None:
        return str(build_absolute_uri("/")).removesuffix("/")
    if not read_flag("absolute", absolute):
        return ""
    if not host():
        problem = (
            "absolute=True needs to know the host. Set RESIZER['HOST'], or pass absolute=request."
        )
        if django_settings.DEBUG:
            raise ValueError(problem)
        tell_once(problem)
    return host()


def check_absolute(absolute: object) -> None:
    """Raises ValueError for anything but a flag and a request."""
    if not hasattr(absolute, "build_absolute_uri"):
        read_flag("absolute", absolute)


def with_request(options: dict[str, Any], context: Context) -> None:
    """Let `absolute=True` in a template mean the host of its request, if there is one."""
    if "absolute" in options and str(options["absolute"]) in _TRUE:
        options["absolute"] = context.get("request") or True
