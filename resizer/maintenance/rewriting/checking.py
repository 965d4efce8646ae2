"""Compiles a tag of ours as the project's templates would. So nothing is written that breaks a page."""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured
from django.template import Engine, TemplateSyntaxError
from django.template.library import InvalidTemplateLibrary

from resizer.maintenance.rewriting.loads import LIBRARIES
from resizer.maintenance.rewriting.pieces import Unclear


def check_tag(written: str, libraries: set[str]) -> None:
    """Raises Unclear for tags that our own parser refuses."""
    engine = _engine()
    # Those of other packages may be gone already.
    names = sorted((libraries & engine.libraries.keys()) - LIBRARIES.keys())
    try:
        engine.from_string(f"{{% load {' '.join([*names, 'resizer'])} %}}{written}")
    except (InvalidTemplateLibrary, TemplateSyntaxError) as error:
        raise Unclear(str(error)) from error


def _engine() -> Engine:
    """That of the project, if it has one of Django's."""
    try:
        return Engine.get_default()
    except ImproperlyConfigured:
        return Engine(libraries={"resizer": "resizer.templatetags.resizer"})


def is_builtin() -> bool:
    """Whether templates need no `{% load resizer %}`."""
    return "resizer.templatetags.resizer" in _engine().builtins
