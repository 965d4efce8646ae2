"""What a URL, a key or a file means, and what a visitor gets: `explain` reads it all and changes nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote, urlsplit

from django.urls import NoReverseMatch

from resizer import originals
from resizer.conf import get_settings
from resizer.errors import (
    InvalidOption,
    LinkExpired,
    NotAllowed,
    OriginalNotFound,
    ResizerError,
    SourceFailed,
    SourceTimedOut,
    StoreFailed,
    UndecodableOriginal,
    VectorOriginal,
)
from resizer.keys.variant import CENTRE, PRIVATE, Fit, Recipe, parse_key
from resizer.links.mount import mount_path
from resizer.links.private import read_link, url_of
from resizer.links.short import parse_short
from resizer.links.signing import sign, verify
from resizer.maintenance.places import key_at, local_path, original_at, original_of_url, path_of
from resizer.originals import Freshness
from resizer.records import rows, tables
from resizer.records.descriptions import Reference
from resizer.store import backends

if TYPE_CHECKING:
    from resizer.keys.variant import ParsedKey, Variant
    from resizer.links.short import ShortURL
    from resizer.records.descriptions import Description


@dataclass(slots=True)
class Explanation:
    """Facts by their name, in order, and what a visitor gets."""

    facts: dict[str, str] = field(default_factory=dict)
    #: The HTTP status of a request.
    status: int = 200
    #: What a visitor gets, and why.
    verdict: str = ""

    def end(self, status: int, verdict: str) -> Explanation:
        self.status, self.verdict = status, verdict
        return self

    def fail(self, error: ResizerError) -> Explanation:
        return self.end(error.status, f"{type(error).__name__}: {error}.")


def explain(text: str) -> Explanation:
    """Explain a URL, a path, a key, the name of an original ("web:a.jpg"), or a path of a local file."""
    found = Explanation()
    if not _is_legible(text):
        return found.end(400, "No URL can be written like this.")
    of_url = None if _is_mounted(text) else original_of_url(text)
    place = path_of(of_url) if of_url else local_path(text)
    key = key_at(place) or _key_in(text)
    if key.startswith(PRIVATE) and _is_mounted(text):
        return _explain_link(found, key)
    try:
        parsed = parse_key(key)
    except InvalidOption as error:
        found.facts["kind"] = "a key with unknown parts"
        return found.fail(error)
    if parsed is not None:
        return _explain_key(found, key, parsed)
    original = of_url or original_at(place)
    if original is None and _is_mounted(text):
        return _explain_short(found, key)
    return _explain_original(found, original or text)


def _is_legible(text: str) -> bool:
    """False for a URL such as "http://[": Python refuses to split it, as browsers do."""
    try:
        urlsplit(text)
    except ValueError:
        return False
    return True


def _key_in(text: str) -> str:
    """The path of a URL below the app, or the text itself."""
    path = unquote(urlsplit(text).path) if "://" in text else text.partition("?")[0]
    return unquote(path).removeprefix(_mount()) if _is_mounted(text) else path


def _is_mounted(text: str) -> bool:
    mount = _mount()
    return bool(mount) and urlsplit(text).path.startswith(mount)


def _mount() -> str:
    try:
        return mount_path()
    except NoReverseMatch:
        return ""


# --- a link, or a key


def _explain_link(found: Explanation, path: str) -> Explanation:
    found.facts["kind"] = "the link of a private picture"
    try:
        link = read_link(path)
    except ResizerError as error:
        return found.fail(error)
    source = get_settings().SOURCES.get(link.variant.source)
    if source is None or not source.PRIVATE:
        return found.end(403, f"The source {link.variant.source!r} is not private any longer.")
    found.facts["allowed"] = f"{source.ALLOW} decides" if source.ALLOW else "with this link"
    if link.expires_at is not None:
        moment = datetime.fromtimestamp(link.expires_at, UTC)
        found.facts["expires"] = f"{moment:%Y-%m-%d %H:%M} UTC"
    if link.has_expired:
        return found.fail(LinkExpired("the link has expired. Load its page again"))
    if source.ALLOW is None and link.expires_at is None:
        return found.end(403, "The link has no expiry. Load its page again.")
    return _explain_key(found, link.key, cast("ParsedKey", parse_key(link.key)))


def _explain_key(found: Explanation, key: str, parsed: ParsedKey) -> Explanation:
    variant = parsed.variant
    reference = Reference(variant.source, variant.name)
    kind = "the key of a private variant" if variant.is_private else "the URL of a variant"
    found.facts.setdefault("kind", kind)
    found.facts |= {
        "source": variant.source,
        "original": variant.name,
        "recipe": tell_recipe(variant.recipe),
        "width": f"{variant.width} px",
        "format": variant.format.name,
    }
    try:
        verify(parsed)
    except ResizerError as error:
        found.facts["signature"] = "wrong: no key of this project has signed it"
        return found.fail(error)
    found.facts["signature"] = (
        "right" if sign(variant) == parsed.signature else "right, by a former key"
    )
    if get_settings().is_private(variant.source) and not variant.is_private:
        return found.fail(NotAllowed("its source is private now. resizer_purge removes the file"))
    try:
        is_there = _tell_file(found, key)
    except StoreFailed as error:
        found.facts["file"] = "unknown, the variants storage failed"
        return found.fail(error)
    try:
        description = originals.look_up(reference, Freshness.NOW)
    except ResizerError as error:
        found.facts["original"] += f" – {type(error).__name__}: {error}"
        if is_there and isinstance(error, SourceFailed | SourceTimedOut):
            return found.end(200, "The cached variant, because its source does not respond.")
        return found.fail(error)
    found.facts["original"] += f" – {_tell(description)}"
    return _judge(found, variant, description, is_there=is_there)


def _tell_file(found: Explanation, key: str) -> bool:
    """Whether the variant's file exists. Raises StoreFailed."""
    fetched = backends.fetch(key)
    found.facts["file"] = f"{len(fetched[0]):,} bytes" if fetched else "none"
    known = rows.recorded([key]) if tables.is_configured() else set()
    found.facts["row"] = "unknown, the database failed" if known is None else _yes(key in known)
    return fetched is not None


def _judge(
    found: Explanation, variant: Variant, description: Description, *, is_there: bool
) -> Explanation:
    current = description.version_of(variant.recipe)
    is_current = current == variant.version
    found.facts["version"] = "current" if is_current else f"another; the current one is {current}"
    if is_current and is_there:
        return found.end(200, "The cached variant.")
    offered = description.offered(variant)
    if offered == variant:
        if description.is_broken:
            return found.fail(UndecodableOriginal(f"{description.reference} is broken"))
        return found.end(200, "The first request makes it.")
    url = url_of(offered)
    if not is_current:
        return found.end(200, f"The current variant, {url}")
    return found.end(302, f"A redirect to {url}, because {_reason(variant, offered)}.")


def _reason(variant: Variant, offered: Variant) -> str:
    if variant.format != offered.format:
        return f"{variant.format.name} is not in FORMATS"
    if offered.width < variant.width:
        return f"no variant of this original is wider than {offered.width} px"
    return f"{variant.width} px is not in WIDTHS or FIXED_WIDTHS"


# --- a short URL, or an original


def _explain_short(found: Explanation, path: str) -> Explanation:
    found.facts["kind"] = "a short URL"
    try:
        short = parse_short(path)
    except OriginalNotFound as error:
        return found.fail(error)
    settings = get_settings().SOURCES.get(short.source)
    found.facts["source"] = short.source
    if settings is None or not settings.OPEN:
        found.facts["source"] += " – not open"
        return found.end(404, f"Short URLs need 'OPEN': True in SOURCES[{short.source!r}].")
    reference = Reference(short.source, short.name)
    found.facts["original"] = short.name
    try:
        description = originals.look_up(reference, Freshness.NOW)
    except ResizerError as error:
        return found.fail(error)
    found.facts["original"] += f" – {_tell(description)}"
    return _judge_short(found, short)


def _judge_short(found: Explanation, short: ShortURL) -> Explanation:
    if short.width is None:
        return found.end(200, "The original, encoded again at its own size.")
    if short.width == 0:
        return found.fail(InvalidOption("width 0"))
    listed = get_settings().listed_width(short.width)
    if listed != short.width:
        return found.end(302, f"A redirect to {listed} px, because {short.width} px is not listed.")
    return found.end(200, f"A variant of {listed} px, or of the original's own width.")


def _explain_original(found: Explanation, original: Reference | str) -> Explanation:
    found.facts["kind"] = "an original"
    try:
        reference = originals.locate(original)
        found.facts |= {"source": reference.source, "original": reference.name}
        description = originals.look_up(reference, Freshness.NOW)
    except VectorOriginal as error:
        found.facts["original"] += " – SVG"
        if get_settings().SHOW_SVG:
            return found.end(200, "An SVG is not resized. The tag links it as it is.")
        return found.end(error.status, "SHOW_SVG is False, so pages print nothing for an SVG.")
    except ResizerError as error:
        return found.fail(error)
    found.facts["original"] += f" – {_tell(description)}"
    found.facts["version"] = f"{description.version_of(Recipe())}, for the default recipe"
    made = rows.count(reference)
    found.facts["cached variants"] = "unknown" if made is None else str(made)
    if description.is_broken:
        return found.fail(UndecodableOriginal(f"{reference} is broken"))
    return found.end(200, "The tag prints resized pictures of it.")


# --- in words


def tell_recipe(recipe: Recipe) -> str:
    """A recipe in words, such as "cropped to 3:2 around 62 %, 35 %; quality high"."""
    parts = []
    if recipe.ratio is not None:
        shape = "square" if recipe.ratio == (1, 1) else "{}:{}".format(*recipe.ratio)
        verb = "stretched" if recipe.fit is Fit.FILL else "cropped"
        around = "" if recipe.focal == CENTRE else " around {} %, {} %".format(*recipe.focal)
        parts.append(f"{verb} to {shape}{around}")
    if recipe.quality is not None:
        parts.append(f"quality {recipe.quality}")
    if recipe.linear:
        parts.append("in linear light")
    if recipe.animated:
        parts.append("animated")
    return "; ".join(parts) or "the whole picture, quality medium"


def _tell(description: Description) -> str:
    header: Any = description.header
    broken = ", broken" if description.is_broken else ""
    return (
        f"{header.format.name}, {header.width} × {header.height} px, {header.bytes:,} bytes{broken}"
    )


def _yes(is_so: bool) -> str:
    return "yes" if is_so else "no"
