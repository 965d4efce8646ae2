"""Which ICC profiles count: those that say what the numbers of this picture mean."""

from __future__ import annotations

#: A profile that is larger is ignored: honest ones have up to 2 MB, and some are remembered.
MAX_PROFILE_BYTES = 4_000_000

#: Profiles of scanners, screens, printers, and of colour spaces (ICC.1:2022 §7.2.5). The others lead from no picture's
#: colours to seen ones.
_CLASSES = {b"mntr", b"prtr", b"scnr", b"spac"}
#: The colour space of pictures of so many channels (ICC.1:2022 §7.2.6).
_SPACES = {1: b"GRAY", 3: b"RGB ", 4: b"CMYK"}


def is_usable(profile: bytes, channels: int) -> bool:
    """Whether a profile is for a picture of so many channels, without transparency. Browsers ignore all others."""
    return (
        len(profile) <= MAX_PROFILE_BYTES
        and profile[12:16] in _CLASSES
        and profile[16:20] == _SPACES[channels]
    )
