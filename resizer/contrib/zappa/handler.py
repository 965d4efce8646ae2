"""The function's entry on AWS Lambda: Zappa's handler, corrected and closed.

This module reads path, query and IP address from the event again, and corrects the response. Zappa 0.63 has these faults:

- It decodes the path of an HTTP API twice, and encodes the query of a load balancer twice.
- It takes `/devices` for the stage `dev` and the path `/evices`.
- It believes any `X-Forwarded-For`.
- It sends cookies twice, and HEAD gets a body.
- It decodes text in other encodings than UTF-8, and fails without a Content-Type.

Security: Zappa runs any code and any function named in an event. Here, only HTTP requests pass, and the functions in
`events` of zappa_settings.json. Commands need the alias `commands`, which the operator makes and removes.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote_to_bytes

from zappa.handler import LambdaHandler

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

#: Responses without a body, and so without a type (RFC 9110 §15).
BODILESS = {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}
#: Stands for no type. Otherwise Zappa's werkzeug would invent one.
NO_TYPE = "application/x-none"
#: The function of Zappa's `keep_warm`.
KEEP_WARM = "handler.keep_warm_callback"
#: The events of `zappa invoke`, `zappa invoke --raw` and `zappa manage`.
COMMANDS = ("command", "raw_command", "manage")
#: Commands must name this alias. A permission to invoke the function does not cover its aliases.
ALIAS = "commands"


class Application:
    """WSGI middleware between Zappa and Django: corrects path, query, address and missing types."""

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
    """The function refuses an event."""


def refuse(event: Any, invoked_arn: str) -> None:
    """Raise EventRefused, unless the event is an HTTP request, is scheduled, or is a command by the alias.

    Keep the order of Zappa's own tests: the first match decides how Zappa handles an event.
    """
    if not isinstance(event, dict):
        raise EventRefused(f"Events are objects, not {type(event).__name__}.")
    if event.get("version") == "2.0" or event.get("httpMethod"):
        return
    # A WebSocket has a request context, too.
    if (event.get("requestContext") or {}).get("eventType"):
        raise EventRefused("This function handles HTTP requests, not WebSockets.")
    if event.get("detail-type") == "Scheduled Event":
        # The rule's name is PROJECT-STAGE-FUNCTION.
        function = event["resources"][0].rpartition("/")[2].rpartition("-")[2]
        if function not in (KEEP_WARM, *_event_functions()):
            raise EventRefused(
                f"{function} does not run by the clock: events in zappa_settings.json does not name it."
            )
        return
    if _is_known(event):
        return
    if not any(map(event.get, COMMANDS)):
        raise EventRefused("This function handles HTTP requests only.")
    # arn:aws:lambda:REGION:ACCOUNT:function:NAME, then the caller's alias or version, if any.
    if invoked_arn.split(":")[7:] != [ALIAS]:
        raise EventRefused(
            f"Commands come through the alias {ALIAS!r}: make it, then add --qualifier {ALIAS}."
        )


def _is_known(event: dict[str, Any]) -> bool:
    """Whether the event has records of SNS, SQS, S3 or a stream, for functions named in `events`."""
    if list(event) != ["Records"] or not event["Records"]:
        return False
    # An S3 event or a message of SNS can name any function.
    functions = _zappa.get_function_for_aws_event(event["Records"][0])
    return bool(functions) and set(functions) <= set(_event_functions())


def _event_functions() -> list[str]:
    """The packer writes them into the module of Zappa's settings."""
    functions: list[str] = getattr(_zappa.settings, "EVENT_FUNCTIONS", [])
    return functions


def read_path(event: dict[str, Any]) -> tuple[str, str]:
    """Return (prefix, path) as in WSGI: bytes as Latin-1. The prefix is the stage, or "" if URLs do not contain it."""
    context = event.get("requestContext") or {}
    # No prefix: your own domain, a Function URL, a load balancer.
    has_stage = ".execute-api." in (context.get("domainName") or "")
    stage = f"/{context.get('stage')}" if has_stage and context.get("stage") != "$default" else ""
    if event.get("version") != "2.0":
        return stage, _decode(event["path"])
    path = event["rawPath"]
    if ".lambda-url." in context.get("domainName", ""):
        return "", _decode(path)
    # An HTTP API decodes the path, and leaves the stage in it.
    return stage, _decode(quote(path.removeprefix(stage)))


def read_query(event: dict[str, Any], query: str) -> str:
    """The query string. `query` is Zappa's version."""
    if "elb" not in (event.get("requestContext") or {}):
        return query
    # A load balancer sends names and values encoded, and Zappa encodes them again.
    several = event.get("multiValueQueryStringParameters")
    if several is None:
        several = {
            name: [value] for name, value in (event.get("queryStringParameters") or {}).items()
        }
    return "&".join(f"{name}={value}" for name, values in several.items() for value in values)


def read_address(event: dict[str, Any], forwarded_for: str) -> str:
    """The client's IP address as seen by AWS. Only the last entry of X-Forwarded-For is not the client's own claim."""
    context = event.get("requestContext") or {}
    seen = context.get("http", {}).get("sourceIp") or context.get("identity", {}).get("sourceIp")
    return str(seen or forwarded_for.rpartition(",")[2].strip())


def correct(response: dict[str, Any], method: str) -> None:
    """Correct Zappa's response in place, for HTTP and AWS."""
    if "multiValueHeaders" in response:
        # The same headers again: AWS would count their bytes.
        response.pop("headers", None)
    is_bodiless = response["statusCode"] in BODILESS
    for name in ("headers", "multiValueHeaders"):
        headers = response.get(name, {})
        for header in [one for one in headers if one.lower() == "content-type"]:
            if is_bodiless or headers[header] in (NO_TYPE, [NO_TYPE]):
                del headers[header]
    if is_bodiless or method == "HEAD" or not response.get("body"):
        response["body"] = ""
        response["isBase64Encoded"] = False


def _decode(path: str) -> str:
    return unquote_to_bytes(path).decode("latin-1")


# Made once for each execution environment, before the first request.
_zappa = LambdaHandler()
_zappa.wsgi_app = Application(_zappa.wsgi_app.application)
# No type counts as text, so every body goes through base64 unchanged.
_zappa._text_mimetypes = ()


def lambda_handler(event: Any, context: Any) -> Any:
    refuse(event, getattr(context, "invoked_function_arn", ""))
    # Security: Zappa would make them environment variables of this process.
    event.pop("stageVariables", None)
    response = LambdaHandler.lambda_handler(event, context)
    if isinstance(response, dict) and "statusCode" in response:
        http = (event.get("requestContext") or {}).get("http", {})
        correct(response, event.get("httpMethod") or http.get("method", ""))
    return response
