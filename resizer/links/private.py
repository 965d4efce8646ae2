"""The URLs of variants for visitors. A public variant's is its key, a private variant's is a link.

link = "_private." source ["." expiry] "/" name "/" version "-" signature "/" …        as in a key

A link has a signature of its own, so nobody can tell the key of a private variant from it. The expiry is in POSIX seconds,
hexadecimal. It is missing if the source has `ALLOW`, which decides about each request.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from resizer.conf import get_settings
from resizer.errors import InvalidOption
from resizer.keys.variant import PRIVATE, parse_key, write_key, write_stem
from resizer.links.mount import mount_path, path_for, url_for
from resizer.links.signing import sign, sign_text, verify_text

if TYPE_CHECKING:
    from resizer.keys.variant import Recipe, Variant

SALT = "resizer.link"


class Link(NamedTuple):
    """A verified link."""

    variant: Variant
    #: Of the variant in the storage. Never show it to visitors.
    key: str
    #: POSIX seconds. None if it does not expire.
    expires_at: int | None

    @property
    def has_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= time.time()


def read_link(path: str) -> Link:
    """Parse a link and verify its signature. It may have expired. Raises InvalidOption, InvalidSignature."""
    source, expiry, rest = _split(path)
    parsed = parse_key(f"{PRIVATE}{source}/{rest}")
    if parsed is None:
        raise InvalidOption("the path has not the form of a link")
    verify_text(f"{parsed.signed}\n{expiry}", parsed.signature, SALT)
    variant = parsed.variant
    return Link(variant, write_key(variant, sign(variant)), int(expiry, 16) if expiry else None)


def url_of(variant: Variant) -> str:
    """The URL of a variant on pages. A link has no host: `HOST` may be a CDN without the visitor's cookies."""
    path = path_of(variant)
    return path_for(path) if variant.is_private else url_for(path)


def path_of(variant: Variant) -> str:
    """The path of a variant for visitors, below the mount of the app."""
    if variant.is_private:
        return _write_link(variant, _expiry(variant.source))
    return write_key(variant, sign(variant))


def link_instead(variant: Variant, path: str) -> str:
    """The link of a private variant, for a visitor with the link of another one.

    Security: it expires with the visitor's own link. With a later expiry, a visitor could renew a link forever.
    """
    _source, expiry, _rest = _split(path)
    return _write_link(variant, expiry)


def key_at(url: str) -> str:
    """The key of a URL that a page prints for a variant."""
    path = url.removeprefix(url_for("")).removeprefix(mount_path())
    return read_link(path).key if path.startswith(PRIVATE) else path


def link_stem(source: str, name: str, version: str, recipe: Recipe) -> str:
    """The links of a picture up to their width. All widths and formats share it."""
    return _write_stem(source, name, version, recipe, _expiry(source))


def _write_link(variant: Variant, expiry: str) -> str:
    stem = _write_stem(variant.source, variant.name, variant.version, variant.recipe, expiry)
    return f"{stem}{variant.width}.{variant.format.extension}"


def _write_stem(source: str, name: str, version: str, recipe: Recipe, expiry: str) -> str:
    def sign_link(text: str) -> str:
        return sign_text(f"{text}\n{expiry}", SALT)

    stem = write_stem(source, name, version, recipe, sign_link, is_private=True)
    directory, _, rest = stem.partition("/")
    return f"{directory}.{expiry}/{rest}" if expiry else f"{directory}/{rest}"


def _split(path: str) -> tuple[str, str, str]:
    """The source, the expiry and the rest of a link."""
    directory, _, rest = path.partition("/")
    source, _, expiry = directory.removeprefix(PRIVATE).partition(".")
    return source, expiry, rest


def _expiry(source: str) -> str:
    """In whole steps, so that pages of one step print the same link, and browsers keep its picture."""
    settings = get_settings()
    if settings.SOURCES[source].ALLOW:
        return ""
    step = settings.PRIVATE_SECONDS
    return f"{(int(time.time()) // step + 2) * step:x}"
