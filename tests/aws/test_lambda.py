"""The very package that is deployed, under AWS's own runtime client: what visitors get for their requests."""

from __future__ import annotations

import json
import random
import urllib.request
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

import boto3
import pytest
from PIL import Image

from resizer.keys.variant import parse_key
from tests.aws.events import KINDS, STAGE, Request, Response, parse_answer, write_event
from tests.aws.runtime import REGION, Function
from tests.hostile_server import HostileServer, hostile_server
from tests.pictures import TOLERANCE, decode, difference, draw, encode, photograph
from tests.servers import moto_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.function

#: Names of originals that have been trouble somewhere: decoded twice, or not at all, or taken for a stage.
NAMES = (
    *("plain.jpg", "löwe/ä ö.jpg", "山/水.jpg", "e\u0301.jpg", "a b.jpg", "a+b.jpg"),
    *("100%.jpg", "a%20b.jpg", "a%2Fb.jpg", "a%252Fb.jpg", "it's (1) & co;x=1,2.jpg", "a#b.jpg"),
    *(f"{STAGE}/x.jpg", f"{STAGE}ices/x.jpg", f"img/{STAGE}/x.jpg"),
)
QUESTION = "why?/x?y=1.jpg"
#: A path need not be the shortest that means the same.
SPELLINGS = {
    "a%2Bb.jpg": "a+b.jpg",
    f"{STAGE}%2Fx.jpg": f"{STAGE}/x.jpg",
    "%70lain.jpg": "plain.jpg",
}
PATHS = {**{quote(name): name for name in NAMES}, **SPELLINGS}
#: Of each kind of event the hardest; tests/aws/test_handler.py has all of them, in the process of the tests.
HARDEST = ("löwe/ä ö.jpg", "a%2Fb.jpg", f"{STAGE}/x.jpg")
OTHER_KINDS = [kind for kind in KINDS if kind != "url"]
FORMATS = {
    "avif": ("plain.jpg", "image/avif,image/webp,*/*;q=0.8"),
    "webp": ("plain.jpg", "image/webp,*/*;q=0.8"),
    "jpeg": ("plain.jpg", "*/*"),
    "png": ("alpha.png", "*/*"),
}


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    with moto_server() as url:
        yield url


@pytest.fixture(scope="module")
def bucket(aws: str) -> Any:
    """Of originals and of variants."""
    s3 = boto3.resource(
        "s3",
        endpoint_url=aws,
        region_name=REGION,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    place = {"LocationConstraint": REGION}
    originals = s3.create_bucket(Bucket="originals", CreateBucketConfiguration=place)
    small = photograph((160, 120))
    for name in (*NAMES, QUESTION):
        originals.put_object(Key=name, Body=small)
    originals.put_object(Key="alpha.png", Body=encode(draw((160, 120), "RGBA"), "PNG"))
    originals.put_object(Key="camera.jpg", Body=photograph((4000, 3000)))
    noise = Image.frombytes("RGBA", (1366, 1366), random.Random(1).randbytes(1366 * 1366 * 4))
    originals.put_object(Key="noise.png", Body=encode(noise, "PNG", compress_level=0))
    originals.put_object(Key="notes.jpg", Body=b"not a picture")
    return s3.create_bucket(Bucket="variants", CreateBucketConfiguration=place)


@pytest.fixture(scope="module")
def web() -> Iterator[HostileServer]:
    """Holds originals too."""
    with hostile_server() as server:
        yield server


@pytest.fixture(scope="module")
def function(
    package: Path,
    aws: str,
    bucket: Any,
    web: HostileServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Function]:
    with Function(
        package=package,
        directory=tmp_path_factory.mktemp("function"),
        handler="resizer.contrib.zappa.handler.lambda_handler",
        variables={
            "AWS_ENDPOINT_URL": aws,
            "DJANGO_SECRET_KEY": "for tests only",
            "DJANGO_ALLOWED_HOSTS": ".amazonaws.com,.on.aws",
            "RESIZER_ORIGINALS_BUCKET": "originals",
            "RESIZER_VARIANTS_BUCKET": bucket.name,
            "RESIZER_FORMATS": "avif,webp",
            "RESIZER_OPEN": "default,web",
            "RESIZER_WEB_URL": f"{web.url}pictures/",
            "RESIZER_WEB_NETWORKS": "127.0.0.1/32",
        },
    ) as function:
        yield function


def fetch(
    function: Function,
    kind: str,
    path: str,
    *headers: tuple[str, str],
    method: str = "GET",
    query: str = "",
) -> Response:
    """Below the stage, where the kind has one."""
    request = Request(method=method, path=prefix(kind) + path, query=query, headers=headers)
    return parse_answer(method, function.call(write_event(kind, request)))


def prefix(kind: str) -> str:
    return f"/{STAGE}" if kind in {"rest", "http"} else ""


def path_of(kind: str, response: Response) -> str:
    """Of the key that a short URL stands for, below the stage."""
    return response["Content-Location"].removeprefix(prefix(kind))


def original_of(kind: str, response: Response) -> str | None:
    """The name in that key."""
    parsed = parse_key(path_of(kind, response).removeprefix("/img/"))
    return parsed.variant.name if parsed else None


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        *(("url", path) for path in PATHS),
        *((kind, quote(name)) for kind in OTHER_KINDS for name in HARDEST),
    ],
)
def test_path_names_the_original_that_it_spells(function: Function, kind: str, path: str) -> None:
    response = fetch(function, kind, f"/img/64/{path}")
    assert response.status == 200
    assert original_of(kind, response) == PATHS[path]


# An HTTP API cuts a path at a question mark that it has decoded itself.
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "http"])
def test_question_mark_in_a_name_is_no_query(function: Function, kind: str) -> None:
    response = fetch(function, kind, f"/img/64/{quote(QUESTION)}")
    assert original_of(kind, response) == QUESTION


@pytest.mark.parametrize(
    ("kind", "format"),
    [*(("url", format) for format in FORMATS), *((kind, "avif") for kind in OTHER_KINDS)],
)
def test_variant_is_answered_byte_for_byte_as_it_is_kept(
    function: Function, bucket: Any, kind: str, format: str
) -> None:
    name, accept = FORMATS[format]
    short = fetch(function, kind, f"/img/96/{name}", ("Accept", accept))
    assert short["Content-Type"] == f"image/{format}"
    # The object's key is the path of the address.
    kept = bucket.Object(path_of(kind, short).removeprefix("/")).get()
    content = kept["Body"].read()
    assert short.body == content
    assert kept["ContentType"] == f"image/{format}"
    by_key = fetch(function, kind, path_of(kind, short))
    assert by_key.body == content
    assert by_key["Cache-Control"] == "public, max-age=31536000, immutable"
    assert by_key["Content-Length"] == str(len(content))


def test_original_comes_from_the_web(function: Function, web: HostileServer) -> None:
    web.put("/pictures/cat.jpg", photograph((320, 240)))
    response = fetch(function, "url", "/img/96/_web/cat.jpg", ("Accept", "image/webp"))
    assert response["Content-Type"] == "image/webp"
    assert decode(response.body).size == (96, 72)


@pytest.mark.parametrize("kind", KINDS)
def test_head_has_the_headers_and_no_body(function: Function, kind: str) -> None:
    get, head = (
        fetch(function, kind, "/img/128/plain.jpg", method=method) for method in ("GET", "HEAD")
    )
    answer = json.loads(
        function.call(
            write_event(kind, Request(method="HEAD", path=f"{prefix(kind)}/img/128/plain.jpg"))
        )
    )
    assert not answer.get("body")
    assert (head.status, head.body) == (200, b"")
    assert head["Content-Length"] == str(len(get.body))
    assert head["Content-Type"] == get["Content-Type"] == "image/jpeg"
    assert head["ETag"] == get["ETag"]


@pytest.mark.parametrize("kind", KINDS)
def test_picture_that_the_browser_has_is_not_sent_again(function: Function, kind: str) -> None:
    first = fetch(function, kind, "/img/64/plain.jpg")
    again = fetch(function, kind, "/img/64/plain.jpg", ("If-None-Match", first["ETag"]))
    assert (again.status, again.body) == (304, b"")
    assert again["ETag"] == first["ETag"]
    assert "Content-Type" not in again


@pytest.mark.parametrize("kind", KINDS)
def test_redirect_stays_below_the_stage(function: Function, kind: str) -> None:
    response = fetch(function, kind, f"/img/65/{quote(NAMES[1])}")
    assert response.status == 302
    assert response["Location"] == f"{prefix(kind)}/img/96/{quote(NAMES[1])}"
    assert response.body == b""


@pytest.mark.parametrize(
    ("kind", "method", "path", "status"),
    [
        *((kind, "GET", "/img/64/missing.jpg", 404) for kind in KINDS),
        ("url", "GET", "/img/64/notes.jpg", 415),
        ("url", "GET", "/img/0/plain.jpg", 400),
        ("url", "GET", "/img/plain.jpg/00000000-AAAAAAAAAAAAAA/64.avif", 403),
        ("url", "POST", "/img/64/plain.jpg", 405),
        ("url", "GET", "/nothing", 404),
    ],
)
def test_error_is_short_and_plain(
    function: Function, kind: str, method: str, path: str, status: int
) -> None:
    response = fetch(function, kind, path, method=method)
    assert response.status == status
    assert len(response.body) < 1000
    assert b"Traceback" not in response.body


def test_original_of_twelve_megapixels_is_resized(function: Function) -> None:
    response = fetch(function, "url", "/img/1600/camera.jpg", ("Accept", "image/avif"))
    image = decode(response.body)
    assert image.size == (1600, 1200)
    assert difference(image, draw((1600, 1200))) < TOLERANCE


def test_log_holds_no_credentials(function: Function) -> None:
    fetch(function, "url", "/img/192/plain.jpg")
    fetch(function, "url", "/img/64/missing.jpg")
    assert "session-token" not in function.log
    assert "testing" not in function.log


def test_answer_too_large_for_lambda_leads_to_the_bucket(function: Function, bucket: Any) -> None:
    response = fetch(function, "url", "/img/1366/noise.png")
    assert response.status == 302
    assert response["Cache-Control"] == "private, no-store"
    assert response.body == b""
    with urllib.request.urlopen(response["Location"]) as answer:
        content = answer.read()
    assert len(content) > 4_500_000
    assert decode(content).size == (1366, 1366)
    kept = bucket.Object(address_in_bucket(response))
    assert kept.content_length == len(content)
    assert kept.cache_control == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("kind", KINDS)
def test_visitor_led_in_a_circle_is_told_so(function: Function, kind: str) -> None:
    path = address_in_bucket(fetch(function, kind, "/img/1366/noise.png"))
    assert fetch(function, kind, f"/{path}").status == 302
    # The query says that the visitor comes from such a redirect.
    assert fetch(function, kind, f"/{path}", query="led").status == 503


def address_in_bucket(response: Response) -> str:
    """The key of the object that a redirect leads to."""
    return unquote(urlsplit(response["Location"]).path).removeprefix("/variants/")
