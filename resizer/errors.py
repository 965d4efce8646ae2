"""Every deliberate error, with its HTTP status and the words a visitor may read.

ResizerError
├── InvalidOption        400  a URL or an option that is not in the allow-lists
├── InvalidSignature     403  a key that nobody here has signed
├── OriginalNotFound     404  no such original, or none that may be shown
├── MethodNotAllowed     405  a request that would change something
├── TooManyBytes         413  the original's file is too large
├── UnsupportedFormat    415  the original is not of a format that we open
├── TooManyPixels        422  the original, or the variant, is too large a picture
├── UndecodableOriginal  422  broken, truncated or lying about itself
│   └── EngineFailed     422  an engine failed at it in a way that is no verdict on the file; the log says how
├── TooMuchWork          422  the original would keep a decoder busy for too long
├── SourceFailed         502  the source could not deliver the original
├── SourceTimedOut       504  … in time
└── Busy                 503  try again shortly
    ├── OriginalChanged  503  the original is not the one that was described
    ├── RenderKilled     503  memory has run out, or the system has killed the process that was at it
    └── StoreFailed      503  the variants storage could not be read or written

The text of an exception is for the log and may hold details; only `public_message` reaches visitors.
"""

from __future__ import annotations

from typing import ClassVar


class ResizerError(Exception):
    """Parent of all; never raised itself."""

    status: ClassVar[int]
    #: One plain sentence, without names of files, hosts or settings.
    public_message: ClassVar[str]
    #: How long a shared cache may keep the answer, seconds; 0 is `no-store`.
    cache_seconds: ClassVar[int] = 60
    #: What `Retry-After` says, seconds.
    retry_seconds: ClassVar[int | None] = None
    #: It was found out a moment ago, and logged then.
    is_remembered = False

    @property
    def cache_control(self) -> str:
        return f"public, max-age={self.cache_seconds}" if self.cache_seconds else "no-store"


class InvalidOption(ResizerError, ValueError):
    """A ValueError as well: the same value in a template or a call is the developer's mistake."""

    status = 400
    public_message = "This address asks for a width, a format or an option that is not available."


class InvalidSignature(ResizerError):
    status = 403
    public_message = "The signature of this address is not valid."
    # A key that is being rolled out must not leave refusals behind in a cache.
    cache_seconds = 0


class OriginalNotFound(ResizerError):
    status = 404
    public_message = "There is no picture at this address."


class MethodNotAllowed(ResizerError):
    status = 405
    public_message = "Pictures can be read, and nothing else."
    cache_seconds = 0


class TooManyBytes(ResizerError):
    status = 413
    public_message = "The original picture's file is too large."


class UnsupportedFormat(ResizerError):
    status = 415
    public_message = "The original is not a picture of a supported format."


class TooManyPixels(ResizerError):
    status = 422
    public_message = "The picture has too many pixels."


class UndecodableOriginal(ResizerError):
    status = 422
    public_message = "The original picture is damaged."


class EngineFailed(UndecodableOriginal):
    public_message = "The original picture could not be decoded."


class TooMuchWork(ResizerError):
    status = 422
    public_message = "The original picture would take too much work to decode."


class SourceFailed(ResizerError):
    status = 502
    public_message = "The original picture could not be fetched."
    cache_seconds = 0


class SourceTimedOut(ResizerError):
    status = 504
    public_message = "The original picture could not be fetched in time."
    cache_seconds = 0


class Busy(ResizerError):
    status = 503
    public_message = "The picture is not ready yet; please try again shortly."
    cache_seconds = 0
    retry_seconds = 1


class OriginalChanged(Busy):
    """A moment later it is described anew."""


class RenderKilled(Busy):
    """Not tried again before: each try may cost others their memory."""

    retry_seconds = 10


class StoreFailed(Busy):
    retry_seconds = 5


def _with_children(parent: type[ResizerError]) -> list[type[ResizerError]]:
    return [parent, *(one for child in parent.__subclasses__() for one in _with_children(child))]


#: Every class by its name, which is what others than Python remember of an error.
BY_NAME = {one.__name__: one for one in _with_children(ResizerError) if one is not ResizerError}
