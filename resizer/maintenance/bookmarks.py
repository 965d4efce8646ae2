"""Where a sweep that was stopped in time goes on the next time: a small file among the variants, which outlasts any cache."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from django.utils.crypto import salted_hmac

from resizer.links.signing import signing_keys
from resizer.storages import publishing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.core.files.storage import Storage

SALT = "resizer.bookmark"


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
            return cast("Sequence[str | int]", json.loads(fetched[0])) if fetched else ()
        except ValueError:
            # Of a process that was killed while it wrote.
            return ()

    def write(self, place: Sequence[str | int]) -> None:
        publishing.note(self._storage, self._name, json.dumps(place).encode())

    def drop(self) -> None:
        publishing.remove(self._storage, [self._name])
