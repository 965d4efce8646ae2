"""The function's entry, in this process: real events through Zappa's handler to the project, and its answers back."""

from __future__ import annotations

import base64
import importlib
import json
import logging
import os
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import pytest
from django.core.files.storage import storages
from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from django.urls import clear_script_prefix, path

from config.aws.package import SETTINGS
from config.urls import urlpatterns as project_urls
from resizer.contrib.zappa import schedule
from resizer.keys.variant import parse_key
from resizer.maintenance import purging
from tests.aws.events import ADDRESS, STAGE, Request, write_event
from tests.conftest import files, save
from tests.pictures import photograph
from tests.servers import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from django.http import HttpRequest
    from pytest_django import Settings

# Django looks after the connections of other tests at the beginning and the end of every request.
pytestmark = pytest.mark.django_db

DOMAIN = "img.example.com"
#: How a request comes: the kind of its event, the host where it is not AWS's own, the stage where it is another.
WAYS: dict[str, tuple[str, str | None, str | None]] = {
    "rest": ("rest", None, None),
    "rest behind a domain": ("rest", DOMAIN, None),
    "http": ("http", None, None),
    "http $default": ("http", None, "$default"),
    "http behind a domain": ("http", DOMAIN, None),
    "url": ("url", None, None),
    "alb": ("alb", None, None),
    "alb multi": ("alb_multi", None, None),
}
KINDS = tuple(WAYS)
#: Where the stage is a part of what visitors see.
STAGED = ("rest", "http")
#: Decoded twice, not at all, or taken for a stage, each of these names another original.
NAMES = (
    *("plain.jpg", "löwe/ä ö.jpg", "山/水.jpg", "a b.jpg", "a+b.jpg", "100%.jpg", "a%20b.jpg"),
    *("a%2Fb.jpg", "a%2520b.jpg", "it's (1) & co;x=1.jpg", "a#b.jpg", "dev/x.jpg", "devices/x.jpg"),
)


@pytest.fixture(scope="session")
def handler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The module, as the runtime of Lambda imports it."""
    directory = tmp_path_factory.mktemp("zappa")
    (directory / "zappa_settings.py").write_text(SETTINGS)
    environment, level = dict(os.environ), logging.getLogger().level
    sys.path.insert(0, str(directory))
    yield importlib.import_module("resizer.contrib.zappa.handler")
    sys.path.remove(str(directory))
    logging.getLogger().setLevel(level)
    os.environ.clear()
    os.environ.update(environment)


@pytest.fixture
def call(handler: Any, settings: Settings) -> Iterator[Callable[..., dict[str, Any]]]:
    """Send one request, and get what AWS gets, with the body as bytes and the headers by their lower-case names."""
    settings.ALLOWED_HOSTS = ["*"]
    settings.RESIZER = {"SOURCES": {"default": {"OPEN": True}}}

    def call(way: str, address: str, *, stage: str = STAGE, **request: Any) -> dict[str, Any]:
        kind, host, other_stage = WAYS[way]
        path = f"/{stage}{address}" if way in STAGED else address
        event = write_event(kind, Request(path=path, **request), host, stage=other_stage or stage)
        answer = handler.lambda_handler(json.loads(event), context())
        given = answer.get("multiValueHeaders") or {
            name: [value] for name, value in answer["headers"].items()
        }
        assert not ("multiValueHeaders" in answer and "headers" in answer)
        body = answer["body"]
        return {
            "status": answer["statusCode"],
            "headers": {name.lower(): values for name, values in given.items()},
            "cookies": answer.get("cookies", []),
            "body": base64.b64decode(body) if answer["isBase64Encoded"] else body.encode(),
        }

    yield call
    # Django keeps the last request's.
    clear_script_prefix()


@pytest.fixture
def urls(settings: Settings) -> None:
    """The project, and views that show what arrives and answer in odd ways."""
    settings.ROOT_URLCONF = __name__


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_path_is_decoded_once(call: Callable[..., dict[str, Any]], kind: str, name: str) -> None:
    save(name, photograph((64, 48)))
    answer = call(kind, f"/img/64/{quote(name)}")
    assert answer["status"] == 200
    (location,) = answer["headers"]["content-location"]
    parsed = parse_key(location.partition("/img/")[2])
    assert parsed
    assert parsed.variant.name == name


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stage", ["dev", "img", "im", "imgimg"])
def test_stage_is_shown_where_visitors_see_it_and_only_there(
    call: Callable[..., dict[str, Any]], kind: str, stage: str
) -> None:
    save("img/x.jpg", photograph((640, 480)))
    answer = call(kind, "/img/65/img/x.jpg", stage=stage)
    prefix = f"/{stage}" if kind in STAGED else ""
    assert answer["headers"]["location"] == [f"{prefix}/img/96/img/x.jpg"]


@pytest.mark.parametrize("kind", KINDS)
def test_root_is_the_page_at_the_root(
    call: Callable[..., dict[str, Any]], urls: None, kind: str
) -> None:
    assert call(kind, "/show")["body"].startswith(b"/show|")
    assert call(kind, "/")["body"] == b"root"


def test_path_that_begins_like_the_default_stage_is_kept(
    call: Callable[..., dict[str, Any]], urls: None
) -> None:
    body = call("url", "/%24default/show")["body"]
    assert body.startswith(b"/$default/show||")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "query", ["q=%C3%BC", "q=a%2Bb", "q=a%20b", "q=100%25", "q=%2525", "q=a%26b%3Dc", "%C3%A4=1"]
)
def test_query_is_decoded_once(
    call: Callable[..., dict[str, Any]], urls: None, kind: str, query: str
) -> None:
    expected = unquote(query)
    assert call(kind, "/show", query=query)["body"].decode().endswith(f"|{expected}")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "alb"])
def test_repeated_parameters_all_arrive(
    call: Callable[..., dict[str, Any]], urls: None, kind: str
) -> None:
    body = call(kind, "/show", query="a=1&a=2&b=%26")["body"].decode()
    assert body.endswith("|a=1&a=2&b=&")


@pytest.mark.parametrize("kind", KINDS)
def test_address_is_what_aws_saw_and_not_what_a_client_claims(
    call: Callable[..., dict[str, Any]], urls: None, kind: str
) -> None:
    claim = (("X-Forwarded-For", "6.6.6.6"),)
    assert f"|{ADDRESS}|".encode() in call(kind, "/show", headers=claim)["body"]


@pytest.mark.parametrize("kind", KINDS)
def test_body_that_is_sent_arrives_byte_for_byte(
    call: Callable[..., dict[str, Any]], urls: None, kind: str
) -> None:
    content = bytes(range(256))
    assert call(kind, "/echo", method="POST", body=content)["body"] == content


@pytest.mark.parametrize("kind", KINDS)
def test_head_has_no_body_and_the_length_of_get(
    call: Callable[..., dict[str, Any]], urls: None, kind: str
) -> None:
    save("x.jpg", photograph((64, 48)))
    for address in ("/img/64/x.jpg", "/latin-1", "/file"):
        get, head = call(kind, address), call(kind, address, method="HEAD")
        assert head["status"] == 200
        assert head["body"] == b""
        assert head["headers"]["content-length"] == [str(len(get["body"]))]
        assert head["headers"]["content-type"] == get["headers"]["content-type"]


@pytest.mark.parametrize("kind", KINDS)
def test_not_modified_has_neither_type_nor_body(
    call: Callable[..., dict[str, Any]], kind: str
) -> None:
    save("x.jpg", photograph((64, 48)))
    (etag,) = call(kind, "/img/64/x.jpg")["headers"]["etag"]
    answer = call(kind, "/img/64/x.jpg", headers=(("If-None-Match", etag),))
    assert (answer["status"], answer["body"]) == (304, b"")
    assert answer["headers"]["etag"] == [etag]
    assert "content-type" not in answer["headers"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("address", "content", "content_type"),
    [
        ("/latin-1", "schöne Grüße".encode("latin-1"), ["text/plain; charset=latin-1"]),
        ("/svg", "<svg/>".encode("utf-16"), ["image/svg+xml"]),
        ("/untyped", b"\xff\x00", None),
        ("/stream", b"onetwo", ["application/json"]),
        ("/empty", b"", None),
    ],
)
def test_body_is_answered_byte_for_byte(
    call: Callable[..., dict[str, Any]],
    urls: None,
    kind: str,
    address: str,
    content: bytes,
    content_type: list[str] | None,
) -> None:
    answer = call(kind, address)
    assert answer["body"] == content
    assert answer["headers"].get("content-type") == content_type


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "alb"])
def test_cookies_are_set_once(call: Callable[..., dict[str, Any]], urls: None, kind: str) -> None:
    answer = call(kind, "/cookies")
    cookies = answer["cookies"] or answer["headers"]["set-cookie"]
    assert sorted(cookie.strip() for cookie in cookies) == ["a=1; Path=/", "b=2; Path=/"]


@pytest.mark.parametrize("kind", KINDS)
def test_failure_of_a_view_is_a_plain_error(
    call: Callable[..., dict[str, Any]], urls: None, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = call(kind, "/fail")
    assert answer["status"] == 500
    assert b"secret" not in answer["body"]
    assert "ZeroDivisionError" in caplog.text


def test_admin_asks_for_a_password_below_the_stage(call: Callable[..., dict[str, Any]]) -> None:
    answer = call("rest", "/admin/")
    assert answer["headers"]["location"] == ["/dev/admin/login/?next=/dev/admin/"]


ARN = "arn:aws:lambda:eu-west-1:123456789012:function:resizer-dev"


def context(qualifier: str = "") -> SimpleNamespace:
    """What Lambda says of a call; the caller may have named a version or an alias."""
    return SimpleNamespace(invoked_function_arn=f"{ARN}:{qualifier}" if qualifier else ARN)


def test_command_runs_through_the_alias(handler: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert handler.lambda_handler({"manage": "check"}, context("commands")) == {}
    assert "no issues" in capsys.readouterr().out
    assert handler.lambda_handler({"command": "os.getcwd"}, context("commands")) == os.getcwd()
    handler.lambda_handler({"raw_command": "print(6 * 7)"}, context("commands"))
    assert "42" in capsys.readouterr().out


@pytest.mark.parametrize("qualifier", ["", "$LATEST", "3", "live", "Commands", "commands2"])
@pytest.mark.parametrize("command", ["command", "raw_command", "manage"])
def test_command_by_any_other_way_is_refused(handler: Any, command: str, qualifier: str) -> None:
    with pytest.raises(handler.EventRefused, match="Commands come through the alias 'commands'"):
        handler.lambda_handler({command: "nonsense"}, context(qualifier))


def test_functions_of_any_name_do_not_deceive(handler: Any) -> None:
    named = SimpleNamespace(invoked_function_arn="arn:aws:lambda:eu-west-1:1:function:commands")
    with pytest.raises(handler.EventRefused):
        handler.lambda_handler({"manage": "check"}, named)


#: What else Zappa runs functions for, and what is nothing at all.
OTHERS: dict[str, Any] = {
    "SNS": {"Records": [{"Sns": {"Message": '{"command": "os.getcwd"}', "TopicArn": "arn"}}]},
    "S3": {"Records": [{"s3": {"configurationId": "resizer-dev:os.getcwd"}}]},
    "SQS": {"Records": [{"eventSource": "aws:sqs", "eventSourceARN": "arn"}]},
    "Lex": {"bot": {"name": "bot"}, "currentIntent": {"name": "intent"}},
    "authorizer": {"type": "TOKEN", "authorizationToken": "allow"},
    "Cognito": {"triggerSource": "PreSignUp_SignUp"},
    "logs": {"awslogs": {"data": ""}},
    "WebSocket": {"requestContext": {"eventType": "CONNECT", "domainName": "a.example.com"}},
    "WebSocket command": {"requestContext": {"eventType": "CONNECT"}, "manage": "check"},
    "WebSocket schedule": {
        "requestContext": {"eventType": "MESSAGE"},
        "detail-type": "Scheduled Event",
        "resources": ["rule/resizer-dev-resizer.contrib.zappa.schedule.purge"],
    },
    "empty": {},
    "list": [],
    "text": "raw_command",
}


@pytest.mark.parametrize("qualifier", ["", "commands"])
@pytest.mark.parametrize("kind", OTHERS)
def test_other_events_are_refused(handler: Any, kind: str, qualifier: str) -> None:
    before = dict(os.environ)
    with pytest.raises(handler.EventRefused):
        handler.lambda_handler(OTHERS[kind], context(qualifier))
    assert dict(os.environ) == before


@pytest.mark.parametrize("kind", KINDS)
def test_http_request_that_names_a_command_is_a_request(
    handler: Any, call: Callable[..., dict[str, Any]], urls: None, kind: str
) -> None:
    name, host, stage = WAYS[kind]
    path = f"/{STAGE}/show" if kind in STAGED else "/show"
    event = json.loads(write_event(name, Request(path=path), host, stage=stage or STAGE))
    given = {**event, "raw_command": "1 / 0", "manage": "nonsense"}
    answer = handler.lambda_handler(given, context())
    assert base64.b64decode(answer["body"]).startswith(b"/show|")


def test_stage_variables_do_not_become_environment_variables(
    handler: Any, call: Callable[..., dict[str, Any]], urls: None
) -> None:
    event = json.loads(write_event("rest", Request(path=f"/{STAGE}/show")))
    event["stageVariables"] = {"DJANGO_SETTINGS_MODULE": "theirs"}
    assert handler.lambda_handler(event, context())["statusCode"] == 200
    assert os.environ["DJANGO_SETTINGS_MODULE"] != "theirs"


def scheduled(function: str) -> dict[str, Any]:
    rule = f"arn:aws:events:eu-west-1:123456789012:rule/resizer-dev-{function}"
    return {"detail-type": "Scheduled Event", "resources": [rule]}


def test_what_the_settings_schedule_is_allowed_and_nothing_else(handler: Any) -> None:
    stages = json.loads((ROOT / "zappa_settings.json").read_text())
    named = {one["function"] for stage in stages.values() for one in stage.get("events", ())}
    assert named == {schedule.PURGE}
    for function in ("os.getcwd", "resizer.contrib.zappa.schedule.other", "shutil.rmtree"):
        with pytest.raises(handler.EventRefused, match="does not run by the clock"):
            handler.lambda_handler(scheduled(function), context())


#: As AWS sends records to functions that `events` names, and to others.
RECORDS: dict[str, dict[str, Any]] = {
    "S3": {"s3": {"configurationId": "shop-dev:FUNCTION"}},
    "SNS command": {"Sns": {"Message": '{"command": "FUNCTION"}', "TopicArn": "arn:sns"}},
    "SNS": {"Sns": {"Message": "{}", "TopicArn": "arn:sns"}},
    "SQS": {"eventSource": "aws:sqs", "eventSourceARN": "arn:sqs"},
}


@pytest.mark.parametrize("kind", RECORDS)
def test_records_reach_functions_that_the_settings_name_and_no_others(
    handler: Any, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    def event(function: str) -> dict[str, Any]:
        mapping = {arn: [function] for arn in ("arn:sns", "arn:sqs")}
        monkeypatch.setattr(handler._zappa.settings, "AWS_EVENT_MAPPING", mapping)
        return {"Records": [json.loads(json.dumps(RECORDS[kind]).replace("FUNCTION", function))]}

    monkeypatch.setattr(handler._zappa.settings, "EVENT_FUNCTIONS", ["builtins.len"])
    with pytest.raises(handler.EventRefused):
        handler.lambda_handler(event("os.getcwd"), context())
    with pytest.raises(handler.EventRefused):
        handler.lambda_handler({"Records": []}, context())
    # It has one key.
    assert handler.lambda_handler(event("builtins.len"), context()) == 1


def test_call_that_keeps_the_function_warm_does_nothing(handler: Any) -> None:
    event = scheduled("handler.keep_warm_callback")
    assert handler.lambda_handler(event, context()) is None


class Context:
    """What AWS Lambda hands over beside the event."""

    invoked_function_arn = ARN

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(self._seconds * 1000)


@pytest.mark.django_db(transaction=True)
def test_schedule_removes_variants_that_no_url_leads_to(
    handler: Any, call: Callable[..., dict[str, Any]], variants: Path
) -> None:
    for name in ("gone.jpg", "stays.jpg"):
        save(name, photograph((64, 48)))
        assert call("url", f"/img/64/{name}")["status"] == 200
    storages["default"].delete("gone.jpg")
    handler.lambda_handler(scheduled("resizer.contrib.zappa.schedule.purge"), Context(seconds=60))
    (kept,) = files(variants)
    assert kept.startswith("stays.jpg/")


@pytest.mark.django_db(transaction=True)
def test_schedule_stops_in_time_and_goes_on_the_next_night(
    handler: Any,
    call: Callable[..., dict[str, Any]],
    variants: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(purging, "BATCH", 1)
    # So that nothing is left of the time when the first has been looked at.
    monkeypatch.setattr(schedule, "MINIMUM_SECONDS", 1e-9)
    for name in ("a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg"):
        save(name, photograph((64, 48)))
        assert call("url", f"/img/64/{name}")["status"] == 200
    for name in ("d.jpg", "e.jpg"):
        storages["default"].delete(name)
    nights = 0
    while [name for name in files(variants) if name[0] in "de"]:
        nights += 1
        assert nights < 10
        schedule.purge({}, Context(seconds=schedule.RESERVE_SECONDS))
    assert nights == 5
    assert [name[0] for name in files(variants)[1:]] == ["a", "b", "c"]


def show(request: HttpRequest, **_: str) -> HttpResponse:
    query = "&".join(
        f"{name}={value}" for name in request.GET for value in request.GET.getlist(name)
    )
    parts = (request.path_info, request.META["SCRIPT_NAME"], request.META["REMOTE_ADDR"], query)
    return HttpResponse("|".join(parts))


def cookies(request: HttpRequest) -> HttpResponse:
    response = HttpResponse()
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    return response


def untyped(request: HttpRequest) -> HttpResponse:
    response = HttpResponse(b"\xff\x00")
    del response.headers["Content-Type"]
    return response


def echo(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.body)


echo.csrf_exempt = True  # type: ignore[attr-defined]

urlpatterns = [
    path("", lambda request: HttpResponse("root")),
    path("show", show),
    path("$default/show", show),
    path("echo", echo),
    path("cookies", cookies),
    path("untyped", untyped),
    path("empty", lambda request: HttpResponse(status=204)),
    path("fail", lambda request: HttpResponse(f"secret {1 // 0}")),
    path(
        "latin-1",
        lambda request: HttpResponse("schöne Grüße", "text/plain; charset=latin-1"),
    ),
    path("svg", lambda request: HttpResponse("<svg/>".encode("utf-16"), "image/svg+xml")),
    path(
        "stream",
        lambda request: StreamingHttpResponse(["one", "two"], content_type="application/json"),
    ),
    path("file", lambda request: FileResponse(open(__file__, "rb"))),  # noqa: SIM115  # closed by the response
    *project_urls,
]
