"""URLs, parsed so strictly that every other parser reads the same; and patterns to match parsed URLs.

Browsers, libraries and servers disagree about some URLs. These are refused, not repaired: a backslash, user names, control
characters, spaces, hosts beyond ASCII, fragments, and `.` or `..` as a step of a path, also percent-encoded.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote, unquote, urljoin

_DEFAULT_PORTS = {"http": 80, "https": 443}
_CHARACTER = r"[A-Za-z0-9\-._~!$&'()*+,;=:@/%]"
_URL = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>\[[0-9a-f:.]{2,45}\]|(?:\*\.)?[a-z0-9_\-]{1,63}(?:\.[a-z0-9_\-]{1,63})*)"
    r"(?::(?P<port>[0-9]{1,5}))?"
    rf"(?P<path>/{_CHARACTER}*)?"
    rf"(?:\?(?P<query>(?:{_CHARACTER}|\?)*))?",
    re.IGNORECASE | re.ASCII,
)
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]+")
_PERCENT = re.compile(r"%(..?)?", re.DOTALL)
_ENCODED = re.compile(r"(?:%[89A-F][0-9A-F])+")
_UNRESERVED = re.compile(r"[A-Za-z0-9\-._~]")
_UNCLEAR = re.compile(r"[\x00-\x1f\x7f\\]")


class URL(NamedTuple):
    """A URL in its one spelling."""

    scheme: str
    #: Lower case; an IPv6 address in brackets.
    host: str
    port: int
    #: Percent-encoded; begins with a slash.
    path: str
    #: Percent-encoded, without the question mark. None: no query.
    query: str | None = None

    @property
    def host_and_port(self) -> str:
        is_default = self.port == _DEFAULT_PORTS[self.scheme]
        return self.host if is_default else f"{self.host}:{self.port}"

    @property
    def without_query(self) -> str:
        """For logs: a query may hold a secret."""
        return f"{self.scheme}://{self.host_and_port}{self.path}"

    def __str__(self) -> str:
        query = "" if self.query is None else f"?{self.query}"
        return f"{self.without_query}{query}"

    @property
    def name(self) -> str:
        """The URL as a name of an original: with one slash behind the scheme, and without percent-encoding beyond ASCII."""
        return _ENCODED.sub(_decode, str(self).replace("://", ":/", 1))

    def below(self, name: str) -> URL:
        """The URL of a file in this directory. `name` is not percent-encoded."""
        return self._replace(path=self.path + quote(name))

    def join(self, location: str) -> URL:
        """The target of a redirect to `location`. Raises ValueError."""
        return parse(urljoin(str(self), location))


class Pattern(NamedTuple):
    """A pattern of allowed URLs: "https://*.example.com/photos/*".

    `*.` before a host stands for one or more names, `*` in path and query for any text. A path with a slash at its end
    allows everything below it. A URL with a query needs a pattern with a query.
    """

    url: URL

    def matches(self, url: URL) -> bool:
        """Whether a URL matches. Scheme and port must be equal."""
        if (url.scheme, url.port) != (self.url.scheme, self.url.port):
            return False
        host, star, suffix = self.url.host.rpartition("*")
        is_host = url.host.endswith(suffix) if star else url.host == host + suffix
        return is_host and _is_like(url.path, self.url.path) and _is_like(url.query, self.url.query)


def parse(text: str) -> URL:
    """Parse a URL. Raises ValueError if parsers could disagree about it."""
    url = _read(text)
    if "*" in url.host:
        raise ValueError(f"{text[:200]!r} has no host")
    return url


def parse_pattern(text: str) -> Pattern:
    """Parse a pattern of URLs. Raises ValueError."""
    url = _read(text)
    return Pattern(url._replace(path=f"{url.path}*") if url.path.endswith("/") else url)


def parse_directory(text: str) -> URL:
    """Parse the URL of a directory, and add a missing slash. Raises ValueError, also for a query."""
    url = parse(text)
    if url.query is not None:
        raise ValueError(f"{text[:200]!r} has a query. Remove it")
    return url if url.path.endswith("/") else url._replace(path=f"{url.path}/")


def _read(text: str) -> URL:
    match = _URL.fullmatch(_BEYOND_ASCII.sub(lambda one: quote(one[0]), text))
    if match is None:
        raise _ambiguous(text)
    scheme = match["scheme"].lower()
    port = int(match["port"] or _DEFAULT_PORTS[scheme])
    path = _PERCENT.sub(_spell, match["path"] or "/")
    plain = unquote(path)
    if _UNCLEAR.search(plain) or {".", ".."} & set(plain.split("/")) or not 0 < port < 65_536:
        raise _ambiguous(text)
    query = _PERCENT.sub(_spell, match["query"]) if match["query"] else None
    return URL(scheme, match["host"].lower(), port, path, query)


def _ambiguous(text: str) -> ValueError:
    return ValueError(
        f"{text[:200]!r} is not a URL all parsers read the same. Percent-encode special characters,"
        " and leave out user names, fragments and .. steps"
    )


def _spell(match: re.Match[str]) -> str:
    """One spelling for each character: unreserved ones plain, others in upper case (RFC 3986 §6.2.2)."""
    digits = match[1] or ""
    if not re.fullmatch("[0-9A-Fa-f]{2}", digits):
        raise ValueError(f"{match[0]!r} is not percent-encoding")
    character = chr(int(digits, 16))
    return character if _UNRESERVED.fullmatch(character) else f"%{digits.upper()}"


def _decode(match: re.Match[str]) -> str:
    """Decode printable characters; leave others percent-encoded."""
    text = unquote(match[0], errors="replace")
    return text if text.isprintable() and "\ufffd" not in text else match[0]


def _is_like(text: str | None, pattern: str | None) -> bool:
    if text is None or pattern is None:
        return text is pattern
    first, *rest = map(re.escape, pattern.split("*"))
    # Each star but the last matches as little as possible, without backtracking: that would take hours for a URL of 64 KB.
    stars = [f"(?>.*?{piece})" for piece in rest[:-1]] + [f".*{piece}" for piece in rest[-1:]]
    return bool(re.fullmatch("".join([first, *stars]), text))
