"""Estimate quickly how good an encoded image looks, and find the quality it needs."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageMath

from resizer.conf import get_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from resizer.formats import Format

#: About the average score of photographs at the level `medium`.
TARGET_SCORE = 70
#: Encodings of a sample.
MAX_ENCODINGS = 3
#: Stop at a score this close to the target.
NEAR_ENOUGH = 1.0
#: Average steps of an encoder's quality for one point of the score.
QUALITY_PER_POINT = 1.5
#: Tiles of a sample, across and down. A smaller image is its own sample.
TILES = 4
TILE_SIDE = 96  # px

# Of "Image Quality Assessment: From Error Visibility to Structural Similarity" (Wang et al., 2004), eq. 13.
_LUMINANCE = (0.01 * 255) ** 2
_CONTRAST = (0.03 * 255) ** 2


def find_quality(
    image: Image.Image, target: Format, encode: Callable[[Image.Image, int], bytes]
) -> int:
    """Find the quality for `TARGET_SCORE`, by the secant method on a sample of the image.

    `encode` gets an RGB image and a quality, from half of the level `medium` to the level `high`.
    """
    first, last = (get_settings().QUALITIES[level][target.name] for level in ("medium", "high"))
    sample = take_sample(image)
    tried: list[tuple[float, float]] = []
    quality = float(first)
    for _ in range(MAX_ENCODINGS):
        encoded = encode(sample, round(quality))
        with Image.open(io.BytesIO(encoded)) as decoded:
            score = estimate_score(sample, decoded.convert("RGB"))
        tried.append((quality, score))
        slope = QUALITY_PER_POINT
        if len(tried) > 1 and tried[-1][1] != tried[-2][1]:
            (before, before_score), (now, now_score) = tried[-2:]
            # A flat or falling curve is noise, hence the limits.
            slope = min(4.0, max(0.5, (now - before) / (now_score - before_score)))
        quality = min(last, max(first / 2, quality + slope * (TARGET_SCORE - score)))
        if abs(score - TARGET_SCORE) <= NEAR_ENOUGH or round(quality) == round(tried[-1][0]):
            break
    return round(quality)


def take_sample(image: Image.Image) -> Image.Image:
    """Join tiles from all over an image, as RGB. Not reduced, because the quality depends on the resolution."""
    width, height = image.size
    side = TILES * TILE_SIDE
    if width <= side or height <= side:
        return image.convert("RGB")
    sample = Image.new("RGB", (side, side))
    for across in range(TILES):
        for down in range(TILES):
            left = (width - TILE_SIDE) * across // (TILES - 1)
            top = (height - TILE_SIDE) * down // (TILES - 1)
            tile = image.crop((left, top, left + TILE_SIDE, top + TILE_SIDE))
            sample.paste(tile.convert("RGB"), (across * TILE_SIDE, down * TILE_SIDE))
    return sample


def estimate_score(original: Image.Image, encoded: Image.Image) -> float:
    """Estimate the SSIMULACRA2 score of two RGB images of one size: 90 looks the same, 70 is good, 50 fair.

    Fitted on the gallery's photographs in JPEG, WebP and AVIF, for scores between 50 and 88. On photographs left out of the
    fit, the error is 4 points (root mean square). A fixed quality is off by 7. See `make bench-quality`.
    """
    luma, _, red = zip(_channels(original), _channels(encoded), strict=True)
    fine = _dissimilarity(*luma, block=4)
    coarse = _dissimilarity(*(channel.reduce(4) for channel in luma), block=4)
    colour = _dissimilarity(*(channel.reduce(2) for channel in red), block=8)
    return (
        -8.3
        - 15.0 * math.log(0.05 + fine)
        - 11.8 * math.log(0.05 + coarse)
        - 7.8 * math.log(0.05 + colour)
    )


def _channels(image: Image.Image) -> tuple[Image.Image, ...]:
    """Y', Cb and Cr, each as floating point."""
    return tuple(channel.convert("F") for channel in image.convert("YCbCr").split())


def _dissimilarity(one: Image.Image, other: Image.Image, *, block: int) -> float:
    """1 - SSIM in blocks of `block` px: the fourth root of the mean of fourth powers, so that the worst blocks count most."""
    means = {
        "one": one.reduce(block),
        "other": other.reduce(block),
        "squares": _product(one, one).reduce(block),
        "other_squares": _product(other, other).reduce(block),
        "products": _product(one, other).reduce(block),
    }
    powers = ImageMath.lambda_eval(_fourth_power, **means)
    mean: float = powers.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    return math.sqrt(math.sqrt(max(mean, 0)))


def _product(one: Image.Image, other: Image.Image) -> Image.Image:
    product: Image.Image = ImageMath.lambda_eval(
        lambda of: of["one"] * of["other"], one=one, other=other
    )
    return product


def _fourth_power(of: dict[str, Any]) -> Any:
    one, other = of["one"], of["other"]
    luminance = (2 * one * other + _LUMINANCE) / (one * one + other * other + _LUMINANCE)
    variance = of["squares"] - one * one + of["other_squares"] - other * other
    covariance = of["products"] - one * other
    loss = 1 - luminance * (2 * covariance + _CONTRAST) / (variance + _CONTRAST)
    return loss * loss * loss * loss
