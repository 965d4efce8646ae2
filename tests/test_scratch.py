from __future__ import annotations

import os
from contextlib import closing

import pytest

from resizer import scratch
from resizer.scratch import Spool, own_files


def test_error_of_an_encoder_is_none_of_the_system() -> None:
    with pytest.raises(OSError, match="encoder error"), own_files():
        raise OSError("encoder error -2 when writing image file")


def test_what_is_spooled_is_on_the_disk_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full says so to the thread that fetches, not to the one that reads."""
    monkeypatch.setattr(scratch, "SPOOL_BYTES", 10)
    with closing(Spool()) as spool:
        for length in (11, 12, 13):
            spool.append(b"x" * (length - spool.length))
            assert os.fstat(spool._file.fileno()).st_size == length
