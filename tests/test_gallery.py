from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth import get_user_model
from django.core.files.base import ContentFile
from django.core.management import call_command
from django.urls import reverse
from django.utils.html import escape

import resizer
from config.gallery.management.commands.load_gallery import PHOTOGRAPHS, SAMPLES
from config.gallery.models import Photo
from config.gallery.recipes import RECIPES
from config.settings import MIDDLEWARE, SECURE_CSP
from resizer.models import CachedVariant
from tests.pictures import photograph

if TYPE_CHECKING:
    from django.test import Client
    from pytest_django import DjangoAssertNumQueries, Settings

pytestmark = pytest.mark.django_db


def load() -> str:
    output = io.StringIO()
    call_command("load_gallery", stdout=output)
    return output.getvalue()


def test_photographs_have_credits_and_a_size_for_the_repository() -> None:
    credits = (PHOTOGRAPHS / "CREDITS.md").read_text(encoding="utf-8")
    assert {sample.file for sample in SAMPLES} == {
        path.name for path in PHOTOGRAPHS.iterdir() if path.suffix in {".jpg", ".png"}
    }
    for sample in SAMPLES:
        assert f"`{sample.file}`" in credits
        assert (PHOTOGRAPHS / sample.file).stat().st_size <= 1_500_000


def test_loading_twice_changes_nothing(settings: Settings) -> None:
    settings.DEBUG = True
    assert "Loaded 10 photographs." in load()
    assert load() == ""
    assert Photo.objects.count() == len(SAMPLES)
    assert get_user_model().objects.get(username="admin").check_password("admin")


def test_known_password_exists_in_development_only() -> None:
    load()
    assert not get_user_model().objects.exists()


def test_gallery_shows_every_photograph(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    load()
    client.get("/")
    with django_assert_num_queries(1):
        html = client.get("/").content.decode()
    for sample in SAMPLES:
        assert sample.alt in html
    assert html.count("<picture>") == len(SAMPLES)
    assert len(re.findall(r'fetchpriority="high"', html)) == 1


PAGES = {
    "/": len(SAMPLES),
    "/recipes/": len(RECIPES) - 1,
    "/placeholders/": 6,
    "/text/": 4,
    # The tiny one, the moving one, the one cut out.
    "/awkward/": 3,
    "/cold/": 4,
}


@pytest.fixture(autouse=True)
def _project(settings: Settings) -> None:
    settings.RESIZER = {"PRESETS": {"prose": {"width": 680}}}
    settings.MIDDLEWARE, settings.SECURE_CSP = MIDDLEWARE, SECURE_CSP


@pytest.mark.parametrize("page", PAGES)
def test_each_page_has_its_pictures(client: Client, page: str) -> None:
    load()
    response = client.get(page)
    html = response.content.decode()
    assert html.count("<picture>") == PAGES[page]
    assert 'aria-current="page"' in html
    assert "Content-Security-Policy" not in response.headers


@pytest.mark.parametrize("page", PAGES)
def test_empty_gallery_says_what_to_do(client: Client, page: str) -> None:
    html = client.get(page).content.decode()
    # The awkward pictures are files of no photograph.
    assert ("load_gallery" in html) is (page != "/awkward/")


def test_recipes_show_the_html_that_they_make(client: Client) -> None:
    load()
    html = client.get("/recipes/").content.decode()
    assert html.count("<section") == len(RECIPES)
    for recipe in RECIPES:
        assert escape(recipe.template) in html
    assert "&lt;picture&gt;\n  &lt;source type=" in html
    assert "&lt;meta property=" in html


def test_strict_policy_is_switched_on_for_all_pages_but_the_admin(client: Client) -> None:
    assert "Content-Security-Policy" in client.get("/?csp=strict").headers
    policy = client.get("/recipes/").headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "Content-Security-Policy" not in client.get("/admin/login/").headers
    assert "Content-Security-Policy" not in client.get("/?csp=off").headers
    assert "Content-Security-Policy" not in client.get("/recipes/").headers


@pytest.mark.parametrize("switch", ["strict", "off"])
def test_placeholders_have_the_nonce_of_the_page(client: Client, switch: str) -> None:
    load()
    for photo in Photo.objects.all()[1:4]:
        client.get(resizer.url(photo.image, width=320))
    response = client.get(f"/placeholders/?csp={switch}")
    nonces = re.findall(r'<style nonce="([^"]+)"', response.content.decode())
    assert len(nonces) == 6
    if switch == "strict":
        assert f"'nonce-{nonces[0]}'" in response.headers["Content-Security-Policy"]


def test_strangers_cannot_make_the_cache_cold(client: Client, admin_client: Client) -> None:
    load()
    client.get(resizer.url(Photo.objects.all()[0].image, width=320))
    assert CachedVariant.objects.count() == 1
    assert "Delete the variants" not in client.get("/cold/").content.decode()
    assert client.post("/cold/delete/").status_code == 403
    assert CachedVariant.objects.count() == 1
    assert "Delete the variants" in admin_client.get("/cold/").content.decode()
    assert admin_client.get("/cold/delete/").status_code == 405
    assert admin_client.post("/cold/delete/").headers["Location"] == "/cold/"
    assert CachedVariant.objects.count() == 0


def test_photograph_is_uploaded_in_the_admin(admin_client: Client) -> None:
    data = {
        "title": "New",
        "alt": "A new picture",
        "credit": "",
        "image": ContentFile(photograph(), name="new.jpg"),
    }
    response = admin_client.post(reverse("admin:gallery_photo_add"), data, follow=True)
    html = response.content.decode()
    # Nobody has requested a variant yet.
    assert "resizer-nothing" in html
    assert Photo.objects.get().title == "New"
