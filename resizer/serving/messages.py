"""A request for a variant, and the response to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Request(NamedTuple):
    """The parts of a request with an effect on the response. Headers are empty if missing."""

    method: str
    #: The path below the mount of the app, percent-decoded: a key, or a short URL.
    path: str
    #: The whole path as the browser sent it, with its escapes. Empty if the server does not pass it on.
    sent_path: str = ""
    #: The query string, percent-encoded.
    query: str = ""
    accept: str = ""
    if_none_match: str = ""
    if_modified_since: str = ""
    #: Of `time.monotonic`, when it reached the app.
    began_at: float = 0.0


class Response(NamedTuple):
    """A whole response."""

    status: int
    headers: Mapping[str, str]
    content: bytes = b""
