"""HTTP as AWS hands it to a function: requests to events, and answers back.

    kind            what it is                            path and query in the event
    rest            API Gateway, REST API (v1)            as sent; values of the query decoded, by name
    http            API Gateway, HTTP API (v2)            path decoded, cut at a decoded "?"; query as sent
    url             Function URL (v2)                     both as sent
    alb             load balancer                         both as sent, by name; of repeated names the last
    alb_multi       load balancer, multi-value headers    both as sent, by name

https://docs.aws.amazon.com/lambda/latest/dg/services-apigateway.html#apigateway-example-event
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

#: The stage of API Gateway: it goes before every path on AWS's own host name.
STAGE = "dev"
ADDRESS = "203.0.113.7"
HOSTS = {
    "rest": "a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com",
    "http": "f6g7h8i9j0.execute-api.eu-west-1.amazonaws.com",
    "url": "k1l2m3n4o5p6q7r8s9t0.lambda-url.eu-west-1.on.aws",
    "alb": "pictures-123456789.eu-west-1.elb.amazonaws.com",
    "alb_multi": "pictures-987654321.eu-west-1.elb.amazonaws.com",
}


@dataclass(frozen=True, kw_only=True)
class Request:
    method: str = "GET"
    #: As it is sent: percent-encoded, with the stage where the kind has one.
    path: str = "/"
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Names and values of the query, as they are sent."""
        parts = (part.partition("=") for part in self.query.split("&") if part)
        return [(name, value) for name, _, value in parts]


@dataclass(frozen=True, kw_only=True)
class Response:
    status: int
    #: Names in lower case.
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def __getitem__(self, name: str) -> str:
        (value,) = self.all(name)
        return value

    def __contains__(self, name: str) -> bool:
        return bool(self.all(name))

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name.lower()]


def write_event(
    kind: str, request: Request, host: str | None = None, *, stage: str = STAGE
) -> bytes:
    """The event of a request to the host, AWS's own by default."""
    forwarded = "X-Forwarded-For"
    claimed = [value for name, value in request.headers if name == forwarded]
    headers = (
        ("Host", host or HOSTS[kind]),
        # AWS adds what it has seen to what a client claims.
        (forwarded, ", ".join([*claimed, ADDRESS])),
        ("X-Forwarded-Port", "443"),
        ("X-Forwarded-Proto", "https"),
        *(header for header in request.headers if header[0] != forwarded),
    )
    event = WRITERS[kind](request, headers, stage)
    event["body"] = base64.b64encode(request.body).decode() if request.body else None
    event["isBase64Encoded"] = bool(request.body)
    return json.dumps(event).encode()


def parse_answer(method: str, payload: bytes) -> Response:
    """What a client gets for what a function returns."""
    answer = json.loads(payload)
    # In the multi-value form a header may come both ways; API Gateway then sends every value once.
    headers = {name.lower(): [value] for name, value in (answer.get("headers") or {}).items()}
    for name, values in (answer.get("multiValueHeaders") or {}).items():
        headers[name.lower()] = list(dict.fromkeys([*headers.get(name.lower(), []), *values]))
    if answer.get("cookies"):
        headers["set-cookie"] = answer["cookies"]
    body = answer.get("body") or ""
    content = (
        base64.b64decode(body, validate=True) if answer.get("isBase64Encoded") else body.encode()
    )
    return Response(
        status=int(answer["statusCode"]),
        headers=tuple((name, str(value)) for name in headers for value in headers[name]),
        body=b"" if method == "HEAD" else content,
    )


def _rest(request: Request, headers: Headers, stage: str) -> dict[str, Any]:
    path = request.path
    if ".execute-api." in dict(headers)["Host"]:
        path = path.removeprefix(f"/{stage}")
    pairs = [(unquote(name), unquote(value)) for name, value in request.pairs]
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": request.method,
        "headers": dict(headers),
        "multiValueHeaders": _grouped(headers),
        "queryStringParameters": dict(pairs) or None,
        "multiValueQueryStringParameters": _grouped(pairs) or None,
        "pathParameters": {"proxy": path.removeprefix("/")},
        "stageVariables": None,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": dict(headers)["Host"].partition(".")[0],
            "domainName": dict(headers)["Host"],
            "httpMethod": request.method,
            "identity": {"sourceIp": ADDRESS, "userAgent": "test"},
            "path": request.path,
            "protocol": "HTTP/1.1",
            "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
            "resourcePath": "/{proxy+}",
            "stage": stage,
        },
    }


def _http(request: Request, headers: Headers, stage: str) -> dict[str, Any]:
    path = unquote(request.path).partition("?")[0]
    return _version_2(request, headers, path, stage=stage)


def _url(request: Request, headers: Headers, _stage: str) -> dict[str, Any]:
    return _version_2(request, headers, request.path, stage="$default")


def _version_2(request: Request, headers: Headers, path: str, *, stage: str) -> dict[str, Any]:
    cookies = [value for name, value in headers if name.lower() == "cookie"]
    joined = _grouped((name.lower(), value) for name, value in headers if name.lower() != "cookie")
    pairs = _grouped((unquote(name), unquote(value)) for name, value in request.pairs)
    host = joined["host"][0]
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": request.query,
        **({"cookies": "; ".join(cookies).split("; ")} if cookies else {}),
        "headers": {name: ",".join(values) for name, values in joined.items()},
        **({"queryStringParameters": {n: ",".join(v) for n, v in pairs.items()}} if pairs else {}),
        "requestContext": {
            "accountId": "123456789012",
            "apiId": host.partition(".")[0],
            "domainName": host,
            "domainPrefix": host.partition(".")[0],
            "http": {
                "method": request.method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": ADDRESS,
                "userAgent": "test",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": "$default",
            "stage": stage,
            "time": "22/Nov/2026:12:00:00 +0000",
            "timeEpoch": 1795348800000,
        },
    }


def _alb(request: Request, headers: Headers, _stage: str) -> dict[str, Any]:
    return {
        **_load_balancer(request),
        "headers": {name.lower(): value for name, value in headers},
        "queryStringParameters": dict(request.pairs),
    }


def _alb_multi(request: Request, headers: Headers, _stage: str) -> dict[str, Any]:
    return {
        **_load_balancer(request),
        "multiValueHeaders": _grouped((name.lower(), value) for name, value in headers),
        "multiValueQueryStringParameters": _grouped(request.pairs),
    }


def _load_balancer(request: Request) -> dict[str, Any]:
    target = (
        "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/pictures/6d0ecf831eec9f09"
    )
    return {
        "requestContext": {"elb": {"targetGroupArn": target}},
        "httpMethod": request.method,
        "path": request.path,
    }


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for name, value in pairs:
        grouped.setdefault(name, []).append(value)
    return grouped


if TYPE_CHECKING:
    Headers = tuple[tuple[str, str], ...]

WRITERS: Mapping[str, Callable[[Request, Headers, str], dict[str, Any]]] = {
    "rest": _rest,
    "http": _http,
    "url": _url,
    "alb": _alb,
    "alb_multi": _alb_multi,
}
KINDS = tuple(WRITERS)
