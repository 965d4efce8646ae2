"""Originals on web servers."""

from __future__ import annotations

import re
from contextlib import closing, contextmanager
from functools import cached_property
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple, cast
from urllib.parse import unquote

from resizer.conf import get_settings
from resizer.errors import OriginalNotFound, TooManyBytes
from resizer.formats import HEAD_BYTES
from resizer.keys.digests import digest_of
from resizer.keys.names import escape_name
from resizer.scratch import Spool
from resizer.sources.files import OriginalFile
from resizer.sources.web.gate import Gate
from resizer.sources.web.url import URL, parse, parse_directory, parse_pattern
from resizer.storages.contents import Download
from resizer.storages.protocol import Stat

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO

    from django.core.files.storage import Storage

    from resizer.sources.web.fetching import Fetcher, Response

# RFC 9110 §8.8.2, §8.8.3. Only valid values are sent back: others could inject more than a validator.
_DATE = re.compile(r"[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT")
_ETAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e]{0,64}"')
_FINGERPRINT = re.compile(rf"([0-9]*)\|((?:{_DATE.pattern})?)\|(.*)")
#: The beginning of an absolute URL, as a name or as usual.
_ABSOLUTE = re.compile(r"(https?)://?(?=[^/])", re.IGNORECASE)


class _Validators(NamedTuple):
    """The parts of a fingerprint. Each may be empty."""

    length: str
    modified: str
    etag: str

    @classmethod
    def of(cls, response: Response) -> _Validators:
        length = "" if response.length is None else str(response.length)
        modified = response.headers.get("Last-Modified", "")
        etag = response.headers.get("ETag", "")
        if etag and not _ETAG.fullmatch(etag):
            # An invalid ETag still identifies a version.
            etag = digest_of(etag)
        return cls(length, modified if _DATE.fullmatch(modified) else "", etag)

    @classmethod
    def parse(cls, fingerprint: str) -> _Validators:
        """Parse a fingerprint. All parts are empty for one of another source, or for none."""
        match = _FINGERPRINT.fullmatch(fingerprint)
        return cls(*match.groups()) if match else cls("", "", "")

    @property
    def fingerprint(self) -> str:
        return "|".join(self)

    @property
    def stat(self) -> Stat:
        return Stat(int(self.length or 0), self.fingerprint)

    @property
    def conditions(self) -> dict[str, str]:
        """Request headers for a 304 if nothing has changed."""
        conditions = {"If-Modified-Since": self.modified} if self.modified else {}
        if _ETAG.fullmatch(self.etag):
            conditions["If-None-Match"] = self.etag
        return conditions


class HttpSource:
    """Files on web servers: names below `base_url`, and absolute URLs matching a pattern of `allowed_urls`."""

    def __init__(
        self,
        base_url: str | None = None,
        *,
        allowed_urls: Sequence[str] = (),
        networks: Sequence[str] = (),
        connect_seconds: float = 5,
        deadline_seconds: float = 7,
        max_redirects: int = 3,
        max_bytes: int | None = None,
        ca_bundle: str | None = None,
    ) -> None:
        """Raises ValueError for invalid options, ImportError if requests is not installed.

        - `networks`: private networks to allow beside the Internet, such as "10.1.0.0/16".
        - `deadline_seconds`: limit for all fetches of a request together.
        - `max_redirects`: 0 to 3.
        - `max_bytes`: limit of a file, at most MAX_BYTES.
        - `ca_bundle`: path of a file with trusted certificates. Default: certifi's.
        """
        if find_spec("requests") is None:
            raise ImportError('HttpSource needs pip install "django-resized-img[web]"')
        if isinstance(allowed_urls, str) or isinstance(networks, str):
            raise ValueError("allowed_urls and networks must be lists of strings")
        if base_url is None and not allowed_urls:
            raise ValueError("HttpSource needs base_url or allowed_urls")
        if min(connect_seconds, deadline_seconds) <= 0 or (max_bytes is not None and max_bytes < 1):
            raise ValueError("connect_seconds, deadline_seconds and max_bytes must be more than 0")
        if max_redirects not in range(4):
            raise ValueError("max_redirects must be 0 to 3")
        self._base = None if base_url is None else parse_directory(base_url)
        self._allowed = [parse_pattern(one) for one in allowed_urls]
        self._gate = Gate(networks)
        self._limits = (connect_seconds, deadline_seconds, max_redirects)
        self._max_bytes = max_bytes
        self._ca_bundle = ca_bundle

    def claims(self, storage: Storage) -> bool:
        return False

    def spell(self, name: str) -> str:
        try:
            return self._parse(name).name if self._is_absolute(name) else name
        except ValueError:
            return name

    def stat(self, name: str, known: str | None = None) -> Stat:
        """Send a GET, and read only its headers. With `known`, the server can respond with 304."""
        validators = _Validators.parse(known or "")
        with self._fetcher.get(self._find(name), validators.conditions) as response:
            return (validators if response.status == 304 else _Validators.of(response)).stat

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """Fetch a file, first only `HEAD_BYTES`. Reading further fetches the rest."""
        url = self._find(name)
        limit = min(self._max_bytes or get_settings().MAX_BYTES, get_settings().MAX_BYTES)
        with self._fetcher.get(url, {}) as response, closing(Spool()) as spool:
            fetching = _Fetching(response, spool, limit)
            download = Download(fetching, spool, _Validators.of(response).fingerprint)
            yield cast("BinaryIO", OriginalFile(download, name))

    def url(self, name: str) -> str:
        return str(self._find(name))

    def name_of(self, url: str) -> str | None:
        if not url.startswith("//"):
            return None
        for scheme in ("https", "http"):
            try:
                found = parse(f"{scheme}:{url}")
            except ValueError:
                return None
            base = self._base
            if base is not None and self._is_below_base(found) and found.query is None:
                return unquote(found.path.removeprefix(base.path))
            if any(one.matches(found) for one in self._allowed):
                return found.name
        return None

    @cached_property
    def _fetcher(self) -> Fetcher:
        # Imported here, because importing requests takes 0.1 s.
        from resizer.sources.web.fetching import Fetcher, Limits

        return Fetcher(self._gate, Limits(*self._limits), self._may_get, self._ca_bundle)

    def _find(self, name: str) -> URL:
        """The URL of a name. Raises OriginalNotFound, also for a URL that is not allowed."""
        try:
            escape_name(name)
            if self._base is not None and not self._is_absolute(name):
                return self._base.below(name)
            url = self._parse(name)
            if url.name != name:
                raise ValueError("a URL has only one spelling")
        except ValueError as error:
            raise OriginalNotFound(f"{name[:200]!r}: {error}") from error
        if not self._may_get(url):
            raise OriginalNotFound(f"{url.without_query[:200]!r} is not among allowed_urls")
        return url

    def _is_absolute(self, name: str) -> bool:
        return bool(self._allowed and _ABSOLUTE.match(name))

    def _parse(self, name: str) -> URL:
        """Parse an absolute URL, also with one slash behind the scheme. Raises ValueError."""
        return parse(_ABSOLUTE.sub(r"\1://", name, count=1))

    def _may_get(self, url: URL) -> bool:
        return self._is_below_base(url) or any(one.matches(url) for one in self._allowed)

    def _is_below_base(self, url: URL) -> bool:
        base = self._base
        return base is not None and url[:3] == base[:3] and url.path.startswith(base.path)


class _Fetching:
    """Fetches the first `HEAD_BYTES` of a file, or all of it."""

    def __init__(self, response: Response, spool: Spool, limit: int) -> None:
        """Raises TooManyBytes for a longer file, as `fetch` does."""
        self._response = response
        self._spool = spool
        self._limit = limit
        self._length = response.length
        self._refuse_too_many(self._length or 0)

    def length(self) -> int:
        if self._length is None:
            self._fetch_all()
        return self._length or 0

    def fetch(self, end: int | None) -> None:
        if end is None or end > HEAD_BYTES:
            # A decoder reads further than the header. Fetch all now, so that the server need not wait for decoding.
            self._fetch_all()
        else:
            self._fetch(HEAD_BYTES)

    def _fetch_all(self) -> None:
        # One byte more than allowed, to detect a longer file.
        self._fetch(self._limit + 1)
        self._length = self._spool.length

    def _fetch(self, end: int) -> None:
        while self._spool.length < end:
            content = self._response.read(min(HEAD_BYTES, end - self._spool.length))
            if not content:
                return
            self._refuse_too_many(self._spool.length + len(content))
            self._spool.append(content)

    def _refuse_too_many(self, length: int) -> None:
        if length > self._limit:
            raise TooManyBytes(f"more than {self._limit} bytes")
