"""Checks of what the settings name: classes, fields, tasks, presets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings as django_settings
from django.core.cache import InvalidCacheBackendError, caches
from django.core.checks import CheckMessage, Error, Warning

from resizer.conf import get_settings
from resizer.engines import can_isolate, load_engine
from resizer.markup import picture
from resizer.markup.mistakes import mistaken_option
from resizer.sources import get_sources
from resizer.sources.fields import field_failures

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What loading a class by its dotted path, or making an object of it, can raise.
LOADING = (ImportError, AttributeError, TypeError, ValueError)


def check_isolation() -> Iterator[CheckMessage]:
    if get_settings().ISOLATION and not can_isolate() and not django_settings.DEBUG:
        yield Error(
            "This system cannot isolate the engine, so no pictures are made.",
            hint="Use Linux or macOS in production. To develop here, set DEBUG. If every original is your own, you can"
            " set RESIZER['ISOLATION'] to False.",
            id="resizer.E050",
        )


def check_classes() -> Iterator[CheckMessage]:
    try:
        get_sources()
    except LOADING as error:
        yield Error(
            f"RESIZER['SOURCES'] cannot be loaded: {error}",
            hint="Set BACKEND to the dotted path of a class, and OPTIONS to its keyword arguments.",
            id="resizer.E005",
        )
    alias = get_settings().CACHE
    try:
        caches[alias]
    except InvalidCacheBackendError as error:
        yield Error(
            f"RESIZER['CACHE'] cannot be loaded: {error}",
            hint="Set it to an alias in CACHES.",
            id="resizer.E005",
        )
    yield from _check_engine()


def _check_engine() -> Iterator[CheckMessage]:
    try:
        engine = load_engine(get_settings().ENGINE)
        unwritten = [one for one in get_settings().FORMATS if not engine.can_write(one)]
        unread = [one for one in get_settings().EXTRA_FORMATS if not engine.can_read(one)]
    except (*LOADING, OSError) as error:
        hint = 'Set it to "auto", or to the dotted path of an engine class.'
        if ".libvips." in get_settings().ENGINE and not isinstance(error, AttributeError):
            hint = f'Run pip install "django-resized-img[vips]". {hint}'
        yield Error(
            f"RESIZER['ENGINE'] cannot be loaded: {error}",
            hint=hint,
            id="resizer.E005",
        )
        return
    for found in unread:
        yield Error(
            f"The engine cannot read {found.name}.",
            hint=f'Run pip install "django-resized-img[{found.name}]", or remove it from EXTRA_FORMATS.',
            id="resizer.E006",
        )
    for target in unwritten:
        yield Error(
            f"The engine cannot write {target.name}.",
            hint=f"Install an image library that writes {target.name}, or remove it from FORMATS.",
            id="resizer.E006",
        )


def check_fields() -> Iterator[CheckMessage]:
    for field, error in field_failures():
        # A warning only: the storage may need a request or a tenant, and a command has neither.
        yield Warning(
            f"A storage of {field} cannot be loaded: {type(error).__name__}: {error}",
            hint="Fix the storage. Until then, pages print the pictures of this field without a URL.",
            obj=field,
            id="resizer.W007",
        )


def check_warming() -> Iterator[CheckMessage]:
    wanted = get_settings().WARM_ON_SAVE
    unknown = [name for name in wanted if name and name not in get_settings().PRESETS]
    if unknown:
        yield Error(
            f"RESIZER['WARM_ON_SAVE'] names {unknown[0]!r}, which is not in PRESETS.",
            hint="Use names of PRESETS, or True for the tag without a preset.",
            id="resizer.E010",
        )
    if not wanted:
        return
    try:
        from resizer.tasks import backend_without_workers
    except ImportError as error:
        yield Error(
            f"RESIZER['WARM_ON_SAVE'] needs tasks: {error}",
            hint="Use Django 6.0 or later, or run pip install django-tasks.",
            id="resizer.E010",
        )
        return
    if backend_without_workers():
        yield Warning(
            "Each save of an image waits until its variants are made, or none is made: TASKS has no backend with workers.",
            hint="Set TASKS['default'] to a backend with workers, or remove RESIZER['WARM_ON_SAVE'].",
            id="resizer.W011",
        )


def check_presets() -> Iterator[CheckMessage]:
    settings = get_settings()
    entries = {"RESIZER['DEFAULTS']": settings.DEFAULTS}
    entries |= {f"RESIZER['PRESETS'][{name!r}]": each for name, each in settings.PRESETS.items()}
    for place, entry in entries.items():
        options = {name: value for name, value in entry.items() if name in picture.OPTIONS}
        try:
            for name in entry.keys() - options.keys():
                advice = mistaken_option(name, picture.OPTIONS)
                if advice:
                    raise ValueError(f"{name!r} is no option. {advice}")
            picture.check(**options)
        except ValueError as error:
            yield Error(
                f"{place} has a mistake: {error}",
                hint="Correct it. Until then, tags that use it are errors.",
                id="resizer.E009",
            )
