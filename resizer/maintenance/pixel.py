"""The smallest picture, to try an engine or a storage with."""

from __future__ import annotations

import os
from zlib import compress, crc32


def one_pixel() -> bytes:
    """A PNG with one grey pixel of 8 bits (PNG §11.2): signature, header, row, end."""
    size = (1).to_bytes(4, "big") * 2
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", size + b"\x08\x00\x00\x00\x00"),
            _chunk(b"IDAT", compress(b"\x00" + os.urandom(1))),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(kind: bytes, body: bytes) -> bytes:
    checksum = crc32(kind + body).to_bytes(4, "big")
    return len(body).to_bytes(4, "big") + kind + body + checksum
