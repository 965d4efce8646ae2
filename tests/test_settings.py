"""The project's settings in the environments that they know, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.hostile_server import hostile_server
from tests.pictures import photograph
from tests.servers import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LAMBDA = {
    "AWS_LAMBDA_FUNCTION_NAME": "resizer-dev",
    "DJANGO_SECRET_KEY": "for tests only",
    "DJANGO_ALLOWED_HOSTS": "testserver",
    "RESIZER_ORIGINALS_BUCKET": "originals",
    "RESIZER_VARIANTS_BUCKET": "variants",
}
SHOW = """
import json
from config import settings
names = ("DATABASES", "INSTALLED_APPS", "MIDDLEWARE", "STORAGES", "FORCE_SCRIPT_NAME",
         "CSRF_COOKIE_SECURE", "RESIZER", "TASKS", "CACHES")
print(json.dumps({name: getattr(settings, name, None) for name in names}, default=str))
"""
ASK = """
import django
django.setup()
from django.test import Client
for path in ("/", "/admin/", "/admin/login/", "/img/640/a/b.svg/"):
    response = Client().get(path, secure=True)
    print(response.status_code, response.headers["Content-Type"], response.content.decode())
"""
LEVELS = """
import django, logging
django.setup()
for name in ("", "resizer", "botocore.auth", "boto3", "urllib3.connectionpool", "django.request"):
    print(logging.getLogger(name).getEffectiveLevel())
"""


def run(script: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "DJANGO_SETTINGS_MODULE": "config.settings",
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )


def read(**environment: str) -> dict[str, Any]:
    done = run(SHOW, LAMBDA | environment)
    assert done.returncode == 0, done.stderr
    shown: dict[str, Any] = json.loads(done.stdout)
    return shown


def refusal(**environment: str) -> str:
    done = run(SHOW, {key: value for key, value in (LAMBDA | environment).items() if value})
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    return last.removeprefix("django.core.exceptions.ImproperlyConfigured: ")


def test_function_without_a_database_loads_nothing_that_needs_one() -> None:
    shown = read()
    assert shown["DATABASES"] == {}
    assert shown["INSTALLED_APPS"] == ["resizer"]
    assert not [name for name in shown["MIDDLEWARE"] if "auth" in name or "session" in name]
    assert shown["CSRF_COOKIE_SECURE"] is True


def test_function_without_a_database_says_what_it_is_and_what_the_admin_needs() -> None:
    done = run(ASK, LAMBDA)
    assert done.returncode == 0, done.stderr
    plain = "text/plain; charset=utf-8"
    admin = f"404 {plain} The admin needs a database: set DATABASE_URL."
    assert [line for line in done.stdout.splitlines() if line][:3] == [
        f"200 {plain} This service makes pictures: they are under /img/.",
        admin,
        admin,
    ]


CONTAINER = {
    "DJANGO_SECRET_KEY": "for tests only",
    "DJANGO_ALLOWED_HOSTS": "pictures.example.com",
    "DATABASE_URL": "none",
    "RESIZER_HEALTH_URL": "health/",
}


def test_container_needs_no_database_and_no_buckets() -> None:
    script = """
import django
django.setup()
from django.test import Client
for path in ("/", "/admin/", "/static/admin/css/base.css"):
    response = Client().get(path, headers={"Host": "pictures.example.com"})
    print(response.status_code)
"""
    assert run(script, CONTAINER).stdout.split() == ["200", "404", "404"]


def test_health_url_responds_to_every_host_name_and_tells_of_a_broken_engine() -> None:
    script = """
import django
django.setup()
from django.test import Client
for path in ("/health/", "/"):
    response = Client().get(path, headers={"Host": "10.1.2.3:8000"})
    print(response.status_code)
"""
    assert run(script, CONTAINER).stdout.split() == ["200", "400"]
    broken = CONTAINER | {"DJANGO_SETTINGS_MODULE": "tests.broken_engine_settings"}
    assert run(script, broken).stdout.split() == ["503", "400"]


def test_static_files_are_served_from_the_code_if_asked() -> None:
    script = """
import django
django.setup()
from django.test import Client
print(Client().get("/static/admin/css/base.css", headers={"Host": "pictures.example.com"}).status_code)
"""
    database = CONTAINER | {"DATABASE_URL": "sqlite://:memory:"}
    assert run(script, database).stdout.split() == ["404"]
    assert run(script, database | {"DJANGO_SERVE_STATIC": "1"}).stdout.split() == ["200"]


def test_forms_are_accepted_behind_a_proxy_with_https() -> None:
    script = """
import django
django.setup()
from django.conf import settings
from django.test import Client
client = Client(enforce_csrf_checks=True, headers={"Host": "pictures.example.com"})
proxied = {"X-Forwarded-Proto": "https", "Origin": "https://pictures.example.com"}
token = "a" * 32
client.cookies[settings.CSRF_COOKIE_NAME] = token
data = {"csrfmiddlewaretoken": token}
print(client.post("/cold/delete/", data, headers=proxied).content.decode().count("CSRF"))
print(settings.SESSION_COOKIE_SECURE, settings.CSRF_COOKIE_SECURE)
"""
    database = CONTAINER | {"DATABASE_URL": "sqlite://:memory:"}
    assert run(script, database).stdout.split()[0] != "0"
    assert run(script, database | {"DJANGO_HTTPS": "1"}).stdout.split() == ["0", "True", "True"]


def test_redis_of_the_environment_is_the_cache_and_waited_for_a_moment_only() -> None:
    cache = read(REDIS_URL="redis://:p@cache.example.com:6379/1")["CACHES"]["default"]
    assert cache["BACKEND"] == "django.core.cache.backends.redis.RedisCache"
    assert cache["LOCATION"] == "redis://:p@cache.example.com:6379/1"
    assert max(cache["OPTIONS"].values()) < 1


def test_platform_that_stops_after_a_response_or_limits_it_can_be_told() -> None:
    told = {"RESIZER_RESPOND_FIRST": "0", "RESIZER_MAX_RESPONSE_BYTES": "6000000"}
    shown = json.loads(run(SHOW, CONTAINER | told).stdout)["RESIZER"]
    assert (shown["RESPOND_FIRST"], shown["MAX_RESPONSE_BYTES"]) == (False, 6_000_000)
    usual = json.loads(run(SHOW, CONTAINER).stdout)["RESIZER"]
    assert (usual["RESPOND_FIRST"], usual["MAX_RESPONSE_BYTES"]) == (True, None)
    message = "RESIZER_MAX_RESPONSE_BYTES is 6 MB. Write a number of bytes."
    assert refusal(RESIZER_MAX_RESPONSE_BYTES="6 MB") == message


def test_most_threads_of_granian_may_wait_for_new_variants() -> None:
    assert read(GRANIAN_BLOCKING_THREADS="24")["RESIZER"]["MAX_WAITING_PER_PROCESS"] == 19
    assert read(GRANIAN_BLOCKING_THREADS="1")["RESIZER"]["MAX_WAITING_PER_PROCESS"] == 1
    assert "MAX_WAITING_PER_PROCESS" not in read()["RESIZER"]


def test_workers_make_the_variants_of_uploads() -> None:
    shown = read(RESIZER_WORKERS="1", DATABASE_URL="sqlite://:memory:")
    assert shown["RESIZER"]["WARM_ON_SAVE"] is True
    assert "django_tasks_db" in shown["INSTALLED_APPS"]
    assert shown["TASKS"]["default"]["BACKEND"] == "django_tasks_db.DatabaseBackend"
    assert read()["RESIZER"]["WARM_ON_SAVE"] is False
    message = "RESIZER_WORKERS needs DATABASE_URL: tasks are rows of a table."
    assert refusal(RESIZER_WORKERS="1") == message


def test_database_of_the_environment_is_used_and_waited_for_a_moment_only() -> None:
    shown = read(DATABASE_URL="postgres://user:p%40ss@db.example.com:6432/pictures?sslmode=require")
    database = shown["DATABASES"]["default"]
    assert database["ENGINE"] == "django.db.backends.postgresql"
    assert (database["HOST"], database["PORT"], database["NAME"]) == (
        "db.example.com",
        6432,
        "pictures",
    )
    assert database["PASSWORD"] == "p@ss"
    assert database["OPTIONS"] == {"sslmode": "require", "connect_timeout": 3}
    assert "django.contrib.admin" in shown["INSTALLED_APPS"]


def test_mysql_is_waited_for_a_moment_only() -> None:
    shown = read(DATABASE_URL="mysql://user@db.example.com/pictures")
    assert shown["DATABASES"]["default"]["OPTIONS"] == {"connect_timeout": 3}


def test_admin_in_a_function_brings_its_style_sheets() -> None:
    script = """
import django
django.setup()
from django.test import Client
response = Client().get("/static/admin/css/base.css", secure=True)
print(response.status_code, response.headers["Content-Type"])
"""
    done = run(script, LAMBDA | {"DATABASE_URL": "sqlite://:memory:"})
    assert done.stdout.split() == ["200", "text/css"], done.stderr


@pytest.mark.parametrize("url", ["nosuch://user:hidden@host/name", "postgres://[hidden/name"])
def test_wrong_url_of_a_database_is_refused_without_showing_it(url: str) -> None:
    done = run(SHOW, LAMBDA | {"DATABASE_URL": url})
    assert done.returncode == 1
    assert "ImproperlyConfigured: DATABASE_URL is wrong. " in done.stderr
    assert "hidden" not in done.stderr


@pytest.mark.parametrize("name", ["RESIZER_ORIGINALS_BUCKET", "RESIZER_VARIANTS_BUCKET"])
def test_function_without_buckets_is_refused(name: str) -> None:
    assert refusal(**{name: ""}) == (
        "Set RESIZER_ORIGINALS_BUCKET and RESIZER_VARIANTS_BUCKET: files in a function are lost."
    )


def test_missing_secret_is_refused() -> None:
    assert refusal(DJANGO_SECRET_KEY="").startswith("Set DJANGO_SECRET_KEY")


def test_one_bucket_can_hold_originals_and_variants() -> None:
    storages = read(
        RESIZER_ORIGINALS_BUCKET="pictures",
        RESIZER_ORIGINALS_PREFIX="/uploads/",
        RESIZER_VARIANTS_BUCKET="pictures",
    )["STORAGES"]
    originals, variants = storages["default"]["OPTIONS"], storages["resizer"]["OPTIONS"]
    assert (originals["bucket_name"], originals["location"]) == ("pictures", "uploads")
    # As the path of an address, so that a CDN rewrites nothing.
    assert (variants["bucket_name"], variants["location"]) == ("pictures", "img")
    assert variants["custom_domain"] is None


def test_svg_can_be_sent_by_django() -> None:
    shown = read(RESIZER_ORIGINALS_URL="originals")["STORAGES"]["default"]
    assert shown["BACKEND"] == "config.svg.BehindDjango"
    assert shown["OPTIONS"]["base_url"] == "/originals/"
    done = run(SHOW, {"RESIZER_ORIGINALS_URL": "/originals/", "DJANGO_DEBUG": "1"})
    assert "RESIZER_ORIGINALS_URL needs RESIZER_ORIGINALS_BUCKET." in done.stderr


def test_variants_can_be_shown_by_a_cdn() -> None:
    storages = read(RESIZER_CDN_DOMAIN="img.example.com")["STORAGES"]
    assert storages["resizer"]["OPTIONS"]["custom_domain"] == "img.example.com"
    assert "custom_domain" not in storages["default"]["OPTIONS"]


@pytest.mark.parametrize(("given", "taken"), [("/", ""), ("/pictures/", "/pictures"), ("", None)])
def test_prefix_that_visitors_see_can_be_set(given: str, taken: str | None) -> None:
    assert read(DJANGO_SCRIPT_NAME=given)["FORCE_SCRIPT_NAME"] == taken


def test_answer_that_fits_through_lambda_is_the_largest() -> None:
    # 6 MiB and 100 bytes are let out, headers and all.
    largest = read()["RESIZER"]["MAX_RESPONSE_BYTES"]
    assert 4_000_000 < largest < largest * 4 / 3 + 100_000 < 6_291_556


def test_function_decodes_by_itself_because_aws_isolates_and_ends_it() -> None:
    assert read()["RESIZER"]["ISOLATION"] is False


def test_function_stores_variants_before_its_response_because_aws_stops_it_then() -> None:
    assert read()["RESIZER"]["RESPOND_FIRST"] is False


def open_sources(**environment: str) -> list[str]:
    sources = read(RESIZER_WEB_URL="https://pictures.example.com/", **environment)["RESIZER"]
    return [name for name, source in sources["SOURCES"].items() if source.get("OPEN")]


def test_originals_are_closed_until_the_operator_opens_them() -> None:
    assert open_sources() == []
    assert open_sources(RESIZER_OPEN="") == []
    assert open_sources(RESIZER_OPEN="default") == ["default"]
    assert open_sources(RESIZER_OPEN="web, default") == ["default", "web"]


def test_originals_are_open_for_development_unless_said_otherwise() -> None:
    assert open_sources(DJANGO_DEBUG="1") == ["default", "web"]
    assert open_sources(DJANGO_DEBUG="1", RESIZER_OPEN="web") == ["web"]
    assert open_sources(DJANGO_DEBUG="1", RESIZER_OPEN="") == []


@pytest.mark.parametrize("name", ["1", "web", "Default"])
def test_source_to_open_that_there_is_not_is_refused(name: str) -> None:
    assert refusal(RESIZER_OPEN=name) == f"RESIZER_OPEN names {name}: the sources are default."


def test_closed_original_is_missing_at_its_short_url_and_seen_by_its_signed_one(
    tmp_path: Path,
) -> None:
    script = """
import django
django.setup()
from django.test import Client
import resizer
url = resizer.url("cat.jpg", width=160, format="jpeg")
for path in ("/img/160/cat.jpg", "/img/cat.jpg", "/img/160/nothing.jpg", url):
    print(Client().get(path, secure=True, follow=True).status_code)
"""
    (tmp_path / "originals").mkdir(exist_ok=True)
    (tmp_path / "originals" / "cat.jpg").write_bytes(photograph((320, 240)))
    environment = {
        "DJANGO_SECRET_KEY": "for tests only",
        "DJANGO_ALLOWED_HOSTS": "testserver",
        "RESIZER_DATA_DIR": str(tmp_path),
    }
    closed = ["404", "404", "404", "200"]
    assert run(script, environment).stdout.split() == closed
    opened = environment | {"RESIZER_OPEN": "default"}
    assert run(script, opened).stdout.split() == ["200", "200", "404", "200"]


def test_originals_come_from_a_storage_space_address(tmp_path: Path) -> None:
    script = """
import django
django.setup()
from django.test import Client
response = Client().get("/img/160/_web/cat.jpg", headers={"Accept": "image/avif"}, follow=True)
print(response.status_code, response.headers["Content-Type"])
"""
    with hostile_server() as server:
        server.put("/pictures/cat.jpg", photograph((320, 240)))
        environment = {
            "DJANGO_DEBUG": "1",
            "DJANGO_ALLOWED_HOSTS": "testserver",
            "RESIZER_DATA_DIR": str(tmp_path),
            "RESIZER_WEB_URL": f"{server.url}pictures/",
            "RESIZER_WEB_NETWORKS": "10.0.0.0/8, 127.0.0.0/8",
        }
        assert run(script, environment).stdout.split() == ["200", "image/avif"]


def test_libraries_never_log_credentials_whatever_the_level() -> None:
    quiet, loud = (
        run(LEVELS, LAMBDA | {"DJANGO_LOG_LEVEL": level}).stdout.split() for level in ("", "DEBUG")
    )
    assert quiet == ["30", "30", "30", "30", "30", "40"]
    assert loud == ["10", "10", "30", "30", "30", "40"]


def test_function_imports_no_engine_driver_or_web_client_before_it_needs_one() -> None:
    done = run(
        "import django; django.setup(); import sys; from django.urls import resolve; resolve('/img/x');"
        "print(sorted({'PIL', 'pyvips', 'psycopg', 'requests', 'storages'} & set(sys.modules)))",
        LAMBDA,
    )
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize(
    ("environment", "formats"),
    [({}, ["avif"]), ({"RESIZER_FORMATS": "webp, avif"}, ["webp", "avif"])],
)
def test_environment_names_the_formats(environment: dict[str, str], formats: list[str]) -> None:
    script = """
import django
django.setup()
from resizer.conf import get_settings
print(*(one.name for one in get_settings().FORMATS))
"""
    done = run(script, {**LAMBDA, **environment})
    assert done.stdout.split() == formats, done.stderr
