"""A picture as the background of an element: `image-set()` with each format and two densities (CSS Images 4 §2.5).

The browser takes the first type that it knows, for its density. Media queries choose the width, as `srcset` would.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from django.utils.safestring import SafeString, mark_safe

from resizer.conf import get_settings
from resizer.markup import picture, presets
from resizer.markup.csp import nonce_of
from resizer.markup.html import element, escape
from resizer.markup.options import is_nothing

if TYPE_CHECKING:
    from django.template.context import Context

    from resizer.markup.html import Picture
    from resizer.originals import File

#: Widths of the window at which the next background begins: fewer than WIDTHS, because each costs a rule. CSS px.
STEPS = (480, 800, 1200, 1600)
#: Of a `style` attribute without `width`, which has no media queries. CSS px.
STYLE_WIDTH = 1200
#: A list of selectors. Nothing in it ends a rule or the style element, or begins another: no `<`, `{`, `}`, `@`, `;` or
#: comment. Quotes are in attribute selectors alone.
_SELECTOR = re.compile(
    r"""(?:
        [\w\s.\#*,>+~:()|&-]
        | \\[^\s<{}]
        | \[ \s* [\w|-]+ \s*
            (?: [~|^$*]?= \s* (?: [\w-]+ | "[^"\\<{}\r\n\f]*" | '[^'\\<{}\r\n\f]*' ) (?:\s+[is])? \s* )?
          \]
    )++""",
    re.VERBOSE,
)


class Rule(NamedTuple):
    #: From which width of the window it holds, CSS px.
    min_width: int
    declarations: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """The rules of a background. `str()` gives declarations for a `style` attribute, or a whole style sheet with a selector."""

    rules: tuple[Rule, ...]
    selector: str = ""

    def __str__(self) -> str:
        if not self.selector:
            # An attribute has no media queries.
            return self.rules[-1].declarations if self.rules else ""
        return "".join(self._write(rule) for rule in self.rules)

    def _write(self, rule: Rule) -> str:
        text = f"{self.selector}{{{rule.declarations}}}"
        return f"@media (min-width: {rule.min_width}px){{{text}}}" if rule.min_width else text

    def print(self, context: Context) -> SafeString:
        """The declarations for a `style` attribute. With a selector, a `style` element with the page's nonce."""
        if not self.selector:
            return mark_safe(escape(str(self)))
        if not self.rules:
            return mark_safe("")
        style = element("style", {"nonce": nonce_of(context) or None})
        return mark_safe(f"{style}{self}</style>")


def background(file: File, *, selector: object = None, **options: Any) -> Background:
    """The background from an original. With `width` or `height`, it has that size; else the window's. Raises ValueError for a wrong option."""
    selector = _read_selector(selector)
    made = picture.build(file, alt="", priority=True, **options)
    if not made:
        return Background(rules=(), selector=selector)
    sources = [one for one in made.as_dict()["sources"] if not one["media"]]
    if not sources:
        # The characters of a URL that are none of CSS.
        url = re.sub(r"[()'\"\\\s]", lambda one: f"%{ord(one[0]):02x}", made.url)
        return Background(rules=(Rule(0, f"background-image: url({url})"),), selector=selector)
    below = presets.find(options.get("preset"), picture.OPTIONS).options
    given = presets.overlay(below, options)
    is_fluid = is_nothing(given.get("width")) and is_nothing(given.get("height"))
    steps = _steps(made, has_queries=bool(selector), is_fluid=is_fluid)
    rules: list[Rule] = []
    for place, width in enumerate(steps):
        declarations = _declare(sources, width)
        if not rules or declarations != rules[-1].declarations:
            rules.append(Rule(steps[place - 1] + 1 if place else 0, declarations))
    return Background(rules=tuple(rules), selector=selector)


def _steps(made: Picture, *, has_queries: bool, is_fluid: bool) -> tuple[int, ...]:
    """The widths of the layout up to which one background serves, CSS px."""
    # Candidates for each density have no sizes.
    if not made.sizes or not is_fluid:
        return (made.width or 0,)
    return (*STEPS, get_settings().WIDTHS[-1]) if has_queries else (STYLE_WIDTH,)


def check_background(*, selector: object = None, **options: Any) -> None:
    """Raises ValueError for a wrong option of `background`."""
    _read_selector(selector)
    picture.check(**options)


def _read_selector(value: object) -> str:
    if is_nothing(value):
        return ""
    if not _SELECTOR.fullmatch(str(value)):
        raise ValueError(f'selector={value!r} is no selector. Use one such as ".hero".')
    return str(value)


def _declare(sources: list[dict[str, Any]], width: int) -> str:
    """The declarations for a layout of this width, CSS px. Browsers without `image-set` read the first one."""
    choices = []
    for source in sources:
        urls = [_url(source["candidates"], width * density) for density in (1, 2)]
        choices += [
            f"url({url}) {density}x type('{source['type']}')"
            for density, url in enumerate(dict.fromkeys(urls), 1)
        ]
    plain = _url(sources[-1]["candidates"], width)
    return f"background-image: url({plain}); background-image: image-set({', '.join(choices)})"


def _url(candidates: list[dict[str, Any]], width: int) -> str:
    """The URL of the smallest candidate with as many px, or the largest."""
    enough = (one["url"] for one in candidates if one["width"] >= width)
    return str(next(enough, candidates[-1]["url"]))
