"""Choose usable ICC profiles."""

from __future__ import annotations

#: Larger profiles are ignored. Honest profiles have up to 2 MB, and several are cached.
MAX_PROFILE_BYTES = 4_000_000

#: Profiles of screens, printers, scanners and colour spaces (ICC.1:2022 §7.2.5). Other classes do not convert the colours of
#: an image to visible colours.
_CLASSES = {b"mntr", b"prtr", b"scnr", b"spac"}
#: Number of channels → colour space of the profile (ICC.1:2022 §7.2.6).
_SPACES = {1: b"GRAY", 3: b"RGB ", 4: b"CMYK"}


def is_usable(profile: bytes, channels: int) -> bool:
    """Whether a profile fits an image of so many channels, not counting transparency. Browsers ignore all others."""
    return (
        len(profile) <= MAX_PROFILE_BYTES
        and profile[12:16] in _CLASSES
        and profile[16:20] == _SPACES[channels]
    )
