"""Listings of an S3 bucket, to look up many objects with few requests."""

from __future__ import annotations

import errno
from contextlib import nullcontext
from typing import TYPE_CHECKING

from resizer.storages.buckets import fingerprint_of

if TYPE_CHECKING:
    from resizer.storages.buckets import Bucket
    from resizer.storages.protocol import Sending, Stored

#: Sorts after every name.
LAST = "\U0010ffff"


class LookUp:
    """The facts about many objects, asked for in ascending order. Lists the bucket, up to a thousand objects a request.

    If a listing fails, is not in order, or contradicts a HEAD request, each object gets a HEAD request instead.
    """

    def __init__(self, bucket: Bucket, sending: Sending = nullcontext) -> None:
        """Each request is sent within `sending`."""
        self._bucket = bucket
        self._sending = sending
        self._page: dict[str, Stored] = {}
        #: All objects up to this name were in a page.
        self._end = ""
        self._is_compared = False
        self._is_usable = True

    def stat(self, name: str) -> Stored:
        """The facts about an object. Raises FileNotFoundError."""
        self._bucket.check(name)
        while self._is_usable and name > self._end:
            self._turn(max(self._end, _just_before(name)))
        if not self._is_usable:
            return self._head(name)
        stored = self._page.get(name)
        if stored is None:
            raise FileNotFoundError(errno.ENOENT, "the listing has no such key")
        return stored if self._is_compared else self._compare(stored)

    def _turn(self, after: str) -> None:
        try:
            with self._sending():
                self._page, is_cut = self._bucket.page(after)
        except OSError:
            # HEAD requests may be allowed in a bucket that refuses listings.
            self._is_usable = False
            return
        names = list(self._page)
        is_later = names[0] > after if names else not is_cut
        self._is_usable = is_later and names == sorted(names)
        self._end = names[-1] if is_cut and names else LAST

    def _compare(self, listed: Stored) -> Stored:
        stored = self._head(listed.name)
        self._is_compared = True
        self._is_usable = fingerprint_of(stored) == fingerprint_of(listed)
        return stored

    def _head(self, name: str) -> Stored:
        with self._sending():
            return self._bucket.stat(name)


def _just_before(name: str) -> str:
    """A name just before this one. A listing from there begins with this one."""
    before = ord(name[-1]) - 1
    # Skip the surrogates: they are not characters.
    return f"{name[:-1]}{chr(0xD7FF if 0xD800 <= before <= 0xDFFF else before)}\uffdc"
