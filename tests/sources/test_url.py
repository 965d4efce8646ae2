from __future__ import annotations

import string
from urllib.parse import urlsplit

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from urllib3.util import parse_url

from resizer.sources.web.url import parse, parse_directory, parse_pattern

REFUSED = [
    "",
    "cat.jpg",
    "//cdn.example.com/a",
    "ftp://cdn.example.com/a",
    "file:///etc/passwd",
    "gopher://cdn.example.com/a",
    "data:image/png;base64,AAAA",
    "http:///a",
    "http://cdn.example.com:0/a",
    "http://cdn.example.com:65536/a",
    "http://cdn.example.com:+80/a",
    "http://cdn.example.com:8o/a",
    "http://user@cdn.example.com/a",
    "http://user:password@cdn.example.com/a",
    "http://127.0.0.1\\@cdn.example.com/a",
    "http://cdn.example.com\\a",
    "http://cdn.example.com/a\\b",
    "http://cdn.example.com/a%5cb",
    "http://cdn.example.com/a b",
    "http://cdn.example.com/a%00b",
    "http://cdn.example.com/a\nb",
    " http://cdn.example.com/a",
    "http://cdn.example.com/a\t",
    "http://cdn.example.com/a#b",
    "http://cdn.example.com#@evil.example/a",
    "http://cdn.example.com?@evil.example/a\\",
    "http://bücher.example/a",
    "http://ⓒdn.example.com/a",
    "http://cdn。example/a",
    "http://xn--bcher-kva.example./a",
    "http://cdn.example.com%2eevil.example/a",
    "http://cdn..example.com/a",
    "http://[fe80::1%25eth0]/a",
    "http://[::1/a",
    "http://*.example.com/a",
    "http://cdn.example.com/../a",
    "http://cdn.example.com/a/./b",
    "http://cdn.example.com/a/%2e%2E/b",
    "http://cdn.example.com/a%2f..%2fb",
    "http://cdn.example.com/a%2",
    "http://cdn.example.com/a%zz",
    "http://cdn.example.com/a?b=%2",
    "http://cdn.example.com/a?b[]=1",
    "http://cdn.example.com/\ud800",
]


@pytest.mark.parametrize("text", REFUSED)
def test_url_that_two_parsers_may_read_differently_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a URL|host|encoding|surrogates"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("HTTP://CDN.Example.com", "http://cdn.example.com/"),
        ("https://cdn.example.com:443/a", "https://cdn.example.com/a"),
        ("https://cdn.example.com:80/a", "https://cdn.example.com:80/a"),
        ("http://cdn.example.com/%41%c3%bc%7e?b=%2f%62", "http://cdn.example.com/A%C3%BC~?b=%2Fb"),
        ("http://cdn.example.com/löwe.jpg", "http://cdn.example.com/l%C3%B6we.jpg"),
        ("http://[2001:DB8::1]:8080/a", "http://[2001:db8::1]:8080/a"),
        ("http://cdn.example.com?", "http://cdn.example.com/"),
        ("http://cdn.example.com/a%2Fb//c", "http://cdn.example.com/a%2Fb//c"),
    ],
)
def test_url_has_one_spelling(text: str, read: str) -> None:
    assert str(parse(text)) == read
    assert parse(read) == parse(text)


# What separates the parts of an address is tried more often than the rest.
TEXTS = st.text(st.sampled_from("/:@?#%.[]\\ *" * 2 + string.printable + "ü。"), max_size=30)


@given(TEXTS)
def test_url_that_is_accepted_is_read_alike_by_all(rest: str) -> None:
    try:
        url = parse(f"http://cdn.example.com{rest}")
    except ValueError:
        return
    prepared = requests.Request("GET", str(url)).prepare()
    assert prepared.url == str(url)
    host = url.host.strip("[]")
    assert urlsplit(str(url)).hostname == host
    assert parse_url(str(url)).host == host
    assert (urlsplit(str(url)).port or 80) == (parse_url(str(url)).port or 80) == url.port


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("https://cdn.example.com/", "https://cdn.example.com/a/b.jpg", True),
        ("https://cdn.example.com", "https://cdn.example.com/a.jpg", True),
        ("https://cdn.example.com/", "http://cdn.example.com/a.jpg", False),
        ("https://cdn.example.com/", "https://cdn.example.com:8443/a.jpg", False),
        ("https://cdn.example.com/", "https://cdn.example.com.evil.example/a.jpg", False),
        ("https://cdn.example.com/", "https://evilcdn.example.com/a.jpg", False),
        ("https://cdn.example.com:8443/", "https://cdn.example.com:8443/a.jpg", True),
        ("https://cdn.example.com/photos/", "https://cdn.example.com/photos2/a.jpg", False),
        ("https://cdn.example.com/photos/*.jpg", "https://cdn.example.com/photos/a/b.jpg", True),
        ("https://cdn.example.com/photos/*.jpg", "https://cdn.example.com/photos/a.png", False),
        ("https://cdn.example.com/a.jpg", "https://cdn.example.com/a.jpg", True),
        ("https://cdn.example.com/a.jpg", "https://cdn.example.com/aXjpg", False),
        ("https://cdn.example.com/", "https://cdn.example.com/a.jpg?b=1", False),
        ("https://cdn.example.com/*?v=*", "https://cdn.example.com/a.jpg?v=1", True),
        ("https://cdn.example.com/*?v=*", "https://cdn.example.com/a.jpg", False),
        ("https://cdn.example.com/*-*.jpg", "https://cdn.example.com/a-b-c.jpg", True),
        ("https://cdn.example.com/*-*.jpg", "https://cdn.example.com/ab.jpg", False),
        ("https://cdn.example.com/*-*-*.jpg", "https://cdn.example.com/a-b.jpg", False),
        ("https://cdn.example.com/*a*ba", "https://cdn.example.com/aba", True),
        ("https://cdn.example.com/*a*ba", "https://cdn.example.com/ba", False),
        ("https://*.example.com/", "https://a.b.example.com/a.jpg", True),
        ("https://*.example.com/", "https://example.com/a.jpg", False),
        ("https://*.example.com/", "https://evilexample.com/a.jpg", False),
    ],
)
def test_pattern_matches_what_was_parsed(pattern: str, text: str, *, matches: bool) -> None:
    assert parse_pattern(pattern).matches(parse(text)) is matches


def test_pattern_with_many_stars_is_compared_in_one_go() -> None:
    """Tried in every way, a number of stars takes the length of an address to the power of that number."""
    pattern = parse_pattern(f"https://cdn.example.com/{'*-' * 20}x")
    assert not pattern.matches(parse(f"https://cdn.example.com/{'-' * 60_000}"))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("https://cdn.example.com/a.jpg", "https:/cdn.example.com/a.jpg"),
        ("https://cdn.example.com/l%C3%B6we.jpg?b=//c", "https:/cdn.example.com/löwe.jpg?b=//c"),
        ("https://cdn.example.com/%E4%B8%AD%2F", "https:/cdn.example.com/中%2F"),
        ("https://cdn.example.com/l%F6we.jpg", "https:/cdn.example.com/l%F6we.jpg"),
        # What looks like nothing, or like a slash of its own, stays encoded.
        (
            "https://cdn.example.com/%C2%A0%E2%80%AE%C2%85",
            "https:/cdn.example.com/%C2%A0%E2%80%AE%C2%85",
        ),
        ("https://cdn.example.com/%EF%BF%BD", "https:/cdn.example.com/%EF%BF%BD"),
    ],
)
def test_url_has_one_name(text: str, name: str) -> None:
    assert parse(text).name == name
    assert str(parse(name.replace(":/", "://", 1))) == text


@pytest.mark.parametrize(
    "pattern", ["*", "https://*/", "https://*.*/", "cdn.example.com/*", "h*://a/"]
)
def test_pattern_for_any_host_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="not a URL"):
        parse_pattern(pattern)


def test_directory_ends_in_a_slash() -> None:
    directory = parse_directory("https://bucket.example.com/pictures")
    assert str(directory) == "https://bucket.example.com/pictures/"
    name = "a b/50% ü?.jpg"
    assert str(directory.below(name)).endswith("/pictures/a%20b/50%25%20%C3%BC%3F.jpg")
    with pytest.raises(ValueError, match="query"):
        parse_directory("https://bucket.example.com/?a")
