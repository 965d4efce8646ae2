"""`resizer_explain`: says of a URL what the server does with it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from django.core.cache import caches
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.management import CommandError, call_command

from resizer.keys.variant import Recipe, parse_recipe
from resizer.maintenance.explaining import explain, tell_recipe
from resizer.markup import picture
from resizer.models import CachedVariant, Original
from resizer.originals import Freshness, look_up
from tests.conftest import save
from tests.pictures import photograph
from tests.records.test_index import database  # noqa: F401  # a fixture
from tests.test_originals import raising  # noqa: F401  # a fixture

if TYPE_CHECKING:
    from pathlib import Path

    from django.test import Client
    from pytest_django import Settings

pytestmark = pytest.mark.django_db


@pytest.fixture
def url(settings: Settings) -> str:
    """The URL of a variant that nobody has made."""
    settings.RESIZER = {"SOURCES": {"default": {"OPEN": True}}}
    save("a b.jpg", photograph((800, 600)))
    return picture.url("a b.jpg", width=320, ratio="1/1", quality="high", format="jpeg")


def tell(capsys: pytest.CaptureFixture[str], text: str, *arguments: str) -> str:
    """What the command says, whether a visitor gets a picture or not."""
    capsys.readouterr()
    try:
        call_command("resizer_explain", text, *arguments)
    except CommandError as error:
        return capsys.readouterr().out + str(error)
    return capsys.readouterr().out


def test_variant_is_explained_before_and_after_it_is_made(
    capsys: pytest.CaptureFixture[str], client: Client, url: str
) -> None:
    told = tell(capsys, f"https://example.com{url}?utm=1")
    assert told.splitlines() == [
        "kind:         the URL of a variant",
        "source:       default",
        f"original:     a b.jpg – jpeg, 800 × 600 px, {len(photograph((800, 600))):,} bytes",
        "recipe:       cropped to square; quality high",
        "width:        320 px",
        "format:       jpeg",
        "signature:    right",
        "file:         none",
        "row:          no",
        "version:      current",
        "visitor gets: 200: The first request makes it.",
    ]
    assert client.get(url).status_code == 200
    for text in (url, url.removeprefix("/img/")):
        told = tell(capsys, text)
        assert "\nrow:          yes\n" in told
        assert told.endswith("\nvisitor gets: 200: The cached variant.\n")


def test_wrong_signature_is_named(capsys: pytest.CaptureFixture[str], url: str) -> None:
    before, _, after = url.partition("-")
    told = tell(capsys, f"{before}-{'x' * 14}{after[14:]}")
    assert "\nsignature:    wrong: no key of this project has signed it\n" in told
    assert told.endswith("A visitor gets 403.")


def test_former_key_is_named(
    capsys: pytest.CaptureFixture[str], url: str, settings: Settings
) -> None:
    fallbacks = [settings.SECRET_KEY]
    settings.RESIZER = {"SIGNING_KEY": "another" * 9, "SIGNING_KEY_FALLBACKS": fallbacks}
    assert "\nsignature:    right, by a former key\n" in tell(capsys, url)


def test_missing_original_is_the_reason_of_a_404(
    capsys: pytest.CaptureFixture[str], url: str
) -> None:
    save("another.jpg")
    storages["default"].delete("a b.jpg")
    told = tell(capsys, url)
    assert "\noriginal:     a b.jpg – OriginalNotFound: " in told
    assert told.endswith("A visitor gets 404.")


def test_former_version_shows_the_current_one(capsys: pytest.CaptureFixture[str], url: str) -> None:
    save("a b.jpg", photograph((640, 480)))
    new = picture.url("a b.jpg", width=320, ratio="1/1", quality="high", format="jpeg")
    look_up("a b.jpg", Freshness.NOW)
    new = picture.url("a b.jpg", width=320, ratio="1/1", quality="high", format="jpeg")
    told = tell(capsys, url)
    assert "\nversion:      another; the current one is " in told
    assert told.endswith(f"\nvisitor gets: 200: The current variant, {new}\n")


@pytest.mark.parametrize(
    ("settings_after", "reason"),
    [
        ({"WIDTHS": [640, 1200], "FIXED_WIDTHS": [16]}, "320 px is not in WIDTHS or FIXED_WIDTHS"),
        ({"FORMATS": []}, "avif is not in FORMATS"),
    ],
)
def test_redirect_has_its_reason(
    capsys: pytest.CaptureFixture[str],
    url: str,
    client: Client,
    settings: Settings,
    settings_after: dict[str, Any],
    reason: str,
) -> None:
    url = picture.url(
        "a b.jpg", width=320, format="avif" if "FORMATS" in settings_after else "jpeg"
    )
    settings.RESIZER = settings_after
    response = client.get(url)
    told = tell(capsys, url)
    assert told.endswith(f"302: A redirect to {response['Location']}, because {reason}.\n")


def test_width_above_that_of_the_original_is_a_reason(
    capsys: pytest.CaptureFixture[str], url: str, client: Client
) -> None:
    wide = url.replace("/320.", "/1080.")
    assert client.get(wide)["Location"] in tell(capsys, wide)
    assert "because no variant of this original is wider than 600 px." in tell(capsys, wide)


def test_level_that_is_gone_is_a_reason(
    capsys: pytest.CaptureFixture[str], settings: Settings
) -> None:
    settings.RESIZER = {"QUALITIES": {"tiny": {"jpeg": 10, "avif": 10, "webp": 10}}}
    save("a.jpg")
    url = picture.url("a.jpg", width=320, quality="tiny", format="jpeg")
    settings.RESIZER = {}
    # Its meaning has changed, so it is another version.
    assert "another; the current one" in tell(capsys, url)


def test_broken_original_has_no_variant(capsys: pytest.CaptureFixture[str], client: Client) -> None:
    whole = photograph()
    save("a.jpg", whole[: len(whole) // 2])
    url = picture.url("a.jpg", width=320, format="jpeg")
    assert client.get(url).status_code == 422
    assert tell(capsys, url).endswith("A visitor gets 422.")
    told = tell(capsys, "a.jpg")
    assert ", broken\n" in told
    assert told.endswith("A visitor gets 422.")


def test_source_that_is_down_shows_what_is_cached(
    capsys: pytest.CaptureFixture[str],
    client: Client,
    raising: Any,  # noqa: F811  # the fixture
    url: str,
) -> None:
    other = url.replace("/320.", "/480.")
    assert client.get(url).status_code == 200
    Original.objects.all().delete()
    caches["default"].clear()
    raising()
    assert tell(capsys, url).endswith(
        "\nvisitor gets: 200: The cached variant, because its source does not respond.\n"
    )
    assert tell(capsys, other).endswith("A visitor gets 502.")


def test_variants_storage_that_fails_is_named(
    capsys: pytest.CaptureFixture[str], url: str, settings: Settings
) -> None:
    failing = {"BACKEND": "tests.test_store.FailingStorage"}
    settings.STORAGES = {**settings.STORAGES, "resizer": failing}
    storage = storages["resizer"]
    storage.save(url.removeprefix("/img/"), ContentFile(b"x"))
    told = tell(capsys, url)
    assert "\nfile:         unknown, the variants storage failed\n" in told
    assert told.endswith("A visitor gets 503.")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("/img/a b.jpg", "200: The original, encoded again at its own size."),
        ("/img/a%20b.jpg", "200: The original, encoded again at its own size."),
        ("/img/640/a b.jpg", "200: A variant of 640 px, or of the original's own width."),
        ("/img/650/a b.jpg", "302: A redirect to 720 px, because 650 px is not listed."),
        ("/img/0/a b.jpg", "A visitor gets 400."),
        ("/img/640/_press/a.jpg", "A visitor gets 404."),
        ("/img/640/../a.jpg", "A visitor gets 404."),
        ("/img/640/b.jpg", "A visitor gets 404."),
        ("a b.jpg/00000000-aaaaaaaaaaaaaa/0320.jpg", "A visitor gets 400."),
        ("a b.jpg", "200: The tag prints resized pictures of it."),
        ("none.jpg", "A visitor gets 404."),
        ("http://[", "A visitor gets 400."),
        ("//[/img/a b.jpg", "A visitor gets 400."),
    ],
)
def test_other_texts_are_explained(
    capsys: pytest.CaptureFixture[str], url: str, text: str, told: str
) -> None:
    assert tell(capsys, text).strip().endswith(told)


def test_closed_source_has_no_short_urls(capsys: pytest.CaptureFixture[str]) -> None:
    save("a.jpg")
    told = tell(capsys, "/img/640/a.jpg")
    assert "\nsource:       default – not open\n" in told
    assert "Short URLs need 'OPEN': True in SOURCES['default']." in told


def test_path_of_a_local_file_is_understood(
    capsys: pytest.CaptureFixture[str],
    client: Client,
    url: str,
    variants: Path,
    tmp_path: Path,
    settings: Settings,
) -> None:
    assert client.get(url).status_code == 200
    told = tell(capsys, str(variants / url.removeprefix("/img/")))
    assert told.endswith("\nvisitor gets: 200: The cached variant.\n")
    told = tell(capsys, str(tmp_path / "originals" / "a b.jpg"))
    assert "\ncached variants: 1\n" in told
    press = {**settings.STORAGES["default"], "OPTIONS": {"location": tmp_path / "press"}}
    memory = {"BACKEND": "django.core.files.storage.InMemoryStorage"}
    settings.STORAGES = {**settings.STORAGES, "memory": memory, "press": press}
    sources = {one: {"OPTIONS": {"storage": one}} for one in ("memory", "press")}
    settings.RESIZER = {"SOURCES": sources}
    storages["press"].save("c.jpg", ContentFile(photograph((320, 240))))
    assert "\nsource:          press\n" in tell(capsys, str(tmp_path / "press" / "c.jpg"))
    assert tell(capsys, "/etc/passwd").endswith("A visitor gets 404.")


def test_relative_path_of_a_local_file_is_understood(
    capsys: pytest.CaptureFixture[str],
    client: Client,
    url: str,
    variants: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
) -> None:
    assert client.get(url).status_code == 200
    monkeypatch.chdir(variants.parent)
    told = tell(capsys, f"{variants.name}/{url.removeprefix('/img/')}")
    assert told.endswith("\nvisitor gets: 200: The cached variant.\n")
    told = tell(capsys, "originals/a b.jpg")
    assert "\noriginal:        a b.jpg – jpeg" in told
    # Without such a file, it is a name.
    assert tell(capsys, "originals/b.jpg").endswith("A visitor gets 404.")
    monkeypatch.chdir(tmp_path / "originals")
    assert "\ncached variants: 1\n" in tell(capsys, "./a b.jpg")
    # The storage may have a link in its path.
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "originals")
    linked = {**settings.STORAGES["default"], "OPTIONS": {"location": link}}
    settings.STORAGES = {**settings.STORAGES, "default": linked}
    assert "\noriginal:        a b.jpg – jpeg" in tell(capsys, "a b.jpg")
    assert "\noriginal:        a b.jpg – jpeg" in tell(capsys, str(tmp_path / "originals/a b.jpg"))


@pytest.mark.parametrize("prefix", ["", "https://example.com", "http://localhost:8000"])
def test_url_of_an_original_is_understood(
    capsys: pytest.CaptureFixture[str], url: str, prefix: str
) -> None:
    for text in ("/originals/a b.jpg", "/originals/a%20b.jpg?v=1"):
        told = tell(capsys, prefix + text)
        assert "\noriginal:        a b.jpg – jpeg" in told
    assert tell(capsys, f"{prefix}/originals/b.jpg").endswith("A visitor gets 404.")


def test_url_of_an_original_in_a_bucket_is_understood(
    capsys: pytest.CaptureFixture[str], settings: Settings
) -> None:
    press = {
        "BACKEND": "django.core.files.storage.InMemoryStorage",
        "OPTIONS": {"base_url": "https://press.example.com/"},
    }
    settings.STORAGES = {**settings.STORAGES, "press": press}
    settings.RESIZER = {"SOURCES": {"press": {"OPTIONS": {"storage": "press"}}}}
    storages["press"].save("c.jpg", ContentFile(photograph((320, 240))))
    assert "\nsource:          press\n" in tell(capsys, "https://press.example.com/c.jpg")


def test_variant_in_the_media_directory_is_told_by_its_path_and_its_url(
    capsys: pytest.CaptureFixture[str],
    client: Client,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
) -> None:
    settings.STORAGES = {name: settings.STORAGES[name] for name in ("default", "staticfiles")}
    save("a.jpg", photograph((800, 600)))
    url = picture.url("a.jpg", width=320, format="jpeg")
    assert client.get(url).status_code == 200
    monkeypatch.chdir(tmp_path)
    kept = f"originals/_resized/{url.removeprefix('/img/')}"
    for text in (kept, f"/{kept}", str(tmp_path / kept)):
        assert tell(capsys, text).endswith("\nvisitor gets: 200: The cached variant.\n")


def test_svg_is_linked_as_it_is(
    capsys: pytest.CaptureFixture[str], client: Client, settings: Settings
) -> None:
    save("logo.svg", b'<svg xmlns="http://www.w3.org/2000/svg" width="90" height="30"/>')
    # The second time, it is remembered.
    for _ in range(2):
        told = tell(capsys, "logo.svg")
        assert "\noriginal:     logo.svg – SVG\n" in told
        assert told.endswith("200: An SVG is not resized. The tag links it as it is.\n")
    settings.RESIZER = {"SHOW_SVG": False}
    assert tell(capsys, "logo.svg").endswith("A visitor gets 415.")


def test_explaining_makes_nothing(
    capsys: pytest.CaptureFixture[str], url: str, variants: Path
) -> None:
    tell(capsys, url)
    assert not variants.exists()
    assert not CachedVariant.objects.exists()


def test_app_without_urls_is_no_obstacle(
    capsys: pytest.CaptureFixture[str], url: str, settings: Settings
) -> None:
    settings.ROOT_URLCONF = "django.contrib.auth.urls"
    assert "200: The first request makes it." in tell(capsys, url.removeprefix("/img/"))


def test_without_a_database_rows_are_unknown(
    capsys: pytest.CaptureFixture[str],
    database: str,  # noqa: F811
) -> None:
    save("a.jpg")
    told = tell(capsys, picture.url("a.jpg", width=320, format="jpeg"))
    row = "no" if database == "none" else "unknown, the database failed"
    assert f"\nrow:          {row}\n" in told
    assert "\ncached variants: unknown\n" in tell(capsys, "a.jpg")


def test_json_has_the_same_facts(capsys: pytest.CaptureFixture[str], url: str) -> None:
    told = json.loads(tell(capsys, url, "--format", "json"))
    assert (told["original"].split(" – ")[0], told["signature"]) == ("a b.jpg", "right")
    assert (told["status"], told["verdict"]) == (200, "The first request makes it.")
    assert explain(url).status == 200


@pytest.mark.parametrize(
    ("recipe", "told"),
    [
        ("", "the whole picture, quality medium"),
        ("7x3,fp62-35", "cropped to 7:3 around 62 %, 35 %"),
        ("2x1,fit-fill,q-80", "stretched to 2:1; quality 80"),
        ("q-auto,linear,animated", "quality auto; in linear light; animated"),
    ],
)
def test_recipes_are_told_in_words(recipe: str, told: str) -> None:
    assert tell_recipe(parse_recipe(recipe)) == told
    assert tell_recipe(Recipe(ratio=(1, 1))) == "cropped to square"
