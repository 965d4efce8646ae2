"""What a tag prints: candidates, sizes, dimensions, attributes. Of a known original it asks no storage and no table.

<picture>
  <source type="image/avif" srcset="…/320.avif 320w, …/640.avif 640w" sizes="auto, 100vw">
  <img src="…/640.jpg" srcset="…" sizes="auto, 100vw" width="640" height="427" alt="…" loading="lazy">
</picture>
"""

from __future__ import annotations

import html
import logging
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db.models.fields.files import FieldFile
from django.utils.functional import Promise
from django.utils.safestring import SafeString, mark_safe

from resizer import originals
from resizer.conf import get_settings
from resizer.errors import ResizerError, UnsupportedFormat
from resizer.formats import BY_NAME, JPEG
from resizer.keys.geometry import height_of
from resizer.keys.variant import Recipe, write_stem
from resizer.links.addresses import sign, url_for
from resizer.markup.options import Options, is_nothing, read_flag, read_format, read_formats
from resizer.sources import get_source, source_of
from resizer.sources.files import storage_errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from resizer.formats import Format
    from resizer.originals import File
    from resizer.records.descriptions import Description

logger = logging.getLogger(__name__)

#: What browsers without `srcset` get of a fluid picture, CSS px.
PLAIN_WIDTH = 800
#: An original's own width replaces a listed one that is less than this factor below it.
NEAR = 1.1

#: A browser reads it as one name (HTML §13.1.2.3); `=`, a space or a quote would end it.
_ATTRIBUTE_NAME = re.compile(r"[^\s\x00-\x1f\x7f-\x9f\"'<>/=]+")
#: What would end an attribute or begin a tag. An entity stays: in HTML, `&amp;` is meant.
_BREAKING = str.maketrans({'"': "&quot;", "'": "&#x27;", "<": "&lt;", ">": "&gt;"})


class Candidates(NamedTuple):
    """One format's candidates, as a `source` element has them."""

    content_type: str
    srcset: str
    #: A media query; empty where they are for all.
    media: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture that is ready to be printed. `str()` and templates give its HTML."""

    #: What a browser without `srcset` loads; a fallback format, or the original itself if it cannot be resized.
    url: str
    #: The fallback format's candidates; empty if there is only one.
    srcset: str = ""
    #: The modern formats' candidates, best first.
    candidates: tuple[Candidates, ...] = ()
    #: The `sizes` attribute; empty where candidates differ by density, not by width.
    sizes: str = ""
    #: CSS px; None if neither the original nor the options tell.
    width: int | None = None
    height: int | None = None
    alt: str = ""
    #: Further attributes of the `img` element. True prints a bare name, None and False print nothing.
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.attributes:
            if not _ATTRIBUTE_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is not the name of an attribute.")

    def __html__(self) -> SafeString:
        if not self:
            return mark_safe("")
        sizes = self.sizes or None
        image = _element(
            "img",
            {
                "src": self.url or None,
                "srcset": self.srcset or None,
                "sizes": sizes,
                "width": self.width,
                "height": self.height,
                "alt": self.alt,
                **self.attributes,
            },
        )
        if not self.candidates:
            return mark_safe(image)
        sources = "".join(
            _element(
                "source",
                {
                    "type": one.content_type,
                    "srcset": one.srcset,
                    "sizes": sizes,
                    "media": one.media or None,
                },
            )
            for one in self.candidates
        )
        return mark_safe(f"<picture>{sources}{image}</picture>")

    def __str__(self) -> str:
        return self.__html__()

    def __bool__(self) -> bool:
        """False for the picture of an empty field."""
        return self != NOTHING


#: Prints nothing.
NOTHING = Picture(url="")


def build(
    file: File,
    *,
    alt: object,
    sizes: object = None,
    formats: str | Iterable[str] | None = None,
    priority: object = False,
    attributes: Mapping[str, Any] | None = None,
    **options: object,
) -> Picture:
    """Make the picture of an original; `options` are those of `Options`.

    An empty field gives nothing. An original that cannot be resized is shown as it is, and logged: a page never fails
    because of a picture. Raises ValueError for a wrong option.
    """
    alt = _read_alt(alt)
    choice = Options.read(**options)
    modern = read_formats(formats)
    loading = _loading(priority=read_flag("priority", priority))
    all_attributes = loading | dict(attributes or {})
    try:
        reference = originals.locate(file)
        if not reference.name:
            return NOTHING
        description = originals.describe(file, reference)
    except ResizerError as error:
        _tell("shown", file, error)
        return _as_it_is(file, choice.box(), alt, all_attributes)
    recipe, css_width = choice.settle(description)
    ladder = _ladder(css_width, description.widest_offered(recipe))
    widest_offered = ladder.widths[-1]
    shown_width = css_width or widest_offered
    box = (shown_width, height_of(shown_width, description.size, recipe))
    if description.is_broken:
        return _as_it_is(file, box, alt, all_attributes)
    plain_width = css_width or PLAIN_WIDTH
    plain = next((width for width in ladder.widths if width >= plain_width), widest_offered)
    still = replace(recipe, animated=False)
    standby = description.fallback(still)
    stem = _stem(description, recipe)
    # A signature is a quarter of a tag's CPU, so a picture that stands still anyway is signed once.
    still_stem = _stem(description, still) if recipe.animated else stem
    candidates = []
    if recipe.animated:
        # Who asks for less motion sees the picture that stands still (Media Queries 5 §12.1).
        srcset = ladder.srcset(still_stem, standby)
        candidates.append(
            Candidates(standby.content_type, srcset, "(prefers-reduced-motion: reduce)")
        )
    if not recipe.suits(JPEG):
        modern = get_settings().modern_formats(recipe)
    tallest = height_of(widest_offered, description.size, recipe)
    candidates += [
        Candidates(target.content_type, ladder.srcset(stem, target))
        for target in modern
        if tallest <= target.max_side
    ]
    has_choice = len(ladder.widths) > 1
    return Picture(
        url=f"{still_stem}{plain}.{standby.extension}",
        srcset=ladder.srcset(still_stem, standby) if has_choice else "",
        candidates=tuple(candidates),
        sizes=_sizes(sizes, css_width, all_attributes) if has_choice and ladder.is_fluid else "",
        width=box[0],
        height=box[1],
        alt=alt,
        attributes=all_attributes,
    )


def url(file: File, *, format: str | None = None, **options: object) -> str:
    """The address of one variant: of the next listed width up, at most the original's own.

    An empty field has none. An original that cannot be resized gives its own address, and is logged. Raises ValueError
    for a wrong option.
    """
    choice = Options.read(**options)
    asked = None if is_nothing(format) else read_format(str(format))
    try:
        reference = originals.locate(file)
        if not reference.name:
            return ""
        description = originals.describe(file, reference)
    except ResizerError as error:
        _tell("linked", file, error)
        return _plain_url(file)
    if description.is_broken:
        return _plain_url(file)
    recipe, css_width = choice.settle(description)
    if asked is not None and not asked.has_motion:
        recipe = replace(recipe, animated=False)
    limit = description.widest_offered(recipe)
    width = min(get_settings().listed_width(css_width or limit), limit)
    target = asked or description.fallback(recipe)
    if not recipe.suits(target):
        raise ValueError(f"format {target.name!r} does not suit lossless pictures.")
    return f"{_stem(description, recipe)}{width}.{target.extension}"


def _tell(how: str, file: File, error: ResizerError) -> None:
    """Log why an original is not resized, once: each page view asks again while it is remembered."""
    if error.is_remembered:
        return
    level = logging.INFO if _is_of_another_format(file, error) else logging.WARNING
    logger.log(level, "%.1000r is %s as it is: %.500r", file, how, error)


def _is_of_another_format(file: File, error: ResizerError) -> bool:
    """Whether nothing is wrong, as with an SVG: neither the bytes nor the name are of a format that is resized."""
    name = str(getattr(file, "name", file))
    ending = name.rpartition(".")[2].lower()
    resized = [one for one in BY_NAME.values() if get_settings().may_open(one)]
    is_claimed = any(ending in (one.name, one.extension) for one in resized)
    return isinstance(error, UnsupportedFormat) and not is_claimed


def _read_alt(value: object) -> str:
    """Text, or HTML without quotes: `{{ picture.alt }}` may stand in an attribute, too."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else str(value)
    return mark_safe(escape(text)) if hasattr(text, "__html__") else text


def _element(name: str, attributes: Mapping[str, Any]) -> str:
    """An HTML start tag. Django's `flatatt` would take half of the time that a picture takes."""
    parts = [name]
    for attribute, value in attributes.items():
        if value is None or value is False:
            continue
        if value is True:
            parts.append(attribute)
            continue
        parts.append(f'{attribute}="{escape(value)}"')
    return f"<{' '.join(parts)}>"


def escape(value: object) -> str:
    """A value as HTML, which cannot leave the quotes of an attribute.

    HTML is not escaped again. But a literal of a template, a translation and a safe string count as HTML, and may hold quotes.
    """
    if isinstance(value, Promise):
        # A translation is HTML only once it is a string.
        value = str(value)
    if hasattr(value, "__html__"):
        return str(value.__html__()).translate(_BREAKING)
    return html.escape(str(value))


def _stem(description: Description, recipe: Recipe) -> str:
    """The address up to its width; the width and format of the variant that carries it do not matter."""
    variant = description.variant(recipe, 1, description.header.format)
    return url_for(write_stem(variant, sign(variant)))


def _as_it_is(
    file: File,
    box: tuple[int | None, int | None],
    alt: str,
    attributes: Mapping[str, Any],
) -> Picture:
    width, height = box
    return Picture(url=_plain_url(file), width=width, height=height, alt=alt, attributes=attributes)


def _plain_url(file: File) -> str:
    """Where a browser finds an original as it is; empty where it cannot."""
    try:
        if isinstance(file, FieldFile) and source_of(file.storage) is None:
            # Browsers may reach a storage that is no source.
            with storage_errors(str(file.name)):
                return str(file.url)
        reference = originals.locate(file)
        return get_source(reference.source).url(reference.name)
    except ResizerError:
        return ""


class _Ladder(NamedTuple):
    """The widths that a picture offers."""

    widths: list[int]
    #: They differ by the width of the layout, not by the density of the screen.
    is_fluid: bool

    def srcset(self, stem: str, target: Format) -> str:
        addresses = [f"{stem}{width}.{target.extension}" for width in self.widths]
        if len(addresses) == 1:
            return addresses[0]
        if self.is_fluid:
            described = zip(addresses, self.widths, strict=True)
            return ", ".join(f"{address} {width}w" for address, width in described)
        return ", ".join(f"{address} {density}x" for density, address in enumerate(addresses, 1))


def _ladder(css_width: int | None, limit: int) -> _Ladder:
    if css_width is not None and css_width < get_settings().WIDTHS[0]:
        return _Ladder(_dense_widths(css_width, limit), is_fluid=False)
    return _Ladder(_fluid_widths(css_width, limit), is_fluid=True)


def _dense_widths(css_width: int, limit: int) -> list[int]:
    """One width for each whole density, from 1x up, as long as the original has the pixels."""
    settings = get_settings()
    densities = range(1, settings.MAX_DENSITY + 1)
    widths = (min(settings.listed_width(css_width * density), limit) for density in densities)
    return list(dict.fromkeys(widths))


def _fluid_widths(css_width: int | None, limit: int) -> list[int]:
    settings = get_settings()
    widths = [width for width in settings.WIDTHS if width < limit]
    if limit <= settings.WIDTHS[-1]:
        if widths and limit not in settings.WIDTHS and widths[-1] * NEAR > limit:
            widths.pop()
        widths.append(limit)
    if css_width is not None:
        wanted = css_width * settings.MAX_DENSITY
        enough = next((place for place, width in enumerate(widths) if width >= wanted), len(widths))
        widths = widths[: enough + 1]
    return widths


def _loading(*, priority: bool) -> dict[str, Any]:
    if priority:
        return {"fetchpriority": "high"}
    return {"loading": "lazy", "decoding": "async"}


def _sizes(given: object, css_width: int | None, attributes: Mapping[str, Any]) -> str:
    sizes = get_settings().SIZES
    if not is_nothing(given):
        sizes = str(given)
    elif css_width is not None:
        sizes = f"(min-width: {css_width}px) {css_width}px, 100vw"
    # Browsers that know "auto" take the width of the layout, the others the rest of the list; it is
    # valid for lazy images only (HTML §4.8.4.2.2).
    if attributes.get("loading") == "lazy" and not sizes.startswith("auto"):
        sizes = f"auto, {sizes}"
    return sizes
