"""Private pictures: who sees them, in which way, and what pages and commands make of them."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.template import Context, Template
from django.test import Client, RequestFactory

from resizer import store
from resizer.formats import BY_NAME
from resizer.keys.variant import parse_key, write_key
from resizer.links.mount import path_for
from resizer.links.private import path_of, read_link
from resizer.links.signing import sign
from resizer.markup import picture
from resizer.markup.rich_text import resize_html
from resizer.middleware import ResizerMiddleware
from resizer.records.descriptions import Reference
from resizer.store import backends
from tests.conftest import files, save
from tests.nginx import ask
from tests.pictures import decode, photograph
from tests.private import (
    EVERYBODY_LATER,
    EVERYBODY_PERHAPS,
    STAFF_ONLY,
    save_private,
    use_private,
)
from tests.test_doors import OTHERS, OURS, PassedOn, ask_asgi, ask_wsgi
from tests.test_nginx import serve

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from freezegun.api import FrozenDateTimeFactory
    from pytest_django import Settings

    from resizer.keys.variant import Variant

pytestmark = pytest.mark.django_db

A = Reference("members", "a.jpg")
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="30" height="20"><rect/></svg>'
AUTHENTICATION = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]


def link_to(original: Reference, **options: Any) -> str:
    return str(picture.url(original, **{"width": 320, "format": "jpeg", **options}))


def link_of(url: str) -> Any:
    return read_link(url.removeprefix("/img/"))


def forge(url: str, **changes: Any) -> str:
    """The link of another variant of the same original."""
    return path_for(path_of(dataclasses.replace(link_of(url).variant, **changes)))


@pytest.fixture
def url(members: Reference, client: Client) -> str:
    """The link of a private variant in the storage."""
    link = link_to(members)
    assert client.get(link).status_code == 200
    return link


# --- links


def test_link_shows_the_picture_to_one_visitor(client: Client, url: str) -> None:
    response = client.get(url)
    assert decode(response.content).size == (320, 240)
    cache_control = re.fullmatch(r"private, max-age=([0-9]+), immutable", response["Cache-Control"])
    assert cache_control
    assert 3600 <= int(cache_control[1]) <= 7200
    assert response["Content-Type"] == "image/jpeg"


def test_link_works_for_a_limited_time(
    client: Client, url: str, clock: FrozenDateTimeFactory
) -> None:
    url = link_to(A)
    clock.tick(3599)
    assert client.get(url).status_code == 200
    clock.tick(3602)
    late = client.get(url)
    assert (late.status_code, late["Cache-Control"]) == (403, "private, no-store")
    assert b"Load the page again" in late.content


def test_links_change_in_steps(
    members: Reference, settings: Settings, clock: FrozenDateTimeFactory
) -> None:
    settings.RESIZER = {**settings.RESIZER, "PRIVATE_SECONDS": 600}
    clock.move_to("2026-11-22 12:00:00")
    first = link_to(members)
    clock.tick(599)
    assert link_to(members) == first
    assert link_of(first).expires_at - clock().timestamp() >= 600
    clock.tick(1)
    assert link_to(members) != first


def test_expiry_is_signed(client: Client, url: str) -> None:
    expiry = f"{link_of(url).expires_at:x}"
    later = f"{link_of(url).expires_at + 3600:x}"
    for forged in (url.replace(expiry, later), url.replace(f".{expiry}", "")):
        assert forged != url
        assert client.get(forged).status_code == 403


def test_link_does_not_tell_the_key(client: Client, url: str) -> None:
    key = link_of(url).key
    signature = key.split("/")[-2]
    assert signature not in url
    # Neither is the key a link, though it has the right signature of a key.
    assert client.get(f"/img/{key}").status_code == 403


@pytest.mark.parametrize(
    "path", ["_private.", "_private.members", "_private.members/a.jpg", "_private.x.y/a.jpg"]
)
def test_path_without_the_form_of_a_link_is_refused(
    client: Client, members: Reference, path: str
) -> None:
    response = client.get(f"/img/{path}")
    assert response.status_code in {400, 403}
    assert response["Cache-Control"] == "private, no-store"


# --- each way


def refused(response: Any) -> bool:
    return bool(response.status_code == 403 and response["Cache-Control"] == "private, no-store")


def keys_of(url: str) -> list[str]:
    """URLs at which a server could find the file, if it looked at the wrong place."""
    variant: Variant = dataclasses.replace(link_of(url).variant, is_private=False)
    return [path_for(link_of(url).key), path_for(write_key(variant, sign(variant)))]


def test_plain_view_refuses_all_but_a_link(url: str, settings: Settings) -> None:
    settings.MIDDLEWARE = []
    assert Client().get(url).status_code == 200
    for path in keys_of(url):
        assert refused(Client().get(path))


def test_middleware_leaves_links_to_the_view(url: str, settings: Settings) -> None:
    middleware = ResizerMiddleware(lambda _: HttpResponse(status=599))
    for path in (url, path_for(link_of(url).key)):
        assert middleware(RequestFactory().get(path)).status_code == 599
    settings.MIDDLEWARE = [OURS, *OTHERS]
    assert Client().get(url).status_code == 200
    for path in keys_of(url):
        assert refused(Client().get(path))


@pytest.mark.parametrize("ask_door", [ask_wsgi, ask_asgi])
def test_layers_before_django_leave_links_to_it(ask_door: Callable[..., Any], url: str) -> None:
    for path in (url, path_for(link_of(url).key)):
        with pytest.raises(PassedOn):
            ask_door(path)
    assert ask_door(keys_of(url)[1]).status == 403


@pytest.mark.service("nginx")
def test_nginx_finds_no_private_variant(url: str, tmp_path: Path) -> None:
    (tmp_path / "static").mkdir()
    assert len(files(tmp_path / "private")) == 1
    # Django does not respond, so everything that nginx passes on gets 502.
    with serve(tmp_path, "127.0.0.1:9") as site:
        for path in [url, *keys_of(url), f"/private/{link_of(url).key}"]:
            assert ask(site.address + path).status == 502


def test_private_variant_is_in_no_public_place(url: str, tmp_path: Path) -> None:
    assert files(tmp_path / "variants") == []
    assert files(tmp_path / "originals") == []
    assert files(tmp_path / "private") == [link_of(url).key]


# --- ALLOW


@pytest.fixture
def staff(settings: Settings, tmp_path: Path) -> Reference:
    """An original that only staff may see."""
    use_private(settings, tmp_path, ALLOW=STAFF_ONLY)
    settings.MIDDLEWARE = [OURS, *AUTHENTICATION]
    return save_private("a.jpg")


def log_in(client: Client, *, is_staff: bool) -> None:
    user = User.objects.create_user(f"user {is_staff}", is_staff=is_staff)
    client.force_login(user)


def test_function_decides_by_the_user(client: Client, staff: Reference) -> None:
    url = link_to(staff)
    assert refused(client.get(url))
    log_in(client, is_staff=False)
    refusal = client.get(url)
    assert refused(refusal)
    # Otherwise, another site could tell it from a picture, which it cannot load.
    assert refusal["Cross-Origin-Resource-Policy"] == "same-site"
    log_in(client, is_staff=True)
    response = client.get(url)
    assert response.status_code == 200
    # So the browser asks again after a logout.
    assert response["Cache-Control"] == "private, no-cache"
    assert response["Cross-Origin-Resource-Policy"] == "same-site"
    assert client.get(url, headers={"If-None-Match": response["ETag"]}).status_code == 304
    client.logout()
    assert client.get(url, headers={"If-None-Match": response["ETag"]}).status_code == 403


def test_nothing_is_made_for_a_visitor_who_may_not_see_it(
    client: Client, staff: Reference, tmp_path: Path
) -> None:
    assert refused(client.get(link_to(staff)))
    assert files(tmp_path / "private") == []


def test_link_for_a_function_never_expires(
    staff: Reference, client: Client, clock: FrozenDateTimeFactory
) -> None:
    url = link_to(staff)
    clock.tick(365 * 86_400)
    assert link_to(staff) == url
    assert link_of(url).expires_at is None


def test_link_of_a_function_is_refused_once_there_is_none(
    client: Client, staff: Reference, settings: Settings, tmp_path: Path
) -> None:
    url = link_to(staff)
    use_private(settings, tmp_path)
    assert refused(client.get(url))


@pytest.mark.parametrize("query", ["?say=yes", ""])
def test_function_must_return_a_bool(
    client: Client, settings: Settings, tmp_path: Path, query: str
) -> None:
    use_private(settings, tmp_path, ALLOW=EVERYBODY_PERHAPS)
    url = link_to(save_private("a.jpg"))
    with pytest.raises(TypeError, match="must return True or False"):
        client.get(url + query)


def test_asynchronous_function_allows_nobody(
    client: Client, settings: Settings, tmp_path: Path
) -> None:
    use_private(settings, tmp_path, ALLOW=EVERYBODY_LATER)
    url = link_to(save_private("a.jpg"))
    with pytest.raises(TypeError, match="not a synchronous function"):
        client.get(url)


# --- HTTP


def test_head_and_other_methods(client: Client, url: str) -> None:
    shown = client.get(url)
    head = client.head(url)
    assert (head.status_code, head.content) == (200, b"")
    assert head["Cache-Control"].startswith("private, max-age=")
    # That counts down.
    assert {**head.headers, "Cache-Control": ""} == {**shown.headers, "Cache-Control": ""}
    refused = client.post(url)
    assert (refused.status_code, refused["Allow"]) == (405, "GET, HEAD")


def test_browser_that_has_the_picture_gets_304(client: Client, url: str) -> None:
    shown = client.get(url)
    again = client.get(url, headers={"If-None-Match": shown["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again["Cache-Control"].startswith("private, max-age=")


def test_redirect_leads_to_a_link(client: Client, url: str) -> None:
    redirect = client.get(forge(url, width=321))
    assert (redirect.status_code, redirect["Cache-Control"]) == (302, "private, no-store")
    assert client.get(redirect["Location"]).status_code == 200


def test_redirect_and_former_version_renew_no_link(
    client: Client, members: Reference, clock: FrozenDateTimeFactory
) -> None:
    url = link_to(members)
    other_width, former = forge(url, width=321), forge(url, version="01234567")
    expires_at = link_of(url).expires_at
    # Pages print links of the next step by now.
    clock.tick(3601)
    assert link_of(link_to(members)).expires_at > expires_at
    redirect = client.get(other_width)
    assert redirect.status_code == 302
    for shown in (redirect["Location"], client.get(former)["Content-Location"]):
        assert link_of(shown).expires_at == expires_at
        assert client.get(shown).status_code == 200
    clock.tick(3600)
    assert client.get(redirect["Location"]).status_code == 403


def test_former_version_shows_the_current_one(client: Client, url: str) -> None:
    response = client.get(forge(url, version="01234567"))
    assert response.status_code == 200
    assert response["Cache-Control"] == "private, max-age=60"
    assert link_of(response["Content-Location"]).key == link_of(url).key


def test_errors_are_kept_by_no_cache(client: Client, url: str) -> None:
    missing = client.get(forge(url, name="missing.jpg"))
    assert (missing.status_code, missing["Cache-Control"]) == (404, "private, no-store")


# --- how a visitor gets the file


def test_nginx_sends_the_file_itself(
    members: Reference,
    settings: Settings,
    client: Client,
    url: str,
) -> None:
    settings.RESIZER = {**settings.RESIZER, "PRIVATE_DELIVERY": "/private-variants"}
    shown = client.get(url)
    assert (shown.status_code, shown.content) == (200, b"")
    assert shown["X-Accel-Redirect"] == f"/private-variants/{link_of(url).key}"
    # nginx adds the rest to a picture that it sends, not to its own errors.
    assert shown["Cache-Control"] == "private"
    assert re.fullmatch("max-age=[0-9]+, immutable", shown["X-Resizer-Cache-Control"])
    # A new variant may not be in the storage yet.
    new = client.get(forge(url, width=640))
    assert "X-Accel-Redirect" not in new
    assert new["Cache-Control"].startswith("private, max-age=")
    assert decode(new.content).size == (640, 480)
    head = client.head(url)
    assert "X-Accel-Redirect" not in head
    assert head["Content-Length"] != "0"


def test_file_that_is_gone_is_made_again(settings: Settings, client: Client, url: str) -> None:
    settings.RESIZER = {**settings.RESIZER, "PRIVATE_DELIVERY": "/private-variants/"}
    (storage,) = [backends.private_storage()]
    assert storage is not None
    storage.delete(link_of(url).key)
    assert decode(client.get(url).content).size == (320, 240)


def test_large_variant_needs_signed_urls(settings: Settings, client: Client, url: str) -> None:
    settings.RESIZER = {**settings.RESIZER, "MAX_RESPONSE_BYTES": 100}
    assert client.get(url).status_code == 503
    assert client.head(url).status_code == 200


# --- public and private


def test_public_and_private_original_of_one_name_share_nothing(
    client: Client, url: str, tmp_path: Path
) -> None:
    save("a.jpg")
    public = str(picture.url("a.jpg", width=320, format="jpeg"))
    assert client.get(public).status_code == 200
    (one,), (other,) = files(tmp_path / "variants"), files(tmp_path / "private")
    assert one != other
    assert not public.startswith("/img/_private.")


def test_source_that_becomes_private_closes_its_former_urls(
    client: Client, settings: Settings, tmp_path: Path
) -> None:
    use_private(settings, tmp_path, PRIVATE=False)
    public = link_to(save_private("a.jpg"))
    assert client.get(public).status_code == 200
    use_private(settings, tmp_path)
    assert refused(client.get(public))
    assert client.get(link_to(A)).status_code == 200


def test_source_that_becomes_public_closes_its_links(
    client: Client, url: str, settings: Settings, tmp_path: Path
) -> None:
    use_private(settings, tmp_path, PRIVATE=False)
    assert refused(client.get(url))
    assert client.get(link_to(A)).status_code == 200


# --- pages


def tag(original: Reference | str, options: str = "") -> str:
    source = '{% load resizer %}{% resized_img original alt="A goat" ' + options + " %}"
    return Template(source).render(Context({"original": original}))


def test_tag_prints_links_without_a_host(settings: Settings, members: Reference) -> None:
    settings.RESIZER = {**settings.RESIZER, "HOST": "https://img.example.com"}
    html = tag(members)
    urls = re.findall(r"[^\s\",]*/img/[^\s\",]+", html)
    assert len(urls) > 10
    for one in urls:
        assert one.startswith("/img/_private.members.")
        assert link_of(one).expires_at
    assert BY_NAME["avif"].content_type in html


def test_blur_of_a_private_picture_is_not_on_the_page(url: str) -> None:
    assert "background:#" in tag(A, 'placeholder="blur"')
    assert "data:" not in tag(A, 'placeholder="blur"')


def test_text_cannot_name_a_private_picture_without_a_function(
    members: Reference, settings: Settings, tmp_path: Path
) -> None:
    text = "members:a.jpg"
    assert "/img/" not in tag(text)
    assert picture.url(text) == ""
    use_private(settings, tmp_path, ALLOW=STAFF_ONLY)
    assert str(picture.url(text, width=320)).startswith("/img/_private.members/")


@pytest.mark.parametrize("content", [SVG, b"no picture"])
def test_original_that_cannot_be_resized_has_no_url(members: Reference, content: bytes) -> None:
    html = tag(save_private("b.jpg", content))
    assert "A goat" in html
    assert "/members/" not in html


def test_rich_text_cannot_name_a_private_picture(members: Reference) -> None:
    html = '<p><img src="/members/a.jpg" alt="stolen"></p>'
    assert resize_html(html) == html


# --- the storage of private variants


def test_missing_storage_is_an_error_of_the_server(
    client: Client,
    settings: Settings,
    members: Reference,
) -> None:
    url = link_to(members)
    settings.STORAGES = {
        name: one for name, one in settings.STORAGES.items() if name != "resizer-private"
    }
    assert client.get(url).status_code == 503
    save("a.jpg", photograph())
    assert client.get(str(picture.url("a.jpg", width=320))).status_code == 200


def test_forgetting_an_original_removes_its_private_variants(url: str, tmp_path: Path) -> None:
    parsed = parse_key(link_of(url).key)
    assert parsed is not None
    store.forget(Reference("members", "a.jpg"))
    assert files(tmp_path / "private") == []
