"""From an original and options to a picture. Of a known original it asks no storage and no table."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from django.conf import settings as django_settings
from django.urls import NoReverseMatch

from resizer import originals
from resizer.conf import get_settings
from resizer.errors import ResizerError, VectorOriginal
from resizer.keys.geometry import height_of
from resizer.links.mount import mount_path, url_for
from resizer.links.private import link_stem
from resizer.links.signing import signed_stem
from resizer.markup import presets
from resizer.markup.candidates import PLAIN_WIDTH, ladder_of
from resizer.markup.choices import read_choices, read_url_choices
from resizer.markup.contradictions import check_needs, check_small
from resizer.markup.html import NOTHING, Candidates, Picture, VariantURL
from resizer.markup.layout import Layout
from resizer.markup.mistakes import check_call, mistaken_original, tell_once
from resizer.markup.options import Options, is_nothing
from resizer.markup.origin import check_absolute, read_origin
from resizer.markup.placeholders import placeholder_of, read_kind
from resizer.markup.stored import STORED, Stored, read_alt, read_stored
from resizer.markup.tags import keyword_names
from resizer.markup.unresized import plain_url, show_as_it_is, show_vector, tell_unresized
from resizer.records.descriptions import NO_WORDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from resizer.formats import Format
    from resizer.keys.variant import Recipe
    from resizer.markup.candidates import Ladder
    from resizer.originals import File
    from resizer.records.descriptions import Description, Reference


def build(
    file: File,
    *,
    alt: object = STORED,
    preset: object = None,
    default: File = None,
    formats: str | Iterable[str] | None = None,
    priority: object = None,
    placeholder: object = None,
    absolute: object = None,
    attributes: Mapping[str, Any] | None = None,
    **options: object,
) -> Picture:
    """Make the picture of an original; `options` are those of `Options` and of `Layout`.

    They win over those of the preset, and these over `DEFAULTS`.
    Without `alt`, the stored alternative text is printed. With DEBUG, raises ValueError if there is none.
    An empty field gives the picture of `default`, or nothing. An original that cannot be resized is shown as it is, and
    logged: a page never fails because of a picture. Raises ValueError for a wrong value, TypeError for an unknown option.
    """
    check_call(options, OPTIONS)
    given: dict[str, Any] = {
        "default": default,
        "formats": formats,
        "priority": priority,
        "placeholder": placeholder,
        "absolute": absolute,
        **options,
    }
    below = presets.find(preset, OPTIONS)
    check_needs(below.options, given)
    if below.options:
        given = presets.overlay(below.options, given)
    origin = read_origin(given.pop("absolute", None))
    all_attributes = {**below.attributes, **(attributes or {})}
    if not is_nothing(priority) and "loading" not in (attributes or {}):
        all_attributes.pop("loading", None)
    return _build(file, alt=alt, attributes=all_attributes, **given).on(origin)


def _build(
    file: File,
    *,
    alt: object,
    attributes: Mapping[str, Any],
    default: File = None,
    placeholder: object = None,
    **options: Any,
) -> Picture:
    kind = read_kind(placeholder)
    if attributes.get("loading") == "lazy":
        # A browser would give the priority to a picture that it loads late.
        options.pop("priority", None)
    choice, layout, modern, loading = read_choices(**options)
    all_attributes = {**loading, **attributes}
    stored = read_stored(file)
    try:
        stored, reference = _locate(stored, default)
        file = stored.file
        if not reference.name:
            return NOTHING
        description = originals.look_up(file, reference=reference)
    except ResizerError as error:
        tell_unresized("shown", stored.file, error)
        alt = read_alt(alt, stored, NO_WORDS)
        if isinstance(error, VectorOriginal):
            return show_vector(stored.file, error.size, choice, alt, all_attributes)
        return show_as_it_is(stored.file, choice.box(), choice, alt, all_attributes)
    alt = read_alt(alt, stored, description.words)
    recipe, css_width = choice.settle(description, stored.focal)
    ladder = ladder_of(layout, css_width, description.widest_offered(recipe))
    widest_offered = ladder.widths[-1]
    shown_width = css_width or min(widest_offered, layout.widest() or widest_offered)
    box = (shown_width, height_of(shown_width, description.size, recipe))
    base = None if description.is_broken else _base_url()
    if base is None:
        return show_as_it_is(stored.file, box, choice, alt, all_attributes)
    offer = _offer(base, description, recipe, ladder, modern, css_width or PLAIN_WIDTH)
    is_fluid = bool(offer.srcset) and ladder.is_fluid
    is_lazy = all_attributes.get("loading") == "lazy"
    return Picture(
        url=offer.url,
        srcset=offer.srcset,
        candidates=offer.candidates,
        sizes=layout.sizes(css_width, is_lazy=is_lazy) if is_fluid else "",
        width=box[0],
        height=box[1],
        alt=alt,
        attributes=all_attributes,
        placeholder=placeholder_of(kind, description, recipe),
    )


class _Offer(NamedTuple):
    """The URLs of a picture. `url` and `srcset` are in the fallback format, and stand still."""

    url: str
    srcset: str
    candidates: tuple[Candidates, ...]


def _offer(
    base: str,
    description: Description,
    recipe: Recipe,
    ladder: Ladder,
    modern: tuple[Format, ...] | None,
    plain_width: int,
) -> _Offer:
    """The URLs of the variants. Browsers without `srcset` load one that is at least `plain_width` px wide, if there is one."""
    still = replace(recipe, animated=False) if recipe.animated else recipe
    standby = description.fallback(still)
    stem = _stem(base, description, recipe)
    # A signature costs as much as all candidates of a format, so a picture that stands still anyway is signed once.
    still_stem = _stem(base, description, still) if recipe.animated else stem
    srcset = ladder.srcset(still_stem, standby)
    candidates = []
    if recipe.animated:
        # A visitor who asks for less motion sees the picture that stands still (Media Queries 5 §12.1).
        candidates.append(
            Candidates(standby.content_type, srcset, "(prefers-reduced-motion: reduce)")
        )
    if modern is None or recipe.animated:
        # Whether an original moves, the template cannot know.
        modern = get_settings().modern_formats(recipe)
    widest_offered = ladder.widths[-1]
    tallest = height_of(widest_offered, description.size, recipe)
    candidates += [
        Candidates(target.content_type, ladder.srcset(stem, target))
        for target in modern
        if tallest <= target.max_side and recipe.suits(target)
    ]
    plain = next((width for width in ladder.widths if width >= plain_width), widest_offered)
    return _Offer(
        url=f"{still_stem}{plain}.{standby.extension}",
        srcset=srcset if len(ladder.widths) > 1 else "",
        candidates=tuple(candidates),
    )


def check(
    *,
    alt: object = "",
    preset: object = None,
    **options: Any,
) -> None:
    """Check the options of `build`, without an original. Raises ValueError for a wrong one."""
    check_call(options, OPTIONS)
    check_small(options)
    below = presets.find(preset, OPTIONS)
    check_needs(below.options, options)
    given = presets.overlay(below.options, options)
    read_kind(given.pop("placeholder", None))
    _check_default(given.pop("default", None))
    check_absolute(given.pop("absolute", None))
    read_choices(**given)


def url(
    file: File,
    *,
    preset: object = None,
    default: File = None,
    format: str | None = None,
    absolute: object = None,
    **options: object,
) -> VariantURL:
    """The URL of one variant: of the next listed width up, at most the original's own.

    An empty field has that of `default`, or none. An original that cannot be resized gives its own URL, and is
    logged. Raises ValueError for a wrong value, TypeError for an unknown option.
    """
    check_call(options, URL_OPTIONS)
    given: dict[str, Any] = {"default": default, "format": format, "absolute": absolute, **options}
    below = presets.find(preset, URL_OPTIONS)
    if below.options:
        given = presets.overlay(below.options, given)
    origin = read_origin(given.pop("absolute", None))
    return _url(file, **given).on(origin)


def _url(
    file: File, *, default: File = None, format: str | None = None, **options: object
) -> VariantURL:
    choice, asked = read_url_choices(format=format, **options)
    stored = read_stored(file)
    try:
        stored, reference = _locate(stored, default)
        if not reference.name:
            return VariantURL("")
        description = originals.look_up(stored.file, reference=reference)
    except ResizerError as error:
        tell_unresized("linked", stored.file, error)
        is_hidden = isinstance(error, VectorOriginal) and not get_settings().SHOW_SVG
        return VariantURL("" if is_hidden else plain_url(stored.file))
    base = None if description.is_broken else _base_url()
    if base is None:
        return VariantURL(plain_url(stored.file))
    recipe, css_width = choice.settle(description, stored.focal)
    if recipe.animated and asked is not None and not asked.has_motion:
        recipe = replace(recipe, animated=False)
    limit = description.widest_offered(recipe)
    width = min(get_settings().listed_width(css_width or limit), limit)
    target = asked or description.fallback(recipe)
    return VariantURL(
        f"{_stem(base, description, recipe)}{width}.{target.extension}",
        width=width,
        height=height_of(width, description.size, recipe),
        content_type=target.content_type,
        original_size=description.size,
    )


def check_url(*, preset: object = None, **options: Any) -> None:
    """Check the options of `url`, without an original. Raises ValueError for a wrong one."""
    check_call(options, URL_OPTIONS)
    given = presets.overlay(presets.find(preset, URL_OPTIONS).options, options)
    _check_default(given.pop("default", None))
    check_absolute(given.pop("absolute", None))
    read_url_choices(**given)


#: The options that a preset can have, for each function. `alt` belongs to one picture.
_NOT_IN_PRESETS = {"alt", "attributes", "preset"}
OPTIONS = keyword_names(Options.read, Layout.read, build) - _NOT_IN_PRESETS
URL_OPTIONS = keyword_names(Options.read, url) - _NOT_IN_PRESETS


def _check_default(default: object) -> None:
    problem = mistaken_original(default)
    if problem:
        raise ValueError(f"default: {problem}")


def _locate(stored: Stored, default: File) -> tuple[Stored, Reference]:
    """The original to show, and where it is. Its name is empty if there is none. Raises OriginalNotFound."""
    try:
        reference = originals.locate(stored.file)
        if reference.name or is_nothing(default):
            return stored, reference
        stored = read_stored(default)
        return stored, originals.locate(stored.file)
    except TypeError as error:
        if django_settings.DEBUG:
            raise
        tell_once(str(error)[:500])
        return Stored(None), originals.locate(None)


def _stem(base: str, description: Description, recipe: Recipe) -> str:
    """What the URLs of all widths and formats share."""
    source, name = description.reference
    version = description.version_of(recipe)
    if get_settings().is_private(source):
        # Without a host: `HOST` may be a CDN, which does not get the visitor's cookies.
        return mount_path() + link_stem(source, name, version, recipe)
    return base + signed_stem(source, name, version, recipe)


def _base_url() -> str | None:
    """The URL before all keys. None if no URL leads to the app: pages must not fail for that, as without system checks."""
    try:
        return url_for("")
    except NoReverseMatch:
        tell_once(
            "No URL leads to the app, so pages show originals as they are."
            ' Add path("img/", include("resizer.urls")) to the root URLconf.'
        )
        return None
