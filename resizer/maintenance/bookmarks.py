"""Bookmarks: the place where the next sweep continues after `--for` stopped one.

A bookmark is a small file in the variants storage, because a cache may lose its entries.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, cast

from django.utils.crypto import salted_hmac

from resizer.links.signing import signing_keys
from resizer.storages import publishing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.core.files.storage import Storage

SALT = "resizer.bookmark"
#: Age at which a second file is removed, seconds. Two sweeps at once leave one if one of them is killed.
SECOND_SECONDS = 3600
#: Age at which the bookmark of an abandoned sweep is removed, seconds.
UNREAD_SECONDS = 30 * 86_400

# If the name is taken, Django's storages append "_" and seven characters.
_FORM = re.compile(r"\.sweep-[0-9a-f]{32}(?P<second>_[A-Za-z0-9]{7})?")


def is_left_over(name: str, age: float) -> bool:
    """Whether a file is a bookmark, and its age in seconds is too high for any sweep to read it."""
    match = _FORM.fullmatch(name)
    return match is not None and age >= (SECOND_SECONDS if match["second"] else UNREAD_SECONDS)


class Bookmark:
    """The bookmark of one sweep. `kind` identifies the sweep's options. Each method raises StoreFailed."""

    def __init__(self, storage: Storage, kind: str) -> None:
        self._storage = storage
        # The content names an original. A web server may serve the directory, so visitors must not guess the file name.
        digest = salted_hmac(SALT, kind, signing_keys()[0], algorithm="sha256").hexdigest()
        self._name = f".sweep-{digest[:32]}"

    def read(self) -> Sequence[str | int]:
        """The stage and place of the last sweep. Empty without a readable bookmark."""
        fetched = publishing.fetch(self._storage, self._name)
        try:
            place = json.loads(fetched[0]) if fetched else None
        except ValueError:
            # A process was killed while it wrote the file.
            return ()
        match place:
            case ["files"] | ["files", str()] | ["rows"] | ["rows", int(), str(), str()]:
                return cast("Sequence[str | int]", place)
        # Another release may have written another form.
        return ()

    def write(self, place: Sequence[str | int]) -> None:
        """Keep a stage and place, as `read` gives them."""
        publishing.note(self._storage, self._name, json.dumps(place).encode())

    def drop(self) -> None:
        publishing.remove(self._storage, [self._name])
