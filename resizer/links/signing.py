"""Signatures of keys, and of links to private pictures.

One signature serves all widths and formats of a recipe: HMAC-SHA256 cut to 84 bits, as 14 characters of
URL-safe base64 (RFC 4648 §5). The lists of allowed widths and formats limit its use.
"""

from __future__ import annotations

import base64
import functools
from hmac import compare_digest
from typing import TYPE_CHECKING, cast

from django.conf import settings
from django.utils.crypto import salted_hmac

from resizer.conf import Settings, get_settings
from resizer.errors import InvalidSignature, NotAllowed
from resizer.keys.variant import ParsedKey, parse_key, signed_text, write_stem

if TYPE_CHECKING:
    import hmac
    from collections.abc import Iterable

    from resizer.keys.variant import Recipe, Variant

SALT = "resizer.key"
SIGNATURE_CHARACTERS = 14
#: The most verified keys in the memory of a process. Each takes about 2 KB.
MOST_KEYS = 4096


def key_of(variant: Variant) -> str:
    """The key of a variant, signed with the current key."""
    owner = (variant.source, variant.name, variant.version, variant.recipe, variant.is_private)
    return f"{_stem(*owner, signing_keys()[0])}{variant.width}.{variant.format.extension}"


def sign(variant: Variant) -> str:
    """Sign source, name, version and recipe with the current key."""
    return sign_text(signed_text(variant), SALT)


def sign_text(text: str, salt: str) -> str:
    """Sign a text for one purpose with the current key."""
    return _sign(text, salt, signing_keys()[0])


def signed_stem(source: str, name: str, version: str, recipe: Recipe) -> str:
    """The keys of a picture up to their width, signed with the current key. All widths and formats share it."""
    return write_stem(source, name, version, recipe, functools.partial(sign_text, salt=SALT))


# Security: an error is not remembered. Strangers can invent any number of unsigned paths, of any length.
@functools.lru_cache(maxsize=MOST_KEYS)
def read_key(values: Settings, key: str) -> ParsedKey:
    """Parse a key and verify its signature.

    `values` are the current settings. Other settings have other signing keys, so nothing remembered holds for them.
    Raises LookupError for a path in another form, such as a short URL, InvalidOption for a key in another spelling than
    ours, and InvalidSignature. Raises NotAllowed for a key of a private source: only a link leads to its pictures.
    """
    parsed = parse_key(key)
    if parsed is None:
        raise LookupError
    verify(parsed)
    variant = parsed.variant
    if variant.is_private or values.is_private(variant.source):
        raise NotAllowed(f"source {variant.source!r} is private")
    return parsed


def verify(parsed: ParsedKey) -> None:
    """Raise InvalidSignature unless the current signing key or a fallback has signed the key's text."""
    verify_text(parsed.signed, parsed.signature, SALT)


def verify_text(text: str, signature: str, salt: str) -> None:
    """Raise InvalidSignature unless the current signing key or a fallback has signed a text for this purpose."""
    # Compare with all signing keys, so that the time does not reveal the matching one.
    given = signature.encode()
    matches = [compare_digest(_sign(text, salt, key).encode(), given) for key in signing_keys()]
    if not any(matches):
        raise InvalidSignature(f"{signature!r} does not sign {text[:200]!r}")


def signing_keys() -> tuple[str, ...]:
    """The current signing key, then the fallbacks still accepted."""
    values = get_settings()
    if values.SIGNING_KEY is not None:
        return (values.SIGNING_KEY, *values.SIGNING_KEY_FALLBACKS)
    fallbacks = cast("Iterable[str]", settings.SECRET_KEY_FALLBACKS)
    return (settings.SECRET_KEY, *values.SIGNING_KEY_FALLBACKS, *fallbacks)


# URLs of former versions need the same few again and again.
@functools.lru_cache(maxsize=MOST_KEYS)
def _stem(
    source: str, name: str, version: str, recipe: Recipe, is_private: bool, signing_key: str
) -> str:
    return write_stem(
        source,
        name,
        version,
        recipe,
        lambda text: _sign(text, SALT, signing_key),
        is_private=is_private,
    )


def _sign(text: str, salt: str, key: str) -> str:
    mac = _empty_mac(salt, key).copy()
    mac.update(text.encode())
    return base64.urlsafe_b64encode(mac.digest())[:SIGNATURE_CHARACTERS].decode("ascii")


# Django derives a key from the salt and the secret, which takes as long as the rest. A project has few signing keys.
@functools.lru_cache(maxsize=32)
def _empty_mac(salt: str, key: str) -> hmac.HMAC:
    return salted_hmac(salt, "", key, algorithm="sha256")
