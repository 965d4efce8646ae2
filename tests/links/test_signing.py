from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from resizer.errors import InvalidSignature
from resizer.formats import AVIF, JPEG
from resizer.keys.variant import ParsedKey, Recipe, Variant, parse_key, write_key
from resizer.links.signing import SIGNATURE_CHARACTERS, sign, signing_keys, verify

if TYPE_CHECKING:
    from pytest_django import Settings


def parsed(signature: str, **change: Any) -> ParsedKey:
    """The key of a variant, as a visitor may ask for it."""
    parsed = parse_key(write_key(dataclasses.replace(VARIANT, **change), "A" * 14))
    assert parsed is not None
    return parsed._replace(signature=signature)


VARIANT = Variant(source="default", name="a/b.jpg", version="5d41402a", width=640, format=AVIF)


def test_signature_is_short_and_safe_in_urls() -> None:
    signature = sign(VARIANT)
    assert len(signature) == SIGNATURE_CHARACTERS
    assert signature.replace("-", "").replace("_", "").isalnum()
    verify(parsed(signature))


@pytest.mark.parametrize(
    "change",
    [
        {"source": "web"},
        {"name": "a/c.jpg"},
        {"version": "5d41402b"},
        {"recipe": Recipe(ratio=(1, 1))},
    ],
)
def test_signature_covers(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidSignature):
        verify(parsed(sign(VARIANT), **change))


@pytest.mark.parametrize("change", [{"width": 320}, {"format": JPEG}])
def test_one_signature_serves_all_widths_and_formats(change: dict[str, Any]) -> None:
    verify(parsed(sign(VARIANT), **change))


@pytest.mark.parametrize("signature", ["", "A" * 14, "é" * 14])
def test_forged_signature_is_refused(signature: str) -> None:
    with pytest.raises(InvalidSignature):
        verify(parsed(signature))


def test_old_urls_work_while_their_key_is_a_fallback(settings: Settings) -> None:
    settings.RESIZER = {"SIGNING_KEY": "old"}
    signature = sign(VARIANT)
    settings.RESIZER = {"SIGNING_KEY": "new", "SIGNING_KEY_FALLBACKS": ["old"]}
    verify(parsed(signature))
    assert sign(VARIANT) != signature
    settings.RESIZER = {"SIGNING_KEY": "new"}
    with pytest.raises(InvalidSignature):
        verify(parsed(signature))


def test_signing_key_outlives_the_secret_key(settings: Settings) -> None:
    settings.RESIZER = {"SIGNING_KEY": "own"}
    signature = sign(VARIANT)
    settings.SECRET_KEY = "another"
    assert sign(VARIANT) == signature


def test_secret_key_signs_unless_there_is_a_signing_key(settings: Settings) -> None:
    settings.SECRET_KEY = "new secret"
    settings.SECRET_KEY_FALLBACKS = ["old secret"]
    settings.RESIZER = {"SIGNING_KEY_FALLBACKS": ["before that"]}
    assert signing_keys() == ("new secret", "before that", "old secret")
    settings.RESIZER = {"SIGNING_KEY": "own", "SIGNING_KEY_FALLBACKS": ["old"]}
    assert signing_keys() == ("own", "old")
