from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from django.core.checks import run_checks
from django.core.files.storage import Storage
from django.urls import include, path

from resizer.engines.pillow import PillowEngine
from tests.private import BACKEND, EVERYBODY_LATER, use_private
from tests.test_middleware import OTHERS, OURS

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django import Settings

    from resizer.formats import Format


class WithoutAvif(PillowEngine):
    def can_write(self, target: Format) -> bool:
        return target.name != "avif"


class WithoutHeic(PillowEngine):
    def can_read(self, found: Format) -> bool:
        return found.name != "heic"


@pytest.fixture(autouse=True)
def long_key(settings: Settings) -> None:
    """As a project in order has one."""
    settings.SECRET_KEY = 5 * "as random "


def ids() -> list[str]:
    messages = run_checks(tags=["resizer"])
    for message in messages:
        assert message.hint
    return [str(message.id) for message in messages]


def test_project_is_in_order() -> None:
    assert ids() == []


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"WITHDS": [320]}, "resizer.E001"),
        ({"WIDTHS": []}, "resizer.E002"),
        ({"STORAGE": "nowhere"}, "resizer.E003"),
        ({"SOURCES": {"default": {"OPEN": "False"}}}, "resizer.E002"),
        ({"SOURCES": {"default": {"BACKEND": 5}}}, "resizer.E002"),
        ({"SOURCES": {"default": {"PRIVATE": "True"}}}, "resizer.E002"),
        ({"SOURCES": {"default": {"PRIVATE": True, "OPEN": True}}}, "resizer.E002"),
        ({"SOURCES": {"default": {"ALLOW": "a.path"}}}, "resizer.E002"),
        ({"SOURCES": {"default": {"PRIVATE": True, "ALLOW": ""}}}, "resizer.E002"),
        ({"SOURCES": {"default": {"PRIVATE": True, "ALLOW": len}}}, "resizer.E002"),
        ({"SOURCES": {"default": {"OPTIONS": "storage"}}}, "resizer.E002"),
        ({"SOURCES": {"press": {"OPTIONS": {"storage": "nowhere"}}}}, "resizer.E005"),
        ({"ENGINE": "collections.OrderedDict"}, "resizer.E005"),
        ({"SOURCES": {"web": {"BACKEND": "no.such.Class"}}}, "resizer.E005"),
        ({"SOURCES": {"web": {"OPTIONS": {"colour": "red"}}}}, "resizer.E005"),
        ({"SOURCES": {"web": {"OPTIONS": {"follow_symlinks": "False"}}}}, "resizer.E005"),
        ({"SOURCES": {"web": {"OPTIONS": {"by_content": "False"}}}}, "resizer.E005"),
        ({"SIGNING_KEY": ""}, "resizer.E002"),
        ({"CACHE": "nowhere"}, "resizer.E005"),
        ({"ENGINE": "no.such.Engine"}, "resizer.E005"),
        ({"ENGINE": "tests.test_checks.WithoutAvif"}, "resizer.E006"),
        (
            {"ENGINE": "tests.test_checks.WithoutHeic", "EXTRA_FORMATS": ["heic"]},
            "resizer.E006",
        ),
        ({"STORAGE": "default"}, "resizer.E007"),
    ],
)
def test_mistake_has_an_id(settings: Settings, values: dict[str, Any], expected: str) -> None:
    settings.RESIZER = values
    assert ids() == [expected]


def test_no_place_for_variants(settings: Settings) -> None:
    settings.STORAGES = {"default": {"BACKEND": "tests.sources.test_own_storages.Anonymous"}}
    assert ids() == ["resizer.E003"]


def test_variants_are_kept_in_memory_beside_their_originals(settings: Settings) -> None:
    settings.STORAGES = {"default": {"BACKEND": "django.core.files.storage.InMemoryStorage"}}
    # Not with each command of a new project.
    assert run_checks(tags=["resizer"]) == []
    (warning,) = (
        one
        for one in run_checks(tags=["resizer"], include_deployment_checks=True)
        if one.id == "resizer.W001"
    )
    assert (warning.id, warning.msg) == (
        "resizer.W001",
        "STORAGES has no 'resizer'. Variants are kept in memory.",
    )


@pytest.mark.parametrize(
    "storage",
    [
        {"BACKEND": "no.such.Storage"},
        {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"colour": "red"}},
    ],
)
def test_storage_of_variants_that_cannot_be_loaded(
    settings: Settings, storage: dict[str, Any]
) -> None:
    settings.STORAGES = {**settings.STORAGES, "resizer": storage}
    assert ids() == ["resizer.E003"]


class Bucket(Storage):
    bucket_name = "pictures"
    location = ""


def test_variants_and_originals_share_a_bucket(settings: Settings) -> None:
    bucket = {"BACKEND": "tests.test_checks.Bucket"}
    settings.STORAGES = {**settings.STORAGES, "default": bucket, "resizer": bucket}
    assert ids() == ["resizer.E007"]


def test_sessions_in_every_response(settings: Settings) -> None:
    settings.MIDDLEWARE = ["django.contrib.sessions.middleware.SessionMiddleware"]
    settings.SESSION_SAVE_EVERY_REQUEST = True
    assert ids() == ["resizer.W002"]


def test_variants_elsewhere_are_in_order(settings: Settings, tmp_path: Path) -> None:
    in_memory = {"BACKEND": "django.core.files.storage.InMemoryStorage"}
    settings.STORAGES = {**settings.STORAGES, "resizer": in_memory}
    assert ids() == []
    settings.STORAGES = {
        "default": in_memory,
        "resizer": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": tmp_path},
        },
    }
    assert ids() == []


class OtherSource:
    """No StorageSource."""


def test_other_sources_are_left_alone(settings: Settings) -> None:
    settings.RESIZER = {"SOURCES": {"other": {"BACKEND": "tests.test_checks.OtherSource"}}}
    assert ids() == []


def test_app_is_not_mounted(settings: Settings) -> None:
    settings.ROOT_URLCONF = "django.contrib.auth.urls"
    assert ids() == ["resizer.E004"]


def test_mount_without_a_slash_is_named(settings: Settings) -> None:
    urls = ModuleType("mounted_without_a_slash")
    urls.urlpatterns = [path("pictures", include("resizer.urls"))]  # type: ignore[attr-defined]
    settings.ROOT_URLCONF = urls
    (message,) = run_checks(tags=["resizer"])
    assert message.id == "resizer.W012"
    assert message.msg == "The URLs of pictures begin with '/pictures', without a slash behind it."
    assert str(message.hint).startswith('Write path("pictures/", include("resizer.urls"))')


@pytest.mark.parametrize(
    ("middleware", "expected"),
    [
        ([OURS, *OTHERS], []),
        (OTHERS, ["resizer.W002"]),
        ([*OTHERS, OURS], ["resizer.W002"]),
        (["django.contrib.sessions.middleware.SessionMiddleware"], []),
    ],
)
def test_middleware_that_changes_pictures(
    settings: Settings, middleware: list[str], expected: list[str]
) -> None:
    settings.MIDDLEWARE = middleware
    assert ids() == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"querystring_auth": False}, ["resizer.W003"]),
        ({}, []),
        ({"querystring_auth": False, "custom_domain": "img.example.com"}, []),
    ],
)
def test_redirects_to_a_bucket_that_has_to_be_public(
    settings: Settings, options: dict[str, Any], expected: list[str]
) -> None:
    bucket = {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {"bucket_name": "variants", "region_name": "us-east-1", **options},
    }
    settings.STORAGES = {**settings.STORAGES, "resizer": bucket}
    assert ids() == []
    settings.RESIZER = {"MAX_RESPONSE_BYTES": 4_500_000}
    assert ids() == expected


def test_redirects_to_other_storages_are_in_order(settings: Settings) -> None:
    settings.RESIZER = {"MAX_RESPONSE_BYTES": 4_500_000}
    assert ids() == []


def deployment_ids() -> list[str]:
    messages = run_checks(tags=["resizer"], include_deployment_checks=True)
    assert all(message.hint for message in messages)
    return [str(message.id) for message in messages]


def test_files_of_one_machine_need_no_lock_between_hosts() -> None:
    assert deployment_ids() == []


@pytest.mark.parametrize(
    ("backend", "expected"),
    [("locmem.LocMemCache", ["resizer.W004"]), ("redis.RedisCache", [])],
)
def test_hosts_that_share_a_storage_are_advised_to_share_a_cache(
    settings: Settings, backend: str, expected: list[str]
) -> None:
    shared = {"BACKEND": f"django.core.cache.backends.{backend}", "LOCATION": "redis://127.0.0.1"}
    settings.CACHES = {**settings.CACHES, "shared": shared}
    settings.RESIZER = {"CACHE": "shared"}
    settings.STORAGES = {
        **settings.STORAGES,
        "resizer": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    }
    assert ids() == []
    assert deployment_ids() == expected


def test_processes_without_a_directory_for_locks(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings.RESIZER = {"LOCK_DIRECTORY": str(tmp_path / "file")}
    assert deployment_ids() == ["resizer.W004"]


def test_locks_are_not_looked_at_before_the_rest_is_in_order(settings: Settings) -> None:
    settings.RESIZER = {"CACHE": "nowhere"}
    assert deployment_ids() == ["resizer.E005"]


@pytest.mark.parametrize(
    "keys", [{"SECRET_KEY": ""}, {"SECRET_KEY_FALLBACKS": ["a former key", ""]}]
)
def test_urls_that_nobody_or_everybody_can_sign(settings: Settings, keys: dict[str, Any]) -> None:
    for name, value in keys.items():
        setattr(settings, name, value)
    assert ids() == ["resizer.E008"]
    assert deployment_ids() == ["resizer.E008"]


def test_key_of_its_own_signs_without_a_secret_key(settings: Settings) -> None:
    settings.SECRET_KEY = ""
    settings.RESIZER = {"SIGNING_KEY": 8 * "long"}
    assert deployment_ids() == []


@pytest.mark.parametrize(
    ("secret", "values"),
    [
        ("short", {}),
        (b"short", {}),
        ("django-insecure-" + 5 * "as random ", {}),
        (5 * "as random ", {"SIGNING_KEY": 31 * "k"}),
        (5 * "as random ", {"SIGNING_KEY_FALLBACKS": ["short"]}),
    ],
)
def test_key_that_can_be_guessed(
    settings: Settings, secret: str | bytes, values: dict[str, Any]
) -> None:
    settings.SECRET_KEY = secret
    settings.RESIZER = values
    assert ids() == []
    assert deployment_ids() == ["resizer.W005"]


COMMON = "django.middleware.common.CommonMiddleware"


@pytest.mark.parametrize(
    ("host", "allowed", "middleware", "found"),
    [
        ("https://img.example.com", ["www.example.com"], [COMMON], ["resizer.W009"]),
        ("https://img.example.com:8443", [".example.com"], [COMMON], []),
        ("https://img.example.com", ["www.example.com"], [OURS, COMMON], []),
        ("https://img.example.com", ["www.example.com"], [COMMON, OURS], ["resizer.W009"]),
        ("https://img.example.com", ["www.example.com"], [], []),
        ("", ["www.example.com"], [COMMON], []),
    ],
)
def test_host_that_django_refuses(
    settings: Settings, host: str, allowed: list[str], middleware: list[str], found: list[str]
) -> None:
    settings.RESIZER = {"HOST": host}
    settings.ALLOWED_HOSTS = allowed
    settings.MIDDLEWARE = middleware
    assert ids() == found


def test_host_of_a_project_without_our_urls(settings: Settings) -> None:
    options = {"bucket_name": "b", "custom_domain": "cdn.example.com", "location": "img"}
    storage = {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "resizer": storage}
    settings.ROOT_URLCONF = "django.contrib.auth.urls"
    assert ids() == ["resizer.E004"]


def test_misspelt_storage_is_named(settings: Settings) -> None:
    settings.RESIZER = {"STORAGE": "resiser"}
    (message,) = run_checks(tags=["resizer"])
    assert message.id == "resizer.E003"
    assert str(message.hint).startswith("Did you mean 'resizer'? ")


@pytest.mark.parametrize("error", [ModuleNotFoundError("No module named 'pyvips'"), OSError("no")])
def test_libvips_without_its_extra_is_named(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(path: str) -> Any:
        raise error

    settings.RESIZER = {"ENGINE": "resizer.engines.libvips.LibvipsEngine"}
    monkeypatch.setattr("resizer.checks.loading.load_engine", refuse)
    (message,) = run_checks(tags=["resizer"])
    assert message.id == "resizer.E005"
    assert str(message.hint).startswith('Run pip install "django-resized-img[vips]". ')


@pytest.mark.parametrize("place", ["file", "readonly"])
def test_directory_that_cannot_be_written_is_a_warning_with_deploy(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "readonly").mkdir()
    if place == "readonly":
        # Root may write anywhere.
        monkeypatch.setattr("resizer.checks.deployment.os.access", lambda path, mode: False)
    backend = {
        **settings.STORAGES["resizer"],
        "OPTIONS": {"location": tmp_path / place / "variants"},
    }
    settings.STORAGES = {**settings.STORAGES, "resizer": backend}
    assert ids() == []
    messages = [
        one
        for one in run_checks(tags=["resizer"], include_deployment_checks=True)
        if one.id == "resizer.W010"
    ]
    assert len(messages) == 1
    assert str(tmp_path / place) in messages[0].msg


def test_other_storages_are_no_directory(settings: Settings) -> None:
    memory = {"BACKEND": "django.core.files.storage.InMemoryStorage"}
    settings.STORAGES = {**settings.STORAGES, "resizer": memory}
    assert "resizer.W010" not in deployment_ids()


# --- private sources


def private(settings: Settings, directory: Path, **options: Any) -> None:
    """A private source in order, with other options for the storage of its variants."""
    use_private(settings, directory)
    entry = {"BACKEND": BACKEND, "OPTIONS": {"location": directory / "private"}, **options}
    settings.STORAGES = {**settings.STORAGES, "resizer-private": entry}


def test_private_source_is_in_order(settings: Settings, tmp_path: Path) -> None:
    private(settings, tmp_path)
    assert ids() == []
    settings.RESIZER = {**settings.RESIZER, "PRIVATE_DELIVERY": "/private-variants/"}
    assert ids() == []
    # Their originals may be around them.
    private(settings, tmp_path, OPTIONS={"location": tmp_path / "members" / "variants"})
    assert ids() == []


def test_private_variants_need_a_storage_of_their_own(settings: Settings, tmp_path: Path) -> None:
    private(settings, tmp_path)
    del settings.STORAGES["resizer-private"]
    settings.STORAGES = dict(settings.STORAGES)
    assert ids() == ["resizer.E011"]
    private(settings, tmp_path, BACKEND="no.such.Storage")
    assert ids() == ["resizer.E011"]


@pytest.mark.parametrize("place", ["variants", "variants/private", "originals/private"])
def test_private_variants_in_a_public_place(settings: Settings, tmp_path: Path, place: str) -> None:
    private(settings, tmp_path, OPTIONS={"location": tmp_path / place})
    assert ids() == ["resizer.E011"]


def test_private_variants_below_the_default_place_of_variants(
    settings: Settings, tmp_path: Path
) -> None:
    private(settings, tmp_path, OPTIONS={"location": tmp_path / "originals" / "_resized"})
    del settings.STORAGES["resizer"]
    settings.STORAGES = dict(settings.STORAGES)
    assert ids() == ["resizer.E011", "resizer.E011"]


@pytest.mark.parametrize(
    "options",
    [
        {"querystring_auth": False},
        {"custom_domain": "cdn.example.com"},
        {"default_acl": "public-read"},
    ],
)
def test_private_variants_in_a_bucket_for_everybody(
    settings: Settings, tmp_path: Path, options: dict[str, Any]
) -> None:
    bucket = "storages.backends.s3.S3Storage"
    private(settings, tmp_path, BACKEND=bucket, OPTIONS={"bucket_name": "private", **options})
    assert ids() == ["resizer.E011"]
    private(settings, tmp_path, BACKEND=bucket, OPTIONS={"bucket_name": "private"})
    assert ids() == []


def test_delivery_that_the_storage_does_not_have(settings: Settings, tmp_path: Path) -> None:
    private(settings, tmp_path)
    settings.RESIZER = {**settings.RESIZER, "PRIVATE_DELIVERY": "presigned"}
    assert ids() == ["resizer.E012"]
    bucket = "storages.backends.s3.S3Storage"
    private(settings, tmp_path, BACKEND=bucket, OPTIONS={"bucket_name": "private"})
    assert ids() == []
    settings.RESIZER = {**settings.RESIZER, "PRIVATE_DELIVERY": "/private-variants"}
    assert ids() == ["resizer.E012"]


def test_private_originals_in_a_public_place(settings: Settings, tmp_path: Path) -> None:
    private(settings, tmp_path)
    inside = {"BACKEND": BACKEND, "OPTIONS": {"location": tmp_path / "originals" / "members"}}
    settings.STORAGES = {**settings.STORAGES, "members": inside}
    assert ids() == ["resizer.E013"]


def test_private_source_elsewhere_or_in_disorder(settings: Settings, tmp_path: Path) -> None:
    private(settings, tmp_path)
    web = {"BACKEND": "resizer.sources.HttpSource", "OPTIONS": {"base_url": "https://example.com/"}}
    sources = {"web": {**web, "PRIVATE": True}}
    settings.RESIZER = {"SOURCES": sources}
    assert ids() == []
    nowhere = {"OPTIONS": {"storage": "nowhere"}, "PRIVATE": True}
    settings.RESIZER = {"SOURCES": {"members": nowhere}}
    assert ids() == ["resizer.E005"]


@pytest.mark.parametrize("allow", ["no.such.function", "tests.private.ALIAS", EVERYBODY_LATER])
def test_function_that_cannot_decide(settings: Settings, tmp_path: Path, allow: str) -> None:
    use_private(settings, tmp_path, ALLOW=allow)
    assert ids() == ["resizer.E005"]
