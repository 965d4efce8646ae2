"""The function's entry on AWS Lambda: Zappa's handler, corrected and closed.

Zappa 0.63 decodes the path of an HTTP API twice, takes `/devices` for the stage `dev` and `/evices`, encodes queries
of a load balancer twice, sends cookies twice, decodes text that is not UTF-8, needs a Content-Type, answers HEAD with
a body, and believes any X-Forwarded-For. So what a request asks for is read from the event again, here.

Zappa also runs any code and any function that an event names. So only HTTP requests and the functions in `SCHEDULED`
pass; commands pass when the caller names the alias `commands`, which an operator makes and removes (docs/lambda.md).
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote_to_bytes

from zappa.handler import LambdaHandler

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

#: These have no body, and so none of a type (RFC 9110 §15).
BODILESS = {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}
#: werkzeug, which Zappa reads answers with, invents a type for what has none.
NO_TYPE = "application/x-none"
#: What runs by the clock: `events` in zappa_settings.json, and what Zappa's `keep_warm` calls.
SCHEDULED = {"config.aws.schedule.purge", "handler.keep_warm_callback"}
#: The events of `zappa invoke`, `zappa invoke --raw` and `zappa manage`.
COMMANDS = ("command", "raw_command", "manage")
#: They must name this alias. A permission to invoke the function does not cover its aliases.
ALIAS = "commands"


class Application:
    """Between Zappa and Django."""

    def __init__(self, django: WSGIApplication) -> None:
        self.django = django

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        event = environ["lambda.event"]
        environ["SCRIPT_NAME"], environ["PATH_INFO"] = read_path(event)
        environ["QUERY_STRING"] = read_query(event, environ["QUERY_STRING"])
        environ["REMOTE_ADDR"] = read_address(event, environ.get("HTTP_X_FORWARDED_FOR", ""))

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            if not any(name.lower() == "content-type" for name, _ in headers):
                headers = [*headers, ("Content-Type", NO_TYPE)]
            return start_response(status, headers, exc_info)

        return self.django(environ, start)


class EventRefused(Exception):
    """The function does not do what the event asks for."""


def refuse(event: Any, invoked_arn: str) -> None:
    """Raises EventRefused, unless the event is an HTTP request, is scheduled, or is a command that comes by the alias.

    The order is Zappa's: the first test that an event passes decides what Zappa does with it.
    """
    if not isinstance(event, dict):
        raise EventRefused(f"Events are objects, not {type(event).__name__}.")
    if event.get("version") == "2.0" or event.get("httpMethod"):
        return
    # A WebSocket has a request context, too.
    if (event.get("requestContext") or {}).get("eventType"):
        raise EventRefused("This function answers HTTP requests, not WebSockets.")
    if event.get("detail-type") == "Scheduled Event":
        # Of a rule named PROJECT-STAGE-FUNCTION.
        function = event["resources"][0].rpartition("/")[2].rpartition("-")[2]
        if function not in SCHEDULED:
            raise EventRefused(f"{function} does not run by the clock: SCHEDULED does not name it.")
        return
    if not any(map(event.get, COMMANDS)):
        raise EventRefused("This function answers HTTP requests only.")
    # arn:aws:lambda:REGION:ACCOUNT:function:NAME, then the alias or the version that the caller has named.
    if invoked_arn.split(":")[7:] != [ALIAS]:
        raise EventRefused(
            f"Commands come through the alias {ALIAS!r}: make it, then add --qualifier {ALIAS}."
        )


def read_path(event: dict[str, Any]) -> tuple[str, str]:
    """The stage as a prefix, "" where visitors do not see it, and the path below it: bytes as Latin-1, as WSGI has them."""
    context = event.get("requestContext") or {}
    # Under a domain of one's own, at a Function URL and behind a load balancer there is no prefix.
    has_stage = ".execute-api." in (context.get("domainName") or "")
    stage = f"/{context.get('stage')}" if has_stage and context.get("stage") != "$default" else ""
    if event.get("version") != "2.0":
        return stage, _decode(event["path"])
    path = event["rawPath"]
    if ".lambda-url." in context.get("domainName", ""):
        return "", _decode(path)
    # An HTTP API has decoded the path, and left the stage in it.
    return stage, _decode(quote(path.removeprefix(stage)))


def read_query(event: dict[str, Any], query: str) -> str:
    """The query string; `query` is what Zappa has made of it."""
    if "elb" not in (event.get("requestContext") or {}):
        return query
    # A load balancer leaves names and values encoded.
    several = event.get("multiValueQueryStringParameters")
    if several is None:
        several = {
            name: [value] for name, value in (event.get("queryStringParameters") or {}).items()
        }
    return "&".join(f"{name}={value}" for name, values in several.items() for value in values)


def read_address(event: dict[str, Any], forwarded_for: str) -> str:
    """The address that AWS has seen; all but the last of X-Forwarded-For is what a client claims."""
    context = event.get("requestContext") or {}
    seen = context.get("http", {}).get("sourceIp") or context.get("identity", {}).get("sourceIp")
    return str(seen or forwarded_for.rpartition(",")[2].strip())


def correct(answer: dict[str, Any], method: str) -> None:
    """Make Zappa's answer what HTTP and AWS expect, in place."""
    if "multiValueHeaders" in answer:
        # The same once more, of which AWS would count every byte.
        answer.pop("headers", None)
    is_bodiless = answer["statusCode"] in BODILESS
    for name in ("headers", "multiValueHeaders"):
        headers = answer.get(name, {})
        for header in [one for one in headers if one.lower() == "content-type"]:
            if is_bodiless or headers[header] in (NO_TYPE, [NO_TYPE]):
                del headers[header]
    if is_bodiless or method == "HEAD" or not answer.get("body"):
        answer["body"] = ""
        answer["isBase64Encoded"] = False


def _decode(path: str) -> str:
    return unquote_to_bytes(path).decode("latin-1")


# One for each execution environment, made before the first request comes.
_zappa = LambdaHandler()
_zappa.wsgi_app = Application(_zappa.wsgi_app.application)
# So nothing is text to it, and every body goes through base64 as it is.
_zappa._text_mimetypes = ()


def lambda_handler(event: Any, context: Any) -> Any:
    refuse(event, getattr(context, "invoked_function_arn", ""))
    # Zappa would make them environment variables of this process.
    event.pop("stageVariables", None)
    answer = LambdaHandler.lambda_handler(event, context)
    if isinstance(answer, dict) and "statusCode" in answer:
        http = (event.get("requestContext") or {}).get("http", {})
        correct(answer, event.get("httpMethod") or http.get("method", ""))
    return answer
