"""A picture as a value, and as HTML.

<picture>
  <source type="image/avif" srcset="…/320.avif 320w, …/640.avif 640w" sizes="auto, 100vw">
  <img src="…/640.jpg" srcset="…" sizes="auto, 100vw" width="640" height="427" alt="…" loading="lazy">
</picture>
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from django.utils.functional import Promise
from django.utils.safestring import SafeString, mark_safe

from resizer.formats import BY_EXTENSION, FORMATS
from resizer.markup.csp import allows_style_attributes, allows_styles, nonce_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.template.context import Context

    from resizer.markup.placeholders import Placeholder

#: A browser reads it as one name (HTML §13.1.2.3); `=`, a space or a quote would end it.
ATTRIBUTE_NAME = re.compile(r"[^\s\x00-\x1f\x7f-\x9f\"'<>/=]+")
#: The end of a variant's URL: version, signature, perhaps a recipe, width in px, extension.
_VARIANT = re.compile(r"/[0-9a-f]{8}-[A-Za-z0-9_\-]{14}/(?:[^/]+/)?([0-9]+)\.([a-z]+)$")
#: What would end an attribute or begin a tag. An entity stays: in HTML, `&amp;` is meant.
_BREAKING = str.maketrans({'"': "&quot;", "'": "&#x27;", "<": "&lt;", ">": "&gt;"})
_BREAKS = re.compile("[\"'<>]")


#: The preload scanner of WebKit up to 2.50 (Safari 26) does not see that an `img` in a `picture` is lazy, and loads each
#: picture twice. It skips a type with a parameter, and the parser does not. Chromium and Firefox read such a type as well.
#: To be dropped in 2028.
_LAZY_TYPES = {
    row.content_type: f"{row.content_type};codecs={row.codecs}" for row in FORMATS if row.codecs
}


class Candidates(NamedTuple):
    """One format's candidates, as a `source` element has them."""

    #: Empty for an original as it is.
    content_type: str
    srcset: str
    #: A media query; empty where they are for all.
    media: str = ""
    #: None for that of the picture.
    sizes: str | None = None
    #: CSS px; None for those of the picture.
    width: int | None = None
    height: int | None = None


class VariantURL(str):
    """The URL of a variant, and what a page says about it elsewhere, as in `og:image`."""

    __slots__ = ("content_type", "height", "original_size", "width")

    #: px; None for an original as it is.
    width: int | None
    height: int | None
    #: Empty for an original as it is.
    content_type: str
    #: px; None for an original as it is.
    original_size: tuple[int, int] | None

    def __new__(
        cls,
        url: str,
        *,
        width: int | None = None,
        height: int | None = None,
        content_type: str = "",
        original_size: tuple[int, int] | None = None,
    ) -> VariantURL:
        made = super().__new__(cls, url)
        made.width, made.height, made.content_type = width, height, content_type
        made.original_size = original_size
        return made

    @property
    def url(self) -> str:
        return str(self)

    def on(self, origin: str) -> VariantURL:
        """The same URL as an absolute one, as `Picture.on` does."""
        if not origin:
            return self
        return VariantURL(
            absolute(origin, self),
            width=self.width,
            height=self.height,
            content_type=self.content_type,
            original_size=self.original_size,
        )


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
    #: For an original as it is: how to fit it into a box of another ratio, as CSS `object-fit`.
    fit: str = ""
    #: Further attributes of the `img` element. True prints a bare name, None and False print nothing.
    attributes: Mapping[str, Any] = field(default_factory=dict)
    placeholder: Placeholder | None = None
    #: For a placeholder where the page's Content Security Policy wants it.
    nonce: str = ""
    #: That of its absolute URLs, such as "https://www.example.com"; empty for paths.
    origin: str = ""

    def __post_init__(self) -> None:
        for name in self.attributes:
            if not ATTRIBUTE_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is not the name of an attribute.")

    def __html__(self) -> SafeString:
        if not self:
            return mark_safe("")
        sizes = self.sizes or None
        is_lazy = self.is_lazy
        # Without a picture element and a srcset, the style sheet needs a name for it.
        is_plain = not (self.candidates or self.srcset)
        style, attributes = self._dress()
        image = element(
            "img",
            {
                "src": self.url or None,
                "srcset": self.srcset or None,
                "sizes": sizes,
                "width": self.width,
                "height": self.height,
                "alt": self.alt,
                "data-resizer": is_plain and (self.fit or True),
                **attributes,
            },
        )
        if not self.candidates:
            return SafeString(style + image)
        sources = "".join(
            element(
                "source",
                {
                    "type": (is_lazy and _LAZY_TYPES.get(one.content_type))
                    or one.content_type
                    or None,
                    "srcset": one.srcset,
                    "sizes": sizes if one.sizes is None else one.sizes or None,
                    "media": one.media or None,
                    "width": one.width,
                    "height": one.height,
                },
            )
            for one in self.candidates
        )
        # `mark_safe` looks for lazy translations first, which takes as long as an element.
        return SafeString(f"<picture>{style}{sources}{image}</picture>")

    def _dress(self) -> tuple[str, Mapping[str, Any]]:
        """A `style` element, or nothing, and the attributes of the `img` with its placeholder."""
        if self.placeholder is None:
            return "", self.attributes
        css = self.placeholder.css
        if allows_style_attributes():
            return "", {**self.attributes, "style": self._join(css, ";", "style")}
        if not allows_styles(self.nonce):
            return "", self.attributes
        name = self.placeholder.class_name
        style = f"{element('style', {'nonce': self.nonce})}.{name}{{{css}}}</style>"
        return style, {**self.attributes, "class": self._join(name, " ", "class")}

    def _join(self, value: str, separator: str, attribute: str) -> SafeString:
        """A value and that of the tag's own attribute."""
        own = self.attributes.get(attribute)
        return mark_safe(f"{value}{separator}{escape(own)}" if own else value)

    def __str__(self) -> str:
        return self.__html__()

    @property
    def html(self) -> SafeString:
        return self.__html__()

    @property
    def is_lazy(self) -> bool:
        return self.attributes.get("loading") == "lazy"

    def as_dict(self) -> dict[str, Any]:
        """The picture as data for JSON. Sources in the order of the `picture` element, with the fallback format last."""
        fallback = type_of(self.url)
        sources = list(self.candidates)
        if fallback:
            sources.append(Candidates(fallback, self.srcset or self.url))
        return {
            "url": str(self.url),
            "width": self.width,
            "height": self.height,
            "alt": str(self.alt),
            "sizes": str(self.sizes),
            "sources": [self._source(one) for one in sources],
        }

    def _source(self, one: Candidates) -> dict[str, Any]:
        """A source as data. Without sizes or a box of its own, it has those of the picture."""
        urls = [each.partition(" ")[0] for each in one.srcset.split(", ")]
        return {
            "type": one.content_type,
            "media": one.media,
            "srcset": one.srcset,
            "sizes": str(self.sizes if one.sizes is None else one.sizes),
            "width": self.width if one.width is None else one.width,
            "height": self.height if one.height is None else one.height,
            "candidates": [
                {"url": url, "width": _width_of(url)} for url in urls if one.content_type
            ],
        }

    def on(self, origin: str) -> Picture:
        """The same picture with absolute URLs. `origin` is such as "https://www.example.com"; an empty one changes nothing."""
        if not origin or not self:
            return self
        candidates = tuple(
            one._replace(srcset=_srcset_on(origin, one.srcset)) for one in self.candidates
        )
        return replace(
            self,
            url=absolute(origin, self.url),
            srcset=_srcset_on(origin, self.srcset),
            candidates=candidates,
            origin=origin,
        )

    def __bool__(self) -> bool:
        """False for the picture of an empty field."""
        return bool(self.url) or self != NOTHING


#: Prints nothing.
NOTHING = Picture(url="")


def with_nonce(result: Any, context: Context) -> Any:
    """Give a picture the nonce of its page, if it needs one. Reading a nonce keeps a page out of caches."""
    needs_nonce = (
        isinstance(result, Picture) and result.placeholder and not allows_style_attributes()
    )
    return replace(result, nonce=nonce_of(context)) if needs_nonce else result


def absolute(origin: str, url: str) -> str:
    """A URL with an origin, if it is a path."""
    return origin + url if url.startswith("/") and not url.startswith("//") else url


def _srcset_on(origin: str, srcset: str) -> str:
    return ", ".join(absolute(origin, one) for one in srcset.split(", ")) if srcset else ""


def type_of(url: str) -> str:
    """The MIME type of a variant. Empty for an original as it is: its name may say anything."""
    match = _VARIANT.search(url)
    row = BY_EXTENSION.get(match[2]) if match else None
    return row.content_type if row else ""


def _width_of(url: str) -> int:
    """The width of a variant, px."""
    return int(url.rpartition("/")[2].partition(".")[0])


def element(name: str, attributes: Mapping[str, Any]) -> str:
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
    # Most values. The tests below take as long as the rest.
    if type(value) is str:
        return html.escape(value)
    if type(value) is int:
        return str(value)
    if isinstance(value, Promise):
        # A translation is HTML only once it is a string.
        value = str(value)
    if hasattr(value, "__html__"):
        text = str(value.__html__())
        return text.translate(_BREAKING) if _BREAKS.search(text) else text
    return html.escape(str(value))
