"""Every deliberate error, with its HTTP status and a message for visitors.

ResizerError
├── InvalidOption        400  the URL or an option is unknown or not allowed
├── InvalidSignature     403  no key of this project has signed the URL
│   └── LinkExpired      403  the URL of a private picture worked for a limited time, which is over
├── NotAllowed           403  the picture is private, and this visitor may not see it
├── OriginalNotFound     404  the original does not exist, or visitors may not see it
├── MethodNotAllowed     405  the request is neither GET nor HEAD
├── TooManyBytes         413  the original's file is too large
├── UnsupportedFormat    415  the original has a format that is not opened
│   └── VectorOriginal   415  the original is an SVG, which browsers show as it is
├── TooManyPixels        422  the original or the variant has too many pixels, or would take too much memory
├── UndecodableOriginal  422  the original is broken, truncated or contradicts its header
│   └── EngineFailed     422  the engine failed unexpectedly; the file may be fine, and the log has the cause
├── TooMuchWork          422  decoding the original would take too long
├── SourceFailed         502  the source could not deliver the original
├── SourceTimedOut       504  the source did not deliver the original in time
└── Busy                 503  the server cannot do it at the moment; try again shortly
    ├── EngineAbsent     503  the engine cannot be loaded in a child process; the log has the cause
    ├── OriginalChanged  503  the original was replaced after it was described
    ├── RenderKilled     503  memory ran out, or the system killed the rendering process
    └── StoreFailed      503  the variants storage could not be read or written

The text of an exception is for the log and may hold details. Visitors see only `public_message`.
"""

from __future__ import annotations

from typing import ClassVar


class ResizerError(Exception):
    """Parent of all deliberate errors. Never raised itself."""

    status: ClassVar[int]
    #: One plain sentence in ASCII, without names of files, hosts or settings.
    public_message: ClassVar[str]
    #: How long a shared cache may keep the response, seconds. 0 sends `no-store`.
    cache_seconds: ClassVar[int] = 60
    #: The value of the `Retry-After` header, seconds. None sends no header.
    retry_seconds: ClassVar[int | None] = None
    #: For how long the same render would fail again, seconds. It is not tried again meanwhile. 0 is not at all.
    failure_seconds: ClassVar[int] = 0
    #: True for a failure repeated from the cache or a lock file. It was logged when it happened.
    is_remembered = False

    @property
    def cache_control(self) -> str:
        return f"public, max-age={self.cache_seconds}" if self.cache_seconds else "no-store"


class InvalidOption(ResizerError, ValueError):
    """Also a ValueError, because a wrong option in a template or a call is a programming error."""

    status = 400
    public_message = "This URL asks for an unavailable width, format or option."


class InvalidSignature(ResizerError):
    """No signing key of this project has signed the URL."""

    status = 403
    public_message = "The signature of this URL is not valid."
    # While a new key is rolled out, some servers refuse it. A shared cache must not keep those refusals.
    cache_seconds = 0


class LinkExpired(InvalidSignature):
    """The URL of a private picture worked for a limited time, which is over."""

    public_message = "This URL is no longer valid. Load the page again."


class NotAllowed(ResizerError):
    """The picture is private, and this visitor may not see it."""

    status = 403
    public_message = "You may not see this image."
    cache_seconds = 0


class OriginalNotFound(ResizerError):
    """The original or its source does not exist, or visitors may not see it. A refused name answers the same."""

    status = 404
    public_message = "There is no image at this URL."


class MethodNotAllowed(ResizerError):
    """The request is neither GET nor HEAD."""

    status = 405
    public_message = "Use GET or HEAD to load this image."
    cache_seconds = 0


class TooManyBytes(ResizerError):
    """The original's file is larger than `MAX_BYTES`, or than its source allows."""

    status = 413
    public_message = "The original's file is too large."


class UnsupportedFormat(ResizerError):
    """The original has an unknown format, or one without a decoder or not allowed by `EXTRA_FORMATS`."""

    status = 415
    public_message = "The original is not an image of a supported format."


class VectorOriginal(UnsupportedFormat):
    """The original is an SVG. It is not resized, and a page shows it as it is."""

    #: Its own (width, height), px.
    size: tuple[int, int] | None = None


class TooManyPixels(ResizerError):
    """The original or the variant has too many pixels or frames, or needs too much memory."""

    status = 422
    public_message = "The image has too many pixels."


class UndecodableOriginal(ResizerError):
    """The original is broken or truncated, or contradicts its header."""

    status = 422
    public_message = "The original is damaged."
    failure_seconds = 60


class EngineFailed(UndecodableOriginal):
    """The engine raised an unexpected error, logged with its cause. The file may be fine."""

    public_message = "The original could not be decoded."


class TooMuchWork(ResizerError):
    """The original has a flood of small parts, or its render took longer than `RENDER_SECONDS`."""

    status = 422
    public_message = "The original would take too much work to decode."
    failure_seconds = 60


class SourceFailed(ResizerError):
    """The source could not deliver the original."""

    status = 502
    public_message = "The original could not be fetched."
    cache_seconds = 0


class SourceTimedOut(ResizerError):
    """The source did not deliver the original in time."""

    status = 504
    public_message = "The original could not be fetched in time."
    cache_seconds = 0


class Busy(ResizerError):
    """The server cannot render now, or lacks memory, descriptors or disk space. Try again shortly."""

    status = 503
    public_message = "The image is not ready yet. Try again shortly."
    cache_seconds = 0
    retry_seconds = 1


class EngineAbsent(Busy):
    """The engine cannot be loaded in a child process. Perhaps the server is being updated, or its system has no isolation."""


class OriginalChanged(Busy):
    """The original was replaced after it was described. The next request describes it again."""


class RenderKilled(Busy):
    """Memory ran out, or the system killed the rendering process.

    `Retry-After` is longer, because each attempt may take memory other processes need.
    """

    retry_seconds = 10
    failure_seconds = 10


class StoreFailed(Busy):
    """The variants storage could not be read or written."""

    retry_seconds = 5


def _with_children(parent: type[ResizerError]) -> list[type[ResizerError]]:
    return [parent, *(one for child in parent.__subclasses__() for one in _with_children(child))]


#: Every class by its name. The cache and child processes pass errors on by name.
BY_NAME = {one.__name__: one for one in _with_children(ResizerError) if one is not ResizerError}
