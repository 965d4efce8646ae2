"""The bucket first, the function second, as config/aws/cloudfront.yaml says it: nginx plays the edges, moto S3, the project itself the function."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from PIL import Image

from tests.cloudfront import edges, local_s3
from tests.nginx import Reply, ask
from tests.pictures import encode, photograph
from tests.servers import ROOT, django_server, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.service("nginx"), pytest.mark.service("nginx-javascript")]

BUCKET = "resizer-variants"
ORIGINALS = "resizer-originals"
PRIVATE = "resizer-private"
CHROME = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
FIREFOX = "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5"
CDN = "pictures.example.com"
#: The same from the function and from S3.
HEADERS = (
    "Content-Type",
    "Content-Length",
    "Content-Encoding",
    "Cache-Control",
    "ETag",
    "X-Content-Type-Options",
    "Content-Security-Policy",
    "Vary",
    "Set-Cookie",
)


class Service(NamedTuple):
    directory: Path
    bucket: Any
    storage: str
    function: str
    near: str
    far: str

    def key(self, name: str, file: str) -> str:
        """The path of a variant, by way of the original's short URL."""
        reply = ask(f"http://{self.function}/img/16/{name}")
        return f"{reply.headers['Content-Location'].rpartition('/')[0]}/{file}"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    directory = tmp_path_factory.mktemp("service")
    with local_s3(ORIGINALS, BUCKET) as (environment, s3):
        for name in ("cat.jpg", "dog.jpg", "fox.jpg", "hen.jpg"):
            s3.Object(ORIGINALS, name).put(Body=photograph((800, 600)))
        noise = Image.frombytes("RGB", (1500, 1100), random.Random(1).randbytes(1500 * 1100 * 3))
        for name in ("noise.png", "static.png"):
            s3.Object(ORIGINALS, name).put(Body=encode(noise, "PNG", compress_level=1))
        # The project takes itself for the function: no database, and no answers that AWS would not let through.
        environment |= {"AWS_LAMBDA_FUNCTION_NAME": "resizer-test", "RESIZER_CDN_DOMAIN": CDN}
        s3.create_bucket(Bucket=PRIVATE)
        (directory / "members").mkdir()
        (directory / "members" / "cat.jpg").write_bytes(photograph((800, 600)))
        environment |= {
            "DJANGO_SETTINGS_MODULE": "tests.private_settings",
            "RESIZER_DATA_DIR": str(directory),
            "TESTS_PRIVATE_BUCKET": PRIVATE,
        }
        with django_server(ROOT, environment) as function:
            storage, function = (
                address.removeprefix("http://")
                for address in (environment["AWS_ENDPOINT_URL"], function)
            )
            with edges(
                directory / "edges", count=2, bucket=BUCKET, storage=storage, function=function
            ) as (near, far):
                yield Service(directory, s3.Bucket(BUCKET), storage, function, near, far)


def origins(service: Service, reply: Reply) -> list[str]:
    """Whom the edge has asked for a reply; nobody, if it had it in its cache."""
    names = {service.storage: "storage", service.function: "function"}
    return [names[one] for one in (reply.headers["X-Origins"] or "").split(" : ") if one]


def shown(reply: Reply) -> dict[str, str | None]:
    return {name: reply.headers[name] for name in HEADERS}


@pytest.mark.parametrize("file", ["320.avif", "320.jpg"])
def test_function_is_called_once_for_a_variant(service: Service, file: str) -> None:
    path = service.key("cat.jpg", file)
    miss = ask(service.near + path, headers={"Accept": CHROME})
    assert origins(service, miss) == ["storage", "function"]
    assert miss.headers["Server-Timing"].startswith('resizer;desc="miss"')
    # Keys do not depend on Accept.
    again = ask(service.near + path, headers={"Accept": "image/webp"})
    assert origins(service, again) == []
    # Another edge has to ask, and finds the object under the very path.
    hit = ask(service.far + path)
    assert origins(service, hit) == ["storage"]
    assert miss.status == again.status == hit.status == 200
    assert miss.body == again.body == hit.body
    assert shown(miss) == shown(again) == shown(hit)
    assert hit.headers["ETag"]
    assert hit.headers["Last-Modified"]
    stored = service.bucket.Object(path.removeprefix("/")).get()
    assert stored["Body"].read() == hit.body


def test_private_picture_comes_from_the_function_alone(service: Service) -> None:
    path = ask(f"http://{service.function}/link/cat.jpg").body.decode()
    assert path.startswith("/img/_private.members.")
    made = ask(service.near + path)
    assert (made.status, made.headers["Cache-Control"][:17]) == (200, "private, max-age=")
    # Once it is in the bucket, a visitor gets it there, for a minute.
    led = ask(service.near + path)
    assert (led.status, led.headers["Cache-Control"]) == (302, "private, no-store")
    target = led.headers["Location"]
    assert f"/{PRIVATE}/" in target or f"{PRIVATE}." in target
    assert "X-Amz-Expires=60&" in target
    assert ask(target).body == made.body
    for reply in (made, led):
        assert origins(service, reply) == ["function"]
    # The variants bucket and the caches of the edges have no file.
    assert not [one.key for one in service.bucket.objects.filter(Prefix="img/_private.")]
    forged = path.replace("_private.members.", "_private.members.f")
    for edge in (service.near, service.far):
        reply = ask(edge + forged)
        assert (reply.status, origins(service, reply)) == (403, ["function"])


def test_storage_that_answers_403_is_passed_by(service: Service) -> None:
    path = service.key("dog.jpg", "320.avif")
    made = ask(service.near + path)
    with edges(
        service.directory / "unsigned",
        count=1,
        bucket=BUCKET,
        storage=service.storage,
        function=service.function,
        signs=False,
    ) as (edge,):
        reply = ask(edge + path)
        assert origins(service, reply) == ["storage", "function"]
        assert (reply.status, reply.body) == (200, made.body)


def test_pictures_are_served_while_cloudfront_cannot_reach_the_storage(service: Service) -> None:
    path = service.key("dog.jpg", "480.avif")
    with edges(
        service.directory / "alone",
        count=1,
        bucket=BUCKET,
        storage=f"127.0.0.1:{free_port()}",
        function=service.function,
    ) as (edge,):
        assert ask(edge + path).status == 200


def test_short_url_is_kept_once_for_each_spelling_of_accept(service: Service) -> None:
    for path in ("/img/320/fox.jpg", "/img/fox.jpg"):
        for edge in (service.near, service.far):
            avif = ask(edge + path, headers={"Accept": CHROME})
            jpeg = ask(edge + path)
            assert origins(service, avif) == origins(service, jpeg) == ["storage", "function"]
            assert avif.headers["Content-Type"] == "image/avif"
            assert jpeg.headers["Content-Type"] == "image/jpeg"
            assert avif.headers["Vary"] == "Accept"
            assert "immutable" not in avif.headers["Cache-Control"]
            other = ask(edge + path, headers={"Accept": FIREFOX})
            assert origins(service, other) == []
            assert other.body == avif.body
            assert ask(edge + path, headers={"Accept": "text/html,*/*"}).body == jpeg.body


def test_unlisted_width_leads_to_a_picture(service: Service) -> None:
    moved = ask(f"{service.near}/img/300/hen.jpg")
    assert (moved.status, moved.headers["Location"]) == (302, "/img/320/hen.jpg")
    assert ask(service.near + moved.headers["Location"]).status == 200


def test_other_spelling_of_a_key_is_no_second_copy(service: Service) -> None:
    key = service.key("cat.jpg", "320.avif")
    reply = ask(service.near + key.replace("cat", "%63at"))
    assert (reply.status, reply.headers["Location"]) == (301, key)


def test_neither_query_nor_cookie_makes_another_picture(service: Service) -> None:
    path = service.key("hen.jpg", "320.avif")
    first = ask(f"{service.near}{path}?utm_source=mail", headers={"Cookie": "sessionid=1"})
    second = ask(f"{service.near}{path}?a=1&b=2")
    assert (first.status, second.status) == (200, 200)
    assert origins(service, second) == []
    assert "Set-Cookie" not in first.headers


def test_refusals_come_from_the_app_and_are_kept_as_it_says(service: Service) -> None:
    path = service.key("hen.jpg", "480.avif")
    forged = f"{path.removesuffix('/480.avif')[:-14]}{'A' * 14}/480.avif"
    for _ in range(2):
        refused = ask(service.near + forged)
        assert (refused.status, refused.body) == (
            403,
            b"The signature of this URL is not valid.",
        )
        # Not from the cache: a new key must work at once.
        assert origins(service, refused) == ["storage", "function"]
    missing = ask(f"{service.near}/img/320/none.jpg")
    assert (missing.status, missing.headers["Cache-Control"]) == (404, "public, max-age=60")
    assert missing.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert origins(service, ask(f"{service.near}/img/320/none.jpg")) == []


def test_picture_too_large_for_the_function_is_found_in_the_bucket(service: Service) -> None:
    path = service.key("noise.png", "1500.png")
    led = ask(service.near + path)
    assert origins(service, led) == ["storage", "function"]
    assert (led.status, led.body) == (302, b"")
    assert led.headers["Cache-Control"] == "private, no-store"
    target = urlsplit(led.headers["Location"])
    assert (target.netloc, target.path) == (CDN, path)
    found = ask(f"{service.near}{target.path}?{target.query}")
    assert origins(service, found) == ["storage"]
    assert found.status == 200
    assert found.headers["Content-Type"] == "image/png"
    assert found.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert len(found.body) > 4_500_000
    assert origins(service, ask(service.near + path)) == []


def test_nobody_is_led_in_circles(service: Service) -> None:
    path = service.key("static.png", "1500.png")
    with edges(
        service.directory / "astray",
        count=1,
        bucket=BUCKET,
        storage=service.storage,
        function=service.function,
        signs=False,
    ) as (edge,):
        led = ask(edge + path)
        assert led.status == 302
        target = urlsplit(led.headers["Location"])
        stopped = ask(f"{edge}{target.path}?utm_source=mail&{target.query}")
        assert (stopped.status, stopped.headers["Cache-Control"]) == (503, "no-store")


def test_only_reading_is_allowed(service: Service) -> None:
    path = service.key("hen.jpg", "640.avif")
    for method in ("POST", "PUT", "DELETE"):
        assert ask(service.near + path, method).status == 403
    head = ask(service.near + path, "HEAD")
    assert (head.status, head.body) == (200, b"")
    assert shown(head) == shown(ask(service.near + path))
