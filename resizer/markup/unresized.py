"""An original as it is: where no variant can be shown, a page shows the original itself, and a log line says why."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from django.conf import settings as django_settings
from django.db.models.fields.files import FieldFile

from resizer import originals
from resizer.conf import get_settings
from resizer.errors import ResizerError, UnsupportedFormat
from resizer.formats import BY_NAME
from resizer.markup.html import NOTHING, Picture
from resizer.markup.mistakes import is_html, is_url, mistaken_original, tell_once
from resizer.sources import get_source, source_of
from resizer.sources.files import storage_errors
from resizer.throttle import Throttle

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resizer.markup.options import Options
    from resizer.originals import File

# Its lines are about pictures, as those of `picture.py`.
logger = logging.getLogger("resizer.markup.picture")

#: Each process warns of originals of a kind, such as missing ones, at most once in this time.
throttle = Throttle(60)


def tell_unresized(how: str, file: File, error: ResizerError) -> None:
    """Log why an original is not resized, once while it is remembered. A page may have many such pictures.

    So each process logs one of a kind in a minute as a warning, and the others at level INFO. With DEBUG all are warnings:
    a developer mends them one by one.

    Raises ValueError with DEBUG for something that cannot be the name of an original, such as a URL.
    """
    problem = mistaken_original(file)
    if problem:
        if django_settings.DEBUG:
            raise ValueError(problem)
        tell_once(problem)
        return
    if error.is_remembered:
        return
    level = level_of(file, error)
    logger.log(level, "%.1000r is %s as it is: %.500r", file, how, error)


def level_of(file: File, error: ResizerError) -> int:
    """The level of the line about an original that is shown as it is."""
    if _is_of_another_format(file, error):
        return logging.INFO
    return logging.WARNING if django_settings.DEBUG else throttle.level(type(error).__name__)


def _is_of_another_format(file: File, error: ResizerError) -> bool:
    """Whether nothing is wrong, as with an SVG: neither the bytes nor the name are of a format that is resized."""
    name = str(getattr(file, "name", file))
    ending = name.rpartition(".")[2].lower()
    resized = [one for one in BY_NAME.values() if get_settings().may_open(one)]
    is_claimed = any(ending in (one.name, one.extension) for one in resized)
    return isinstance(error, UnsupportedFormat) and not is_claimed


def show_vector(
    file: File,
    size: tuple[int, int] | None,
    choice: Options,
    alt: str,
    attributes: Mapping[str, Any],
) -> Picture:
    """An SVG of (width, height) px in the box of the options. Nothing without `SHOW_SVG`."""
    if not get_settings().SHOW_SVG:
        return NOTHING
    return show_as_it_is(file, choice.box(size), choice, alt, attributes)


def show_as_it_is(
    file: File,
    box: tuple[int | None, int | None],
    choice: Options,
    alt: str,
    attributes: Mapping[str, Any],
) -> Picture:
    """The original in a box of (width, height) CSS px, with the `fit` of the options."""
    width, height = box
    return Picture(
        url=plain_url(file),
        width=width,
        height=height,
        alt=alt,
        fit=choice.fit if choice.has_box else "",
        attributes=attributes,
    )


def plain_url(file: File) -> str:
    """The URL of an original as it is. Empty without one, for a private original, and for HTML instead of a name."""
    if is_url(file):
        return str(file)
    if is_html(file):
        return ""
    try:
        if isinstance(file, FieldFile) and source_of(file.storage) is None:
            # Browsers may reach a storage that is no source.
            with storage_errors(str(file.name)):
                return str(file.url)
        reference = originals.locate(file)
        if get_settings().is_private(reference.source):
            # Nothing asks who the visitor is at the URL of the file itself.
            return ""
        return get_source(reference.source).url(reference.name)
    except ResizerError:
        return ""
