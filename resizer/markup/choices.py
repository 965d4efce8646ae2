"""All options of a picture, and of a URL, checked at once.

Most options are literals of a template. So what was read is kept, for the settings of the moment.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from resizer.conf import Settings, get_settings
from resizer.markup.contradictions import check_pairs
from resizer.markup.layout import LAYOUT_OPTIONS, Layout, check_exact
from resizer.markup.options import Options, is_nothing, read_flag, read_format, read_formats

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from resizer.formats import Format

T = TypeVar("T")


class Choices(NamedTuple):
    """The options of a picture, checked."""

    options: Options
    layout: Layout
    #: The modern formats to offer, best first. None for those of the settings.
    modern: tuple[Format, ...] | None
    #: Attributes for loading.
    loading: Mapping[str, Any]


class URLChoices(NamedTuple):
    """The options of a URL, checked."""

    options: Options
    #: None for the fallback.
    format: Format | None


def read_choices(**options: Any) -> Choices:
    """Check the options of a picture. Raises ValueError for a wrong one."""
    return _recall(_read, options)


def read_url_choices(**options: Any) -> URLChoices:
    """Check the options of a URL. Raises ValueError for a wrong one."""
    return _recall(_read_url, options)


def _recall(read: Callable[..., T], options: Mapping[str, Any]) -> T:
    try:
        return cast("T", _remembered(read, get_settings(), tuple(options), *options.values()))
    except TypeError:
        # A list cannot be looked up.
        return read(**options)


# Typed, because True equals 1.
@functools.lru_cache(maxsize=512, typed=True)
def _remembered(
    read: Callable[..., object], _settings: Settings, names: tuple[str, ...], *values: Any
) -> object:
    return read(**dict(zip(names, values, strict=True)))


def _read(
    *, formats: str | Iterable[str] | None = None, priority: object = None, **options: object
) -> Choices:
    placed = {name: options.pop(name) for name in LAYOUT_OPTIONS & options.keys()}
    choice, layout = Options.read(**options), Layout.read(**placed)
    modern = read_formats(formats)
    check_pairs({**options, **placed, "formats": formats})
    if layout.is_exact and choice.width is not None:
        check_exact(choice.width)
    loading = _loading(priority=read_flag("priority", priority))
    return Choices(choice, layout, modern, loading)


def _read_url(*, format: object = None, **options: object) -> URLChoices:
    asked = None if is_nothing(format) else read_format(str(format))
    choice = Options.read(**options)
    check_pairs({**options, "format": format})
    return URLChoices(choice, asked)


def _loading(*, priority: bool) -> dict[str, Any]:
    if priority:
        return {"fetchpriority": "high"}
    return {"loading": "lazy", "decoding": "async"}
