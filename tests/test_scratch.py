from __future__ import annotations

import pytest

from resizer.scratch import own_files


def test_error_of_an_encoder_is_none_of_the_system() -> None:
    with pytest.raises(OSError, match="encoder error"), own_files():
        raise OSError("encoder error -2 when writing image file")
