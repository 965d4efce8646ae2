"""Fetch files with requests, through the gate. Imported for the first fetch: importing it takes 0.1 s.

Security: only the adapter of requests is used. A session would read .netrc and proxies from the environment, keep cookies
and follow redirects.
"""

from __future__ import annotations

import re
import ssl
from contextlib import ExitStack, contextmanager
from email.errors import MultipartInvariantViolationDefect, StartBoundaryNotFoundDefect
from functools import cached_property, partial
from http.client import HTTPException, HTTPResponse
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import requests
from certifi import where
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from resizer.errors import OriginalNotFound, SourceFailed, SourceTimedOut
from resizer.scratch import raise_shortage
from resizer.sources.bulkhead import one_fetch_from
from resizer.sources.deadline import one_fetch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from resizer.sources.deadline import FetchDeadline
    from resizer.sources.web.gate import BoundSocket, Gate
    from resizer.sources.web.url import URL

HEADERS = {
    "User-Agent": "django-resized-img",
    "Accept": "*/*",
    # A compressed body could unpack to any size, and compression gains nothing for images.
    "Accept-Encoding": "identity",
}
_REDIRECTS = {301, 302, 303, 307, 308}
_GONE = {404, 410}
_LENGTH = re.compile(r"[0-9]{1,15}")
#: Python reports these for every multipart header, because it parses no body.
_OF_BODIES = (MultipartInvariantViolationDefect, StartBoundaryNotFoundDefect)
#: Errors of requests, urllib3 and Python.
_FAILURES = (requests.RequestException, HTTPError, HTTPException, OSError, ValueError)


class Limits(NamedTuple):
    """Limits of a fetch."""

    connect_seconds: float
    #: For names, connections, redirects, headers and body together, and for all fetches of a request.
    deadline_seconds: float
    redirects: int


class _BoundTLSSocket(ssl.SSLSocket):
    deadline: FetchDeadline

    def recv_into(self, *arguments: Any) -> int:
        with self.deadline.bounding(self):
            return super().recv_into(*arguments)


class _StrictResponse(HTTPResponse):
    def begin(self) -> None:
        super().begin()
        # After an invalid header line, urllib3 would ignore all further headers, and log the URL with its query.
        for defect in self.msg.defects:
            if not isinstance(defect, _OF_BODIES):
                raise HTTPException(f"headers with a {type(defect).__name__}")


class _Connection(HTTPConnection):
    response_class = _StrictResponse

    def __init__(self, *arguments: Any, dial: Callable[[], BoundSocket], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._dial = dial

    def _new_conn(self) -> BoundSocket:
        return self._dial()


class _TLSConnection(HTTPSConnection):
    response_class = _StrictResponse

    def __init__(self, *arguments: Any, dial: Callable[[], BoundSocket], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._dial = dial

    def _new_conn(self) -> BoundSocket:
        self._dialled = self._dial()
        return self._dialled

    def connect(self) -> None:
        super().connect()
        cast("_BoundTLSSocket", self.sock).deadline = self._dialled.deadline


class _Adapter(HTTPAdapter):
    """Connects by `dial`, whatever host urllib3 reads from the URL."""

    def __init__(self, dial: Callable[[], BoundSocket], context: ssl.SSLContext | None) -> None:
        self._dial = dial
        self._context = context
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, ssl_context=self._context, **options)

    def cert_verify(self, *_: Any) -> None:
        """Nothing to do: `context` has the certificates. requests would read its own again for each fetch."""

    def get_connection_with_tls_context(self, *arguments: Any, **options: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*arguments, **options)
        kind = _TLSConnection if pool.scheme == "https" else _Connection
        pool.ConnectionCls = partial(kind, dial=self._dial)
        return pool


class Response:
    """A server's response. Its body is read step by step."""

    def __init__(self, response: requests.Response, url: URL, end: Callable[[], None]) -> None:
        self._response = response
        self._url = url
        self._end = end
        self._is_read = False
        self.status = response.status_code
        self.headers = response.headers

    @property
    def length(self) -> int | None:
        """The length of the body, bytes; None if the response does not have it. Raises SourceFailed for an invalid one."""
        told = self.headers.get("Content-Length")
        if told is None or "Transfer-Encoding" in self.headers:
            return None
        if not _LENGTH.fullmatch(told):
            raise SourceFailed(
                f"{self._url.without_query!r} sent an invalid Content-Length: {told[:50]!r}"
            )
        return int(told)

    def read(self, size: int) -> bytes:
        """Read up to `size` bytes; empty at the end. Raises SourceFailed, also for a cut body; SourceTimedOut."""
        if self._is_read:
            return b""
        with _errors(self._url):
            content: bytes = self._response.raw.read(size, decode_content=False)
        if not content:
            # Decoding may take longer than fetching, so release the connection and the permit now.
            self._is_read = True
            self._end()
        return content


class Fetcher:
    """Fetches URLs through a gate. `may_get` checks the target of each redirect; the caller checks the first URL."""

    def __init__(
        self, gate: Gate, limits: Limits, may_get: Callable[[URL], bool], ca_bundle: str | None
    ) -> None:
        self._gate = gate
        self._limits = limits
        self._may_get = may_get
        self._ca_bundle = ca_bundle

    @contextmanager
    def get(self, url: URL, conditions: Mapping[str, str]) -> Iterator[Response]:
        """Yield a response of status 200 or 304. Raises OriginalNotFound, SourceFailed, SourceTimedOut, Busy."""
        with ExitStack() as stack:
            stack.enter_context(one_fetch_from(url.host))
            deadline = stack.enter_context(one_fetch(self._limits.deadline_seconds))
            for _ in range(self._limits.redirects + 1):
                response = self._send(url, conditions, deadline, stack)
                if response.status not in _REDIRECTS:
                    _refuse(response, url, is_conditional=bool(conditions))
                    yield response
                    return
                url = self._follow(url, response)
        raise SourceFailed(f"{url.without_query!r} redirects too often")

    def _send(
        self, url: URL, conditions: Mapping[str, str], deadline: FetchDeadline, stack: ExitStack
    ) -> Response:
        dial = partial(
            self._gate.connect,
            url.host.strip("[]"),
            url.port,
            deadline,
            self._limits.connect_seconds,
        )
        with _errors(url):
            context = self._context if url.scheme == "https" else None
            adapter = _Adapter(dial, context)
            stack.callback(adapter.close)
            headers = {**HEADERS, **conditions}
            request = requests.Request("GET", str(url), headers=headers).prepare()
            response = adapter.send(request, stream=True, timeout=deadline.remaining())
            stack.callback(response.close)
        return Response(response, url, stack.close)

    def _follow(self, url: URL, response: Response) -> URL:
        location = response.headers.get("Location", "")
        try:
            # Python reads headers as Latin-1, but URLs are in UTF-8.
            target = url.join(location.encode("latin-1").decode())
        except ValueError as error:
            raise SourceFailed(
                f"{url.without_query!r} redirects to an invalid URL: {error}"
            ) from error
        if not self._may_get(target):
            raise SourceFailed(
                f"{url.without_query!r} redirects to {target.without_query!r}, outside base_url and allowed_urls"
            )
        return target

    @cached_property
    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self._ca_bundle or where())
        context.sslsocket_class = _BoundTLSSocket
        return context


def _refuse(response: Response, url: URL, *, is_conditional: bool) -> None:
    shown = url.without_query
    if response.status in _GONE:
        raise OriginalNotFound(f"{shown!r} responds with {response.status}")
    if response.status != 200 and not (response.status == 304 and is_conditional):
        raise SourceFailed(f"{shown!r} responds with {response.status}")
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding.lower() != "identity":
        raise SourceFailed(f"{shown!r} has an unwanted Content-Encoding: {encoding[:50]!r}")


@contextmanager
def _errors(url: URL) -> Iterator[None]:
    try:
        yield
    except _FAILURES as error:
        # Log the first cause. Outer errors quote the URL, and its query may hold a secret.
        raise_shortage(error)
        cause = _first_cause(error)
        text = f"{url.without_query!r}: {cause!r:.300}"
        if isinstance(cause, TimeoutError):
            raise SourceTimedOut(text) from error
        raise SourceFailed(text) from error


def _first_cause(error: BaseException) -> BaseException:
    # Further contexts may be an error the caller is handling.
    while isinstance(error.__context__, _FAILURES):
        error = error.__context__
    return error
