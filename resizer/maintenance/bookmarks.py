"""Where a sweep that was stopped in time goes on the next time: a small file among the variants, which outlasts any cache."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, cast

from django.utils.crypto import salted_hmac

from resizer.links.addresses import signing_keys
from resizer.storages import publishing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.core.files.storage import Storage

SALT = "resizer.bookmark"
#: After how long what no sweep reads is removed: a second file of two sweeps at once, of which one was killed, seconds …
SECOND_SECONDS = 3600
#: … and the file of a sweep that is run no longer.
UNREAD_SECONDS = 30 * 86_400

# As Django makes up a name where there is a file already.
_FORM = re.compile(r"\.sweep-[0-9a-f]{32}(?P<second>_[A-Za-z0-9]{7})?")


def is_left_over(name: str, age: float) -> bool:
    """Whether a file is of this form, and so many seconds old that no sweep reads it."""
    match = _FORM.fullmatch(name)
    return match is not None and age >= (SECOND_SECONDS if match["second"] else UNREAD_SECONDS)


class Bookmark:
    """That of one sweep; `kind` says which. Each method raises StoreFailed."""

    def __init__(self, storage: Storage, kind: str) -> None:
        self._storage = storage
        # A web server may serve the directory, and names of originals are nobody's business: no visitor can guess this one.
        digest = salted_hmac(SALT, kind, signing_keys()[0], algorithm="sha256").hexdigest()
        self._name = f".sweep-{digest[:32]}"

    def read(self) -> Sequence[str | int]:
        """Nothing where there is none that can be read."""
        fetched = publishing.fetch(self._storage, self._name)
        try:
            place = json.loads(fetched[0]) if fetched else None
        except ValueError:
            # Of a process that was killed while it wrote.
            return ()
        match place:
            case ["files"] | ["files", str()] | ["rows"] | ["rows", int(), str(), str()]:
                return cast("Sequence[str | int]", place)
        # Another release may write other places.
        return ()

    def write(self, place: Sequence[str | int]) -> None:
        publishing.note(self._storage, self._name, json.dumps(place).encode())

    def drop(self) -> None:
        publishing.remove(self._storage, [self._name])
