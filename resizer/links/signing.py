"""Signatures of keys: one for all widths and formats of a picture, `sign` beside `verify`.

HMAC-SHA256 cut to 84 bits, as 14 characters of URL-safe base64 (RFC 4648 §5): what one signature opens is
bounded by the allow-lists of widths and formats.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, cast

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac

from resizer.conf import get_settings
from resizer.errors import InvalidSignature
from resizer.keys.variant import write_prefix, write_recipe

if TYPE_CHECKING:
    from collections.abc import Iterable

    from resizer.keys.variant import Variant

SALT = "resizer.key"
SIGNATURE_CHARACTERS = 14


def sign(variant: Variant) -> str:
    """Sign source, name, version and recipe with the current key."""
    return _sign(variant, signing_keys()[0])


def verify(variant: Variant, signature: str) -> None:
    """Raise InvalidSignature unless the current key or a fallback has signed the variant."""
    # No early end: the time tells nothing about which key it was.
    matches = [constant_time_compare(_sign(variant, key), signature) for key in signing_keys()]
    if not any(matches):
        raise InvalidSignature(f"{signature!r} does not sign {variant.name[:200]!r}")


def signing_keys() -> tuple[str, ...]:
    """The key that signs, then those that are still accepted."""
    values = get_settings()
    if values.SIGNING_KEY is not None:
        return (values.SIGNING_KEY, *values.SIGNING_KEY_FALLBACKS)
    fallbacks = cast("Iterable[str]", settings.SECRET_KEY_FALLBACKS)
    return (settings.SECRET_KEY, *values.SIGNING_KEY_FALLBACKS, *fallbacks)


def _sign(variant: Variant, key: str) -> str:
    # In their spelling of a key none of the parts can hold a newline, so no two variants share a text.
    parts = (
        write_prefix(variant.source, variant.name),
        variant.version,
        write_recipe(variant.recipe),
    )
    digest = salted_hmac(SALT, "\n".join(parts), key, algorithm="sha256").digest()
    return base64.urlsafe_b64encode(digest)[:SIGNATURE_CHARACTERS].decode("ascii")
