"""Originals and variants on S3, on two servers that have nothing in common."""

from __future__ import annotations

import io
import itertools
import socket
import time
import urllib.request
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.response import StreamingBody
from django.core.cache import caches
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.management import CommandError, call_command

from config.gallery.models import Photo
from resizer import originals, rendering, store
from resizer.errors import (
    Busy,
    OriginalNotFound,
    ResizerError,
    SourceFailed,
    SourceTimedOut,
    StoreFailed,
    TooManyBytes,
)
from resizer.formats import AVIF, JPEG
from resizer.keys.variant import parse_key
from resizer.maintenance import purging
from resizer.maintenance.doctor import examine
from resizer.markup import picture
from resizer.models import CachedVariant, Original
from resizer.records import tables
from resizer.records.descriptions import Reference
from resizer.scratch import SPOOL_BYTES
from resizer.sources import StorageSource
from resizer.sources.bulkhead import one_fetch_from
from resizer.storages import buckets, publishing
from resizer.storages.listings import LookUp
from resizer.storages.protocol import FOREVER
from tests.conftest import CountingEngine, save
from tests.pictures import decode, photograph
from tests.private import save_private, use_private
from tests.servers import rclone_server
from tests.storages.quick import QuickStorage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from django.test import Client
    from freezegun.api import FrozenDateTimeFactory
    from pytest_django import Settings

    from resizer.sources import Stat

pytestmark = pytest.mark.django_db

KEY = "photos/a.jpg/5d41402a-nFGBozSE6GBqnk/7x3,q-high/640.avif"


@pytest.fixture(scope="session")
def servers(moto_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with rclone_server(tmp_path_factory.mktemp("rclone")) as rclone:
        yield {"moto": moto_url, "rclone": rclone}


_numbers = itertools.count()


@pytest.fixture
def use(servers: dict[str, str], settings: Settings) -> Callable[..., None]:
    """Call it to have originals and variants on a server, in two new buckets."""

    def begin(server: str = "moto", **options: Any) -> None:
        number = next(_numbers)
        common = {
            "endpoint_url": servers[server],
            "region_name": "us-east-1",
            # A test that injects a fault does not wait for five attempts.
            "client_config": Config(retries={"total_max_attempts": 1}, read_timeout=5),
            **options,
        }
        backend = "tests.storages.quick.QuickStorage"
        settings.STORAGES = {
            **settings.STORAGES,
            "default": {
                "BACKEND": backend,
                "OPTIONS": {**common, "bucket_name": f"originals-{number}", "location": ""},
            },
            "resizer": {
                "BACKEND": backend,
                "OPTIONS": {**common, "bucket_name": f"variants-{number}"},
            },
        }
        for alias in ("default", "resizer"):
            api(alias).create_bucket(Bucket=storages[alias].bucket_name)  # type: ignore[attr-defined]

    return begin


@pytest.fixture(params=["moto", "rclone"])
def server(request: pytest.FixtureRequest, use: Callable[..., None]) -> str:
    use(request.param)
    return str(request.param)


@pytest.fixture
def moto(use: Callable[..., None]) -> None:
    use("moto")


def test_field_with_a_bucket_of_its_own_is_a_source(
    client: Client, moto: None, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forget() -> None:
        caches["default"].clear()
        Original.objects.all().delete()

    options = settings.STORAGES["default"]["OPTIONS"]
    field = Photo._meta.get_field("image")
    addresses = []
    for location in ("albums", "albums/", "press"):
        monkeypatch.setattr(field, "storage", QuickStorage(**{**options, "location": location}))
        photo = Photo(title="a", image="a.jpg")
        photo.image.storage.delete("a.jpg")
        photo.image.storage.save("a.jpg", ContentFile(photograph((640, 480))))
        forget()
        addresses.append(picture.url(photo.image, width=320))
        forget()
        assert decode(client.get(addresses[-1]).content).size == (320, 240)
    aliases = [address.split("/")[2] for address in addresses]
    assert all(alias.startswith("_storage-") for alias in aliases)
    assert aliases[0] == aliases[1] != aliases[2]
    monkeypatch.setattr(field, "storage", QuickStorage(**options))
    assert originals.locate(Photo(image="a.jpg").image) == Reference("default", "a.jpg")


def test_object_that_is_uploaded_again_is_the_same_by_its_content(
    moto: None, engine: type[CountingEngine]
) -> None:
    source = StorageSource(by_content=True)
    save("a.jpg")
    before = source.stat("a.jpg")
    storages["default"].delete("a.jpg")
    save("a.jpg")
    assert source.stat("a.jpg") == before
    with source.open("a.jpg") as file:
        assert file.fingerprint == before.fingerprint  # type: ignore[attr-defined]
    save("a.jpg", photograph((640, 480)))
    assert source.stat("a.jpg") != before


def api(alias: str) -> Any:
    return storages[alias].bucket.meta.client  # type: ignore[attr-defined]


@contextmanager
def calls() -> Iterator[list[str]]:
    """Collects what is really sent to the two buckets."""
    sent: list[str] = []
    handlers = {}

    def collect(alias: str) -> Callable[..., None]:
        def handler(event_name: str, **_: Any) -> None:
            sent.append(f"{event_name.rpartition('.')[2].removesuffix('Object')} {alias}")

        return handler

    for alias, name in (("default", "original"), ("resizer", "variant")):
        handlers[alias] = collect(name)
        api(alias).meta.events.register("before-send.s3", handlers[alias])
    try:
        yield sent
    finally:
        for alias, handler in handlers.items():
            api(alias).meta.events.unregister("before-send.s3", handler)


class Body(io.BytesIO):
    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield self.read()


@contextmanager
def answering(alias: str, operation: str, status: int, code: str = "") -> Iterator[None]:
    """The server answers an operation with an error; as to HEAD, without a body where there is no code."""
    xml = f"<Error><Code>{code}</Code><Message>injected</Message></Error>" if code else ""

    def handler(request: Any, **_: Any) -> AWSResponse:
        return AWSResponse(request.url, status, {}, Body(xml.encode()))

    events = api(alias).meta.events
    events.register(f"before-send.s3.{operation}", handler)
    try:
        yield
    finally:
        events.unregister(f"before-send.s3.{operation}", handler)


def head(key: str) -> Any:
    bucket = storages["resizer"]
    return api("resizer").head_object(Bucket=bucket.bucket_name, Key=key)  # type: ignore[attr-defined]


def keys() -> list[str]:
    return sorted(one.name for one in publishing.walk(storages["resizer"]))


def address(width: int = 320, format: str = "jpeg") -> str:
    return picture.url("a.jpg", width=width, format=format)


# --- the variants


def test_variant_is_kept_under_its_path_with_type_and_cache_headers(
    server: str, client: Client
) -> None:
    save("a.jpg")
    url = address(format="avif")
    response = client.get(url)
    assert response.status_code == 200
    key = url.removeprefix("/img/")
    assert keys() == [key]
    told = head(key)
    assert told["ContentType"] == "image/avif"
    assert told["CacheControl"] == "public, max-age=31536000, immutable"
    assert told["ContentLength"] == len(response.content)


def test_answers_have_the_etag_that_the_bucket_tells(server: str, client: Client) -> None:
    save("a.jpg")
    url = address()
    made = client.get(url)
    caches["default"].clear()
    found = client.get(url)
    assert made["ETag"] == found["ETag"] == head(url.removeprefix("/img/"))["ETag"]
    assert found.content == made.content
    modified_at = head(url.removeprefix("/img/"))["LastModified"]
    assert found["Last-Modified"] == modified_at.strftime("%a, %d %b %Y %H:%M:%S GMT")


@pytest.mark.parametrize("location", ["img", "img/", "a/b"])
def test_location_stands_before_the_key(
    client: Client, use: Callable[..., None], location: str
) -> None:
    use("moto", location=location)
    save("a.jpg")
    url = address()
    first = client.get(url)
    key = url.removeprefix("/img/")
    assert head(f"{location.strip('/')}/{key}")["ContentLength"] == len(first.content)
    assert keys() == [key]
    assert client.get(url).content == first.content
    store.forget(Reference("default", "a.jpg"))
    assert keys() == []


def test_overwriting_or_not_changes_nothing(client: Client, use: Callable[..., None]) -> None:
    told = []
    for file_overwrite in (True, False):
        use("moto", file_overwrite=file_overwrite)
        bucket = storages["resizer"]
        assert publishing.publish(bucket, KEY, b"first", AVIF) is not None
        assert publishing.publish(bucket, KEY, b"second", AVIF) is None
        told.append((keys(), publishing.fetch(bucket, KEY)))
    assert [names for names, _ in told] == [[KEY], [KEY]]
    assert all(fetched and fetched[0] == b"first" for _, fetched in told)


def test_server_without_conditional_writes_keeps_one_whole_file(use: Callable[..., None]) -> None:
    use("rclone")
    bucket = storages["resizer"]
    assert publishing.publish(bucket, KEY, b"first", AVIF) is not None
    # Nobody says so, and the picture is the same.
    assert publishing.publish(bucket, KEY, b"first", AVIF) is not None
    fetched = publishing.fetch(bucket, KEY)
    assert fetched is not None
    assert fetched[0] == b"first"
    assert keys() == [KEY]


def test_parameters_of_the_project_are_kept(use: Callable[..., None]) -> None:
    use("moto", object_parameters={"ServerSideEncryption": "AES256", "CacheControl": "no-store"})
    publishing.publish(storages["resizer"], KEY, b"content", AVIF)
    assert head(KEY)["ServerSideEncryption"] == "AES256"
    # What is under a key never changes, whatever holds for uploads.
    assert head(KEY)["CacheControl"] == FOREVER
    fetched = publishing.fetch(storages["resizer"], KEY)
    assert fetched is not None
    assert fetched[0] == b"content"


@pytest.mark.usefixtures("moto")
def test_server_that_refuses_conditional_writes_is_asked_without() -> None:
    seen = []

    def refuse(request: Any, **_: Any) -> AWSResponse | None:
        seen.append("If-None-Match" in request.headers)
        if not seen[-1]:
            return None
        xml = b"<Error><Code>NotImplemented</Code></Error>"
        return AWSResponse(request.url, 501, {}, Body(xml))

    events = api("resizer").meta.events
    events.register("before-send.s3.PutObject", refuse)
    try:
        assert publishing.publish(storages["resizer"], KEY, b"content", AVIF) is not None
    finally:
        events.unregister("before-send.s3.PutObject", refuse)
    assert seen == [True, False]
    assert keys() == [KEY]


@pytest.mark.usefixtures("moto")
@pytest.mark.parametrize(
    ("status", "code"), [(412, "PreconditionFailed"), (409, "ConditionalRequestConflict")]
)
def test_conflict_means_that_another_was_first(
    client: Client, engine: type[CountingEngine], status: int, code: str
) -> None:
    save("a.jpg")
    url = address()
    with answering("resizer", "PutObject", status, code):
        response = client.get(url)
    # The other one's file is not there: what was made is shown, and nobody keeps it.
    assert (response.status_code, response["Cache-Control"]) == (200, "no-store")
    assert not CachedVariant.objects.exists()
    assert client.get(url)["Cache-Control"].endswith("immutable")
    assert engine.renders == 2


@pytest.mark.usefixtures("moto")
def test_all_answer_what_the_first_has_made(client: Client, monkeypatch: Any) -> None:
    save("a.jpg")
    url = address()
    other = photograph((320, 240))
    real = rendering._render

    def render(*args: Any) -> Any:
        rendered = real(*args)
        publishing.publish(storages["resizer"], url.removeprefix("/img/"), other, JPEG)
        return rendered

    monkeypatch.setattr(rendering, "_render", render)
    response = client.get(url)
    assert response.content == other
    assert response["ETag"] == head(url.removeprefix("/img/"))["ETag"]


@pytest.mark.usefixtures("moto")
def test_public_bucket_keeps_its_access_list(use: Callable[..., None]) -> None:
    use("moto", default_acl="public-read")
    publishing.publish(storages["resizer"], KEY, b"content", AVIF)
    bucket = storages["resizer"].bucket_name  # type: ignore[attr-defined]
    grants = api("resizer").get_object_acl(Bucket=bucket, Key=KEY)["Grants"]
    assert any(grant["Grantee"].get("URI", "").endswith("/AllUsers") for grant in grants)


def test_key_that_is_no_path_is_refused(use: Callable[..., None]) -> None:
    use("moto")
    publishing.publish(storages["resizer"], "a.jpg", b"content", JPEG)
    for name in ("../a.jpg", "/a.jpg", "b/../a.jpg", "./a.jpg"):
        with pytest.raises(StoreFailed, match="not the name of an object"):
            publishing.fetch(storages["resizer"], name)


@pytest.mark.usefixtures("server")
def test_variants_are_listed_and_deleted_by_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buckets, "BATCH", 10)
    names = [f"a.jpg/5d41402a-nFGBozSE6GBqnk/{number}.jpg" for number in range(1, 15)]
    for name in names:
        publishing.publish(storages["resizer"], name, b"content", JPEG)
    with calls() as sent:
        assert keys() == sorted(names)
    assert sent == ["ListObjectsV2 variant"] * 2
    with calls() as sent:
        publishing.remove(storages["resizer"], names)
    assert sent == ["DeleteObjects variant"] * 2
    assert keys() == []


def test_forgotten_original_leaves_no_variant(server: str, client: Client) -> None:
    save("a.jpg")
    save("a.jpg2")
    urls = [address(320), address(640)]
    for url in urls:
        client.get(url)
    other = picture.url("a.jpg2", width=320)
    client.get(other)
    store.forget(Reference("default", "a.jpg"))
    assert keys() == [other.removeprefix("/img/")]
    assert CachedVariant.objects.count() == 1
    assert client.get(urls[0]).status_code == 200


@pytest.mark.usefixtures("moto")
def test_object_that_may_not_be_deleted_is_said_so() -> None:
    publishing.publish(storages["resizer"], KEY, b"content", AVIF)
    xml = f"<DeleteResult><Error><Key>{KEY}</Key><Code>AccessDenied</Code></Error></DeleteResult>"

    def refuse(request: Any, **_: Any) -> AWSResponse:
        return AWSResponse(request.url, 200, {}, Body(xml.encode()))

    events = api("resizer").meta.events
    events.register("before-send.s3.DeleteObjects", refuse)
    try:
        with pytest.raises(StoreFailed, match="AccessDenied"):
            publishing.remove(storages["resizer"], [KEY])
    finally:
        events.unregister("before-send.s3.DeleteObjects", refuse)


# --- how often S3 is asked


def test_calls_of_a_warm_hit(server: str, client: Client) -> None:
    save("a.jpg")
    url = address()
    made = client.get(url)
    with calls() as sent:
        assert client.get(url).content == made.content
    assert sent == ["Get variant"]
    with calls() as sent:
        assert client.head(url)["Content-Length"] == made["Content-Length"]
        assert client.get(url, headers={"If-None-Match": made["ETag"]}).status_code == 304
    assert sent == []


def test_calls_of_a_cold_hit(server: str, client: Client) -> None:
    save("a.jpg")
    url = address()
    made = client.get(url)
    caches["default"].delete(store._cache_key(url.removeprefix("/img/")))
    with calls() as sent:
        assert client.get(url).content == made.content
    assert sent == ["Get variant"]
    # The row is enough to know the original.
    caches["default"].clear()
    with calls() as sent:
        assert client.get(url).content == made.content
    assert sent == ["Get variant"]


def test_calls_of_a_hit_where_nothing_is_known(server: str, client: Client) -> None:
    save("a.jpg")
    url = address()
    made = client.get(url)
    caches["default"].clear()
    Original.objects.all().delete()
    with calls() as sent:
        assert client.get(url).content == made.content
    # Both rows are written anew, for which the original's header is read; where there is no index, it is not.
    assert sent == ["Head original", "Get variant", "Head original", "Get original"]
    assert CachedVariant.objects.get().key == url.removeprefix("/img/")
    caches["default"].clear()
    tables._breaker.open()
    with calls() as sent:
        assert client.get(url).content == made.content
    assert sent == ["Head original", "Get variant"]
    with calls() as sent:
        client.get(url)
    assert sent == ["Get variant"]


def test_calls_of_a_miss(server: str, client: Client) -> None:
    save("a.jpg")
    url = address()
    with calls() as sent:
        assert client.get(url).status_code == 200
    assert sent == ["Get variant", "Get original", "Put variant"]


def test_calls_of_a_miss_where_nothing_is_known(server: str, client: Client) -> None:
    save("a.jpg")
    url = address()
    caches["default"].clear()
    Original.objects.all().delete()
    with calls() as sent:
        assert client.get(url).status_code == 200
    assert sent == [
        "Head original",
        "Get variant",
        # Its header first, then all of it.
        "Get original",
        "Get original",
        "Put variant",
    ]


# --- replaced originals


def test_original_that_was_replaced_is_noticed_when_a_variant_is_made(
    server: str, client: Client
) -> None:
    save("a.jpg")
    url = address()
    save("a.jpg", photograph((800, 400)))
    response = client.get(url)
    assert keys() == [response["Content-Location"].removeprefix("/img/")]
    assert decode(response.content).size == (320, 160)


def test_original_that_has_grown_too_large_is_not_fetched_again(
    server: str, client: Client, settings: Settings
) -> None:
    save("a.jpg")
    url = address()
    settings.RESIZER = {"MAX_BYTES": 100_000}
    save("a.jpg", photograph() + bytes(100_000))
    assert client.get(url).status_code == 413
    with calls() as sent:
        assert client.get(url).status_code == 413
    # Whether another has taken its place is asked once in a few seconds.
    assert sent == []


def test_original_that_was_deleted_is_asked_for_once(server: str, client: Client) -> None:
    save("a.jpg")
    url = address()
    storages["default"].delete("a.jpg")
    assert client.get(url).status_code == 404
    with calls() as sent:
        assert client.get(url).status_code == 404
    assert sent == []


def test_deleted_original_stays_deleted_where_there_are_no_rows(
    client: Client, clock: FrozenDateTimeFactory, use: Callable[..., None]
) -> None:
    use("moto")
    save("a.jpg")
    url = address()
    client.get(url)
    caches["default"].clear()
    Original.objects.all().delete()
    assert client.get(url).status_code == 200
    storages["default"].delete("a.jpg")
    assert client.get(url).status_code == 200
    clock.tick(timedelta(seconds=301))
    for _ in range(3):
        assert client.get(url).status_code == 404
        clock.tick(timedelta(seconds=61))


# --- the originals


def test_original_is_told_and_read(server: str) -> None:
    save("a/über 1.jpg", b"content")
    source = StorageSource()
    with calls() as sent:
        stat = source.stat("a/über 1.jpg")
    assert (stat.bytes, sent) == (7, ["Head original"])
    with calls() as sent, source.open("a/über 1.jpg") as file:
        assert file.read(3) == b"con"
        assert file.tell() == 3
        assert file.seek(-2, io.SEEK_END) == 5
        assert file.read() == b"nt"
        assert file.seek(-6, io.SEEK_CUR) == 1
        assert file.read() == b"ontent"
        assert file.read() == b""
        assert file.seek(100) == 100
        assert file.read() == b""
        assert file.fingerprint == stat.fingerprint  # type: ignore[attr-defined]
        with pytest.raises(OSError, match="incomplete"):
            file.fileno()
    assert sent == ["Get original"]


def test_fingerprint_changes_with_the_object(server: str) -> None:
    source = StorageSource()
    told = []
    for content in (b"content", b"CONTENT", b"longer content"):
        save("a.jpg", content)
        told.append(source.stat("a.jpg").fingerprint)
    assert len(set(told)) == 3


@pytest.mark.parametrize("name", ["missing.jpg", "../a.jpg", "/a.jpg", "a.jpg/b.jpg"])
def test_name_that_the_bucket_lacks_is_not_found(server: str, name: str) -> None:
    save("a.jpg", b"content")
    with pytest.raises(OriginalNotFound):
        StorageSource().stat(name)
    with pytest.raises(OriginalNotFound), StorageSource().open(name):
        pass


@pytest.mark.usefixtures("moto")
def test_large_original_is_read_whole_and_fetched_once() -> None:
    content = bytes(range(256)) * (SPOOL_BYTES // 256 + 1000)
    save("a.jpg", content)
    with calls() as sent, StorageSource().open("a.jpg") as file:
        assert file.seek(0, io.SEEK_END) == len(content)
        file.seek(0)
        assert file.read() == content
        file.seek(1000)
        assert file.read(8) == content[1000:1008]
    assert sent == ["Get original"]


@pytest.mark.usefixtures("moto")
def test_original_that_is_too_large_is_not_fetched(settings: Settings) -> None:
    settings.RESIZER = {"MAX_BYTES": 6}
    save("a.jpg", b"content")
    with pytest.raises(TooManyBytes), StorageSource().open("a.jpg"):
        pass


@pytest.mark.usefixtures("moto")
@pytest.mark.parametrize(
    ("status", "code", "raised"),
    [
        (403, "AccessDenied", OriginalNotFound),
        (404, "NoSuchKey", OriginalNotFound),
        (403, "InvalidAccessKeyId", SourceFailed),
        (404, "NoSuchBucket", SourceFailed),
        (503, "SlowDown", SourceFailed),
        (500, "InternalError", SourceFailed),
    ],
)
def test_what_s3_says_is_our_error(status: int, code: str, raised: type[ResizerError]) -> None:
    save("a.jpg", b"content")
    with (
        answering("default", "GetObject", status, code),
        pytest.raises(raised),
        StorageSource().open("a.jpg"),
    ):
        pass


@pytest.mark.usefixtures("moto")
@pytest.mark.parametrize(
    ("status", "raised"),
    [(403, OriginalNotFound), (404, OriginalNotFound), (503, SourceFailed), (400, SourceFailed)],
)
def test_what_s3_says_to_head_is_our_error(status: int, raised: type[ResizerError]) -> None:
    save("a.jpg", b"content")
    with answering("default", "HeadObject", status), pytest.raises(raised):
        StorageSource().stat("a.jpg")


@pytest.mark.usefixtures("moto")
@pytest.mark.parametrize("checks", [True, False])
def test_object_that_ends_too_early_is_the_sources_fault(
    monkeypatch: pytest.MonkeyPatch, checks: bool
) -> None:
    save("a.jpg", b"content")

    def cut(request: Any, **_: Any) -> AWSResponse:
        headers = {
            "Content-Length": "7",
            "ETag": '"e"',
            "Last-Modified": "Sun, 22 Nov 2026 12:00:00 GMT",
        }
        return AWSResponse(request.url, 200, headers, Body(b"con"))

    if not checks:
        # A client that does not compare lengths.
        monkeypatch.setattr(StreamingBody, "_verify_content_length", lambda _: None)
    events = api("default").meta.events
    events.register("before-send.s3.GetObject", cut)
    try:
        with StorageSource().open("a.jpg") as file, pytest.raises(SourceFailed):
            file.read()
    finally:
        events.unregister("before-send.s3.GetObject", cut)


def test_broken_original_is_decoded_once(server: str, client: Client) -> None:
    save("a.jpg", photograph()[:20_000])
    url = address()
    assert client.get(url).status_code == 422
    with calls() as sent:
        assert client.get(url).status_code == 422
    assert "Get original" not in sent


def test_server_that_does_not_answer_is_given_up(
    settings: Settings, client: Client, use: Callable[..., None]
) -> None:
    use("moto")
    save("a.jpg")
    url = address()
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(50)
        for alias in ("default", "resizer"):
            options = {
                **settings.STORAGES[alias]["OPTIONS"],
                "endpoint_url": f"http://127.0.0.1:{silent.getsockname()[1]}",
                "client_config": Config(retries={"total_max_attempts": 1}, read_timeout=0.2),
            }
            settings.STORAGES = {
                **settings.STORAGES,
                alias: {"BACKEND": settings.STORAGES[alias]["BACKEND"], "OPTIONS": options},
            }
        with pytest.raises(SourceTimedOut):
            StorageSource().stat("a.jpg")
        response = client.get(url)
        assert (response.status_code, response["Retry-After"]) == (503, "5")


@pytest.mark.usefixtures("moto")
@pytest.mark.parametrize(("status", "code"), [(403, "AccessDenied"), (404, "NoSuchKey")])
def test_variant_that_is_missing_is_made_whatever_s3_says(
    client: Client, status: int, code: str
) -> None:
    save("a.jpg")
    with answering("resizer", "GetObject", status, code):
        response = client.get(address())
    assert (response.status_code, keys()) == (200, [address().removeprefix("/img/")])


@pytest.mark.usefixtures("moto")
@pytest.mark.parametrize(
    ("status", "code"), [(503, "SlowDown"), (403, "InvalidAccessKeyId"), (404, "NoSuchBucket")]
)
def test_variants_bucket_that_fails_is_503(client: Client, status: int, code: str) -> None:
    save("a.jpg")
    with answering("resizer", "GetObject", status, code):
        response = client.get(address())
    assert response.status_code == 503
    assert response["Retry-After"] == "5"
    with answering("resizer", "PutObject", status, code):
        response = client.get(address())
    assert (response.status_code, response["Cache-Control"]) == (200, "no-store")
    assert keys() == []


@pytest.mark.usefixtures("moto")
def test_description_outlives_a_bucket_that_is_slow(client: Client) -> None:
    save("a.jpg")
    known = originals.look_up("a.jpg")
    with answering("default", "HeadObject", 503):
        assert (
            originals.look_up(known.reference, originals.Freshness.NOW).fingerprint
            == known.fingerprint
        )
    parsed = parse_key(address().removeprefix("/img/"))
    assert parsed is not None
    assert parsed.variant.version == known.version_of(parsed.variant.recipe)


# --- answers above a size


@pytest.fixture
def is_small(settings: Settings) -> None:
    """A variant of 320 px is answered, one of 640 px is not."""
    settings.RESIZER = {"MAX_RESPONSE_BYTES": 7_000, "SOURCES": {"default": {"OPEN": True}}}


@pytest.mark.usefixtures("moto", "is_small")
def test_large_variant_is_answered_by_the_bucket(client: Client) -> None:
    save("a.jpg")
    assert client.get(address(320)).status_code == 200
    url = address(640)
    for method in (client.get, client.get, client.head):
        response = method(url)
        assert response.status_code == 302
        assert response["Cache-Control"] == "private, no-store"
        assert response.content == b""
    told = head(url.removeprefix("/img/"))
    assert told["ContentLength"] > 7_000
    # Signed, so that the bucket need not be public.
    with urllib.request.urlopen(response["Location"]) as answer:
        assert decode(answer.read()).size == (640, 480)
        assert answer.headers["Content-Type"] == "image/jpeg"


@pytest.mark.usefixtures("is_small")
def test_large_variant_is_led_to_the_cdn_once(client: Client, use: Callable[..., None]) -> None:
    use("moto", custom_domain="img.example.com", location="img", querystring_auth=False)
    save("a.jpg")
    url = address(640)
    # Pages print that host, too.
    assert url.startswith("https://img.example.com/img/")
    response = client.get(url)
    assert (response.status_code, response["Location"]) == (302, f"{url}?led")
    # The CDN has not looked into the bucket: no endless redirect.
    again = client.get(f"{url}?led")
    assert (again.status_code, again["Cache-Control"]) == (503, "no-store")
    assert client.get(f"{address(320)}?led").status_code == 200


@pytest.mark.usefixtures("is_small")
def test_key_with_a_recipe_is_known_as_the_same_url(
    client: Client, use: Callable[..., None]
) -> None:
    use("moto", custom_domain="img.example.com", location="img", querystring_auth=False)
    save("a b.jpg")
    url = picture.url("a b.jpg", width=640, ratio="4/3", quality="high", format="jpeg")
    response = client.get(url)
    path, _, query = response["Location"].partition("?")
    # django-storages escapes "=", which a URL need not.
    assert unquote(path) == url
    assert query == "led"


@pytest.mark.usefixtures("server", "is_small")
def test_calls_of_a_large_hit(client: Client) -> None:
    save("a.jpg")
    url = address(640)
    client.get(url)
    with calls() as sent:
        assert client.get(url).status_code == 302
    # Whether it is still there: nobody is led to an empty place.
    assert sent == ["Head variant"]
    etag = str(head(url.removeprefix("/img/"))["ETag"])
    with calls() as sent:
        assert client.get(url, headers={"If-None-Match": etag}).status_code == 304
    assert sent == []


@pytest.mark.usefixtures("server", "is_small")
def test_large_variant_that_is_lost_is_made_again(
    client: Client, engine: type[CountingEngine]
) -> None:
    save("a.jpg")
    url = address(640)
    client.get(url)
    publishing.remove(storages["resizer"], keys())
    assert client.get(url).status_code == 302
    assert keys() == [url.removeprefix("/img/")]
    assert engine.renders == 2


@pytest.mark.usefixtures("moto", "is_small")
def test_large_variant_that_cannot_be_kept_is_503(client: Client) -> None:
    save("a.jpg")
    with answering("resizer", "PutObject", 503, "SlowDown"):
        for method in (client.get, client.head):
            response = method(address(640))
            assert response.status_code == 503
            assert response["Retry-After"] == "5"
        assert client.get(address(320)).status_code == 200


@pytest.mark.usefixtures("moto", "is_small")
def test_short_url_of_a_large_variant_leads_to_it(client: Client) -> None:
    save("a.jpg")
    response = client.get("/img/640/a.jpg")
    assert (response.status_code, response["Vary"]) == (302, "Accept")
    assert response["Cache-Control"] == "private, no-store"
    assert address(640).removeprefix("/img") in response["Location"]


# --- operating it


def test_doctor_finds_it_healthy(server: str) -> None:
    save("a.jpg", photograph((64, 48)))
    found = {one.part: str(one) for one in examine()}
    mark = "✓" if server == "moto" else "!"
    assert found["variants storage"].startswith(f"{mark} variants storage: QuickStorage ")
    assert found["source 'default'"] == "✓ source 'default': opens 'a.jpg' (jpeg, 64 × 48 px)."
    assert keys() == []


def test_doctor_follows_the_redirect_of_large_variants(
    settings: Settings, servers: dict[str, str], use: Callable[..., None]
) -> None:
    settings.RESIZER = {"MAX_RESPONSE_BYTES": 4_500_000}

    def examined() -> str:
        (found,) = [one for one in examine() if one.part == "large variants"]
        return str(found)

    host = servers["moto"].removeprefix("http://")
    use("moto")
    assert examined() == f"✓ large variants: visitors are redirected to {host}, and it responds."
    assert keys() == []
    # A name that is nobody's, and one that is somebody else's.
    use("moto", custom_domain=f"{host}/no-such-bucket", url_protocol="http:")
    assert examined().startswith("✗ large variants: visitors are redirected to a URL that fails")
    use("moto", custom_domain=f"{host}/moto-api/?", url_protocol="http:")
    assert examined().endswith("a URL with other content. Check custom_domain and location.")
    assert keys() == []


@pytest.mark.usefixtures("moto")
def test_doctor_says_what_a_lost_permission_is() -> None:
    save("a.jpg", photograph((64, 48)))
    with (
        answering("default", "GetObject", 403, "AccessDenied"),
        answering("resizer", "PutObject", 403, "AccessDenied"),
    ):
        found = {one.part: str(one) for one in examine()}
    assert found["source 'default'"].startswith("✗ source 'default': no original could be opened: ")
    assert "AccessDenied" in found["source 'default'"]
    assert found["variants storage"].startswith("✗ variants storage: ")
    assert "permissions" in found["variants storage"]
    originals.look_up("a.jpg")
    with answering("default", "ListObjectsV2", 403, "AccessDenied"):
        found = {one.part: str(one) for one in examine()}
    text = "! source 'default': opens 'a.jpg' (jpeg, 64 × 48 px), but cannot be listed: "
    assert found["source 'default'"].startswith(text)
    bucket = storages["default"].bucket_name  # type: ignore[attr-defined]
    storages["default"].delete("a.jpg")
    api("default").delete_bucket(Bucket=bucket)
    found = {one.part: str(one) for one in examine()}
    assert found["source 'default'"].startswith("✗ source 'default': it does not respond: ")
    assert "NoSuchBucket" in found["source 'default'"]


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("arguments", [[], ["--from-storage"]])
def test_stale_variants_are_purged(
    client: Client, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    save("a.jpg")
    for width in (320, 640):
        client.get(address(width))
    save("a.jpg", photograph((800, 400)))
    originals.look_up(Reference("default", "a.jpg"), originals.Freshness.NOW)
    url = address(320)
    client.get(url)
    call_command("resizer_purge", "--yes", *arguments)
    assert capsys.readouterr().out.startswith("Removed 2 cached variants: ")
    assert keys() == [url.removeprefix("/img/")]
    assert CachedVariant.objects.count() == 1


@pytest.mark.usefixtures("server")
def test_bucket_that_is_not_there_has_lost_no_original(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    entry = settings.STORAGES["default"]
    options = {**entry["OPTIONS"], "bucket_name": "absent"}
    settings.STORAGES = {**settings.STORAGES, "absent": {**entry, "OPTIONS": options}}
    for _ in range(2):
        with pytest.raises(SourceFailed):
            StorageSource("absent").stat("a.jpg")
    (told,) = [one for one in caplog.records if one.name == "resizer.sources.absence"]
    assert told.levelname == "WARNING"
    assert "bucket of storage 'absent' is empty or missing" in told.getMessage()
    # Who may not ask for the bucket learns of the original what they did before.
    with answering("absent", "HeadBucket", 403), pytest.raises(OriginalNotFound):
        StorageSource("absent").stat("a.jpg")
    with pytest.raises(OriginalNotFound):
        StorageSource().stat("a.jpg")


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("arguments", [[], ["--from-storage"]])
def test_purge_lists_the_bucket_of_the_originals(
    client: Client,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
) -> None:
    monkeypatch.setattr(buckets, "BATCH", 4)
    names = [f"{number}/a.jpg" for number in range(10)]
    for name in names:
        # Others lie between those that variants were made of.
        for one in (name, name.replace("a.jpg", "b.jpg"), name.replace("/a", "-a")):
            # rclone lists a file of the last moment of a second as one of the next, and HEAD says otherwise.
            while time.time() % 1 > 0.8:
                time.sleep(0.01)
            storages["default"].save(one, ContentFile(photograph((64, 48))))
        assert client.get(picture.url(name, width=32)).status_code == 200
    for name in names[:3]:
        storages["default"].delete(name)
    for name in names[3:5]:
        save(name, photograph((48, 64)))
    with calls() as sent:
        call_command("resizer_purge", "--yes", *arguments)
    told = capsys.readouterr().out
    assert told.startswith("Removed 5 cached variants, 3 rows of missing originals: ")
    heads = sent.count("Head original")
    # One for each lot of originals, to see that the listing says what HEAD does.
    assert heads <= 4
    # Of 27 objects there are 7 pages. Not more than three times are they turned.
    assert sent.count("ListObjectsV2 original") <= 7 * 3 + 2
    assert [key.split("/")[0] for key in keys()] == sorted(map(str, range(5, 10)))
    assert Original.objects.count() == 7


@contextmanager
def listing(alias: str, change: Callable[[list[dict[str, Any]]], object]) -> Iterator[None]:
    """A server that lists a bucket in a way of its own."""

    def handler(parsed: dict[str, Any], **_: Any) -> None:
        change(parsed.get("Contents", []))

    events = api(alias).meta.events
    events.register("after-call.s3.ListObjectsV2", handler)
    try:
        yield
    finally:
        events.unregister("after-call.s3.ListObjectsV2", handler)


def retag(entries: list[dict[str, Any]]) -> None:
    for entry in entries:
        entry["ETag"] = '"of the listing alone"'


@pytest.mark.usefixtures("moto")
@pytest.mark.parametrize("change", [list.reverse, retag])
def test_listing_that_cannot_be_relied_upon_is_not(
    client: Client,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[list[dict[str, Any]]], object],
) -> None:
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        save(name)
        client.get(picture.url(name, width=320))
    storages["default"].delete("b.jpg")
    with listing("default", change), calls() as sent:
        call_command("resizer_purge")
    told = capsys.readouterr().out
    assert told.startswith("Removed 1 cached variant, 1 row of a missing original: ")
    assert sent.count("Head original") >= 3
    assert [key[0] for key in keys()] == ["a", "c"]


@pytest.mark.usefixtures("server")
def test_bucket_that_is_not_there_loses_no_variant(
    client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    save("a.jpg")
    client.get(address())
    made = keys()
    bucket = storages["default"].bucket_name  # type: ignore[attr-defined]
    storages["default"].delete("a.jpg")
    # As another bucket is, or one that has just been made.
    with pytest.raises(CommandError, match="'default' is empty or missing"):
        call_command("resizer_purge")
    api("default").delete_bucket(Bucket=bucket)
    with pytest.raises(CommandError, match=r"'default' does not respond: .*NoSuchBucket"):
        call_command("resizer_purge")
    assert keys() == made
    capsys.readouterr()
    call_command("resizer_purge", "--force", "--yes")
    assert capsys.readouterr().out.startswith("Removed 1 cached variant")
    assert keys() == []


@pytest.mark.usefixtures("moto")
def test_bucket_that_may_not_be_listed_loses_no_variant(client: Client) -> None:
    save("a.jpg")
    client.get(address())
    storages["default"].delete("a.jpg")
    with (
        answering("default", "ListObjectsV2", 403, "AccessDenied"),
        pytest.raises(CommandError, match=r"'default' does not respond: .*AccessDenied"),
    ):
        call_command("resizer_purge")
    assert len(keys()) == 1


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("arguments", [[], ["--from-storage"]])
def test_purge_of_a_bucket_goes_on_where_it_was_stopped(
    client: Client,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
) -> None:
    monkeypatch.setattr(purging, "BATCH", 2)
    monkeypatch.setattr(tables, "BATCH", 2)
    names = ["a.jpg", "b/c.jpg", "b-c.jpg", "é.jpg"]
    for name in names:
        save(name, photograph((400, 300)))
        client.get(picture.url(name, width=160))
        client.get(picture.url(name, width=320))
        save(name, photograph((400, 200)))
    told: list[str] = []
    while not told or "continues from here" in told[-1]:
        assert len(told) < 20
        call_command("resizer_purge", "--yes", "--for", "0.000001", *arguments)
        told.append(capsys.readouterr().out)
    assert len(told) > 2
    assert keys() == []
    assert not CachedVariant.objects.exists()


@pytest.mark.usefixtures("server")
def test_rows_whose_object_is_gone_are_purged(
    client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    save("a.jpg")
    for width in (320, 480, 640):
        client.get(address(width))
    publishing.remove(storages["resizer"], keys()[:2])
    call_command("resizer_purge", "--from-storage")
    assert capsys.readouterr().out.startswith("Removed 0 cached variants, 2 rows without a file: ")
    assert [row.key for row in CachedVariant.objects.all()] == keys()
    assert len(keys()) == 1


def test_names_that_no_listing_has_are_looked_up_as_any(use: Callable[..., None]) -> None:
    use("moto")
    bucket = buckets.Bucket(storages["default"])
    # The first of the private use area follows the surrogates.
    names = sorted(["a\ue000", "a😀", "b", "a0", "a"])
    for name in names:
        bucket.put(name, b"x", {})
    look_up = LookUp(bucket)
    assert [look_up.stat(name).bytes for name in names] == [1] * 5
    with pytest.raises(FileNotFoundError):
        look_up.stat("c")
    with pytest.raises(SuspiciousFileOperation):
        look_up.stat("c/../b")


@pytest.mark.usefixtures("moto")
def test_what_a_listing_has_told_takes_no_place(settings: Settings) -> None:
    settings.RESIZER = {"MAX_FETCHES": 1}
    names = ["a.jpg", "b.jpg", "c.jpg"]
    for name in names:
        save(name, b"content")
    answers = StorageSource().stat_many(names)
    told = [next(answers)]
    with one_fetch_from("storage 'default'"):
        told += answers
        busy = dict(StorageSource().stat_many(names))
    assert [(name, cast("Stat", stat).bytes) for name, stat in told] == [(one, 7) for one in names]
    assert all(isinstance(busy[name], Busy) for name in names)


@pytest.mark.usefixtures("moto")
def test_lost_permission_loses_no_variant(
    client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    save("a.jpg")
    client.get(address())
    with (
        answering("default", "HeadObject", 403),
        pytest.raises(CommandError, match="variants stay"),
    ):
        call_command("resizer_purge")
    assert keys() == [address().removeprefix("/img/")]


def test_private_variant_is_handed_out_by_a_signed_url_of_a_minute(
    use: Callable[..., None], settings: Settings, tmp_path: Path, client: Client
) -> None:
    use(client_config=Config(signature_version="s3v4"))
    use_private(settings, tmp_path)
    public = settings.STORAGES["resizer"]
    name = f"private-{public['OPTIONS']['bucket_name']}"
    private = {**public, "OPTIONS": {**public["OPTIONS"], "bucket_name": name}}
    settings.STORAGES = {**settings.STORAGES, "resizer-private": private}
    api("resizer-private").create_bucket(Bucket=name)
    settings.RESIZER = {**settings.RESIZER, "PRIVATE_DELIVERY": "presigned"}
    url = str(picture.url(save_private("a.jpg"), width=320, format="jpeg"))
    made = client.get(url)
    led = client.get(url)
    assert (led.status_code, led["Cache-Control"]) == (302, "private, no-store")
    assert "X-Amz-Expires=60&" in led["Location"]
    with urllib.request.urlopen(led["Location"]) as sent:
        assert sent.read() == made.content
        assert sent.headers["Cache-Control"] == "private, no-cache"
    # Too large for the app's own response, it comes from there too.
    settings.RESIZER = {**settings.RESIZER, "PRIVATE_DELIVERY": "app", "MAX_RESPONSE_BYTES": 100}
    assert client.get(url)["Location"].startswith(led["Location"].partition("?")[0])
    assert list(publishing.walk(storages["resizer"])) == []
