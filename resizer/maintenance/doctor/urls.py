"""Test URLs: whether they lead to the app, and large variants to the storage."""

from __future__ import annotations

import urllib.error
import urllib.request
from http.client import HTTPException
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django.urls import NoReverseMatch, Resolver404, get_script_prefix, resolve

from resizer.conf import get_settings
from resizer.errors import OriginalNotFound, SourceFailed, StoreFailed
from resizer.links.mount import host, path_for, url_for
from resizer.maintenance.doctor.findings import Finding, Mark
from resizer.maintenance.doctor.storages import probe
from resizer.maintenance.pixel import one_pixel
from resizer.storages import publishing
from resizer.store import backends

if TYPE_CHECKING:
    from collections.abc import Iterator


#: The app's sentences about an original that does not exist: the second one while the source is empty or away.
OURS = (OriginalNotFound.public_message, SourceFailed.public_message)
MOST_OF_A_SENTENCE = 1000  # bytes
#: How long a URL of the storage may take to respond, seconds.
URL_SECONDS = 10


def examine_mount() -> Finding:
    _variant, key = probe()
    try:
        path = path_for(key)
        # The path as a server passes it on.
        match = resolve("/" + path.removeprefix(get_script_prefix()))
    except (NoReverseMatch, Resolver404) as error:
        text = f"no URL leads to the app ({type(error).__name__}). Include resizer.urls in the root URLconf."
        return Finding(Mark.BROKEN, "URLs", text)
    if "resizer" not in match.app_names:
        text = f"{path} leads to {match.view_name}. Put the app's URLs before it."
        return Finding(Mark.BROKEN, "URLs", text)
    return Finding(Mark.FINE, "URLs", f"{path.removesuffix(key)}… leads to the app.")


def examine_host() -> Iterator[Finding]:
    """Whether requests for new variants reach the app on the host of URLs. A CDN that knows only a bucket refuses them."""
    part = "host"
    if not host():
        return
    _variant, key = probe()
    advice = f"Send requests for {path_for('')}* on it to the app, or set RESIZER['HOST'] to \"\"."
    try:
        with urllib.request.urlopen(url_for(key), timeout=URL_SECONDS) as response:
            found = response.read(MOST_OF_A_SENTENCE)
    except urllib.error.HTTPError as error:
        with error:
            found = error.read(MOST_OF_A_SENTENCE)
    except (OSError, HTTPException) as error:
        yield Finding(Mark.BROKEN, part, f"{host()} does not respond: {error}. {advice}")
        return
    if found.decode("utf-8", "replace") in OURS:
        yield Finding(Mark.FINE, part, f"{host()} passes requests for new pictures on to the app.")
        return
    text = f"{host()} does not pass requests for new pictures on to the app. {advice}"
    yield Finding(Mark.BROKEN, part, text)


def examine_large_variants() -> Iterator[Finding]:
    part = "large variants"
    if get_settings().MAX_RESPONSE_BYTES is None:
        return
    variant, key = probe()
    storage = backends.public_storage()
    content = one_pixel()
    try:
        url = backends.url(key)
        if url is None or not url.startswith(("http://", "https://")):
            text = "visitors are redirected to the same URL. Let a web server or CDN in front serve it from the storage."
            yield Finding(Mark.ADVICE, part, text)
            return
        publishing.publish(storage, key, content, variant.format)
        try:
            with urllib.request.urlopen(url, timeout=URL_SECONDS) as response:
                found = response.read(len(content) + 1)
        finally:
            publishing.remove(storage, [key])
    except (StoreFailed, OSError, HTTPException) as error:
        text = f"visitors are redirected to a URL that fails: {error}. Check custom_domain and the read permissions of the bucket."
        yield Finding(Mark.BROKEN, part, text)
        return
    if found != content:
        text = (
            "visitors are redirected to a URL with other content. Check custom_domain and location."
        )
        yield Finding(Mark.BROKEN, part, text)
        return
    host = urlsplit(url).netloc
    yield Finding(Mark.FINE, part, f"visitors are redirected to {host}, and it responds.")
