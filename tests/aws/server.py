"""A local AWS: moto's server, and what it lacks without Docker. `python -m tests.aws.server -p PORT DIRECTORY`

Invoke                   runs the uploaded package under AWS's own runtime client; other accounts need a permission
Function URLs            answer under their own host names, to those whom a permission lets in
ListFunctionUrlConfigs   is there
GetFunction              takes `function:NAME:VERSION`, and points to code that can be fetched
AddPermission            answers 201, writes conditions as AWS does, and refuses a second statement of the same name
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import signal
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from moto.awslambda import urls
from moto.awslambda.models import (
    FunctionUrlConfig,
    LambdaBackend,
    LambdaFunction,
    lambda_backends,
)
from moto.awslambda.responses import LambdaResponse
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.logs.responses import LogsResponse
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from moto.ssm.responses import SimpleSystemManagerResponse
from werkzeug.serving import run_simple
from werkzeug.wrappers import Request as HTTPRequest
from werkzeug.wrappers import Response as HTTPResponse

from tests.aws import stacks
from tests.aws.events import Request, parse_answer, write_event
from tests.aws.runtime import REGION, Function, FunctionFailed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

#: Where the code of a function can be fetched.
CODE = "/function-code/"


class Functions:
    """What runs: the present code and settings of each function."""

    def __init__(self, directory: Path, endpoint: str) -> None:
        self.endpoint = endpoint
        self._directory = directory
        self._running: dict[str, tuple[str, Function]] = {}
        self._lock = threading.Lock()

    def call(
        self, model: LambdaFunction, payload: bytes, qualifier: str | None = None
    ) -> tuple[bytes, bool, str]:
        """The answer, whether the function has failed, and what was printed."""
        with self._lock:
            function = self._function(model)
        printed = len(function.log)
        try:
            answer, failed = function.call(payload, qualifier), False
        except FunctionFailed as failure:
            answer, failed = failure.payload, True
        log = function.log[printed:]
        model.logs_backend.ensure_log_group(model.logs_group_name)
        model.save_logs(log)
        return answer, failed, log

    def stop(self) -> None:
        for _, function in self._running.values():
            function.stop()

    def _function(self, model: LambdaFunction) -> Function:
        """Code or settings that have changed need another environment, as on Lambda."""
        settings = [model.code_sha_256, model.handler, model.timeout, model.environment_vars]
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
        known, function = self._running.get(model.function_name, ("", None))
        if function and known == digest:
            return function
        if function:
            function.stop()
        directory = Path(tempfile.mkdtemp(dir=self._directory))
        package = directory / "package.zip"
        package.write_bytes(model.code_bytes)
        function = Function(
            package=package,
            directory=directory,
            handler=str(model.handler),
            variables={**model.environment_vars, "AWS_ENDPOINT_URL": self.endpoint},
            timeout_seconds=model.timeout,
            memory_megabytes=model.memory_size,
            name=model.function_name,
        )
        self._running[model.function_name] = digest, function
        return function


def extend(functions: Functions) -> None:
    """Teach moto what it lacks."""

    def invoke(self: LambdaResponse) -> tuple[int, dict[str, str], bytes]:
        name = unquote(self.path.split("/")[-2])
        qualifier = self.querystring.get("Qualifier", [None])[0]
        caller = self.current_account
        owner = name.split(":")[4] if name.startswith("arn:") else caller
        model = lambda_backends[owner][self.region].get_function(name, qualifier)
        # Whoever is of the account has its administrator's rights here.
        if caller != owner and not is_permitted(model, "lambda:InvokeFunction", qualifier):
            refusal = {"Message": f"{caller} is not authorized to perform: lambda:InvokeFunction"}
            headers = {"x-amzn-errortype": "AccessDeniedException"}
            return 403, {**headers, "status": "403"}, json.dumps(refusal).encode()
        answer, failed, log = functions.call(model, self.body.encode(), qualifier)
        headers = {"x-amz-log-result": base64.b64encode(log.encode()).decode()}
        if failed:
            headers["x-amz-function-error"] = "Unhandled"
        return 200, headers, answer

    def get_code(self: LambdaFunction) -> dict[str, Any]:
        location = f"{functions.endpoint}{CODE}{self.code_sha_256}"
        return {**known_code(self), "Code": {"Location": location, "RepositoryType": "S3"}}

    def get_function(
        self: LambdaBackend, name: str, qualifier: str | None = None
    ) -> LambdaFunction:
        return known_function(self, name.removeprefix("function:"), qualifier)

    def list_function_url_configs(self: LambdaResponse) -> str:
        function = self.backend.get_function(unquote(self.path.split("/")[-2]))
        configs = [function.url_config.to_dict()] if function.url_config else []
        return json.dumps({"FunctionUrlConfigs": configs})

    def created_permission(self: LambdaResponse) -> tuple[int, dict[str, Any], str]:
        statement = json.loads(self.body)
        model = self.backend.get_function(unquote(self.path.split("/")[-2]))
        if any(one["Sid"] == statement["StatementId"] for one in model.policy.statements):
            headers = {"status": 409, "x-amzn-errortype": "ResourceConflictException"}
            return 409, headers, json.dumps({"Message": "The statement id is taken."})
        add_permission(self)
        made = model.policy.statements[-1]
        write_conditions(made)
        return 201, {"status": 201}, json.dumps({"Statement": json.dumps(made)})

    def log_group(self: LogsResponse) -> str:
        # As AWS names it where it refuses: `… on resource: arn:aws:logs:eu-west-1:…:log-group:NAME:log-stream:NAME`.
        group, stream = (self._get_param(f"log{one}Name", "") for one in ("Group", "Stream"))
        return f"arn:aws:logs:{REGION}:{DEFAULT_ACCOUNT_ID}:log-group:{group}:log-stream:{stream}"

    def parameters(self: SimpleSystemManagerResponse) -> str:
        names = (self._get_param("Path") or self._get_param("Name") or "").strip("/")
        return f"arn:aws:ssm:{REGION}:{DEFAULT_ACCOUNT_ID}:parameter/{names}"

    def update_url(self: FunctionUrlConfig, config: dict[str, Any]) -> None:
        update_known(self, config)
        # An empty one takes away what was there.
        if config.get("Cors") == {}:
            self.config.pop("Cors", None)

    known_code = LambdaFunction.get_code
    update_known = FunctionUrlConfig.update
    known_function = LambdaBackend.get_function
    add_permission = LambdaResponse.add_permission
    path = r"{0}/(?P<api_version>[^/]+)/functions/(?P<function_name>[\w_:%-]+)/urls/?$"
    urls.url_paths[path] = LambdaResponse.dispatch
    for owner, name, replacement in (
        (LambdaResponse, "invoke", invoke),
        (LambdaFunction, "get_code", get_code),
        (FunctionUrlConfig, "update", update_url),
        (LambdaBackend, "get_function", get_function),
        (LambdaResponse, "list_function_url_configs", list_function_url_configs),
        (LambdaResponse, "add_permission", created_permission),
        (LogsResponse, "_determine_resource", log_group),
        (SimpleSystemManagerResponse, "_determine_resource", parameters),
    ):
        setattr(owner, name, replacement)


def write_conditions(statement: dict[str, Any]) -> None:
    """Turn the parameters for Function URLs into the conditions that AWS makes of them."""
    conditions = statement.get("Condition", {})
    if auth_type := statement.pop("FunctionUrlAuthType", None):
        conditions["StringEquals"] = {"lambda:FunctionUrlAuthType": auth_type}
    if statement.pop("InvokedViaFunctionUrl", False):
        conditions["Bool"] = {"lambda:InvokedViaFunctionUrl": "true"}
    if conditions:
        statement["Condition"] = conditions


def is_permitted(
    model: LambdaFunction, action: str, qualifier: str | None = None, **facts: str
) -> bool:
    """Whether the function's own policy lets everybody do this, without more conditions than these facts meet."""
    place = f"{model.region}:{model.account_id}:function"
    name = ":".join(filter(None, ("arn:aws:lambda", place, model.function_name, qualifier)))
    for statement in model.policy.statements:
        conditions = statement.get("Condition", {}).values()
        if (
            (statement["Principal"], statement["Action"]) == ("*", action)
            and statement["Resource"] == name
            and all(
                facts.get(key.removeprefix("lambda:")) == value
                for one in conditions
                for key, value in one.items()
            )
        ):
            return True
    return False


class Front:
    """What is not the API of AWS: Function URLs, told by their host names, and the code of functions."""

    def __init__(self, functions: Functions) -> None:
        self._functions = functions
        self._api = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        host = environ["HTTP_HOST"]
        path = environ["PATH_INFO"]
        if host.endswith(f".lambda-url.{REGION}.on.aws"):
            return self._answer(host, HTTPRequest(environ))(environ, start)
        if path.startswith(CODE):
            sha = path.removeprefix(CODE)
            model = next(one for one in _models() if one.code_sha_256 == sha)
            return HTTPResponse(model.code_bytes)(environ, start)
        answer: Iterable[bytes] = self._api(environ, start)
        return answer

    def _answer(self, host: str, request: HTTPRequest) -> HTTPResponse:
        configs = (model.url_config for model in _models())
        config = next(one for one in configs if one and one.url == f"https://{host}")
        facts = {"FunctionUrlAuthType": config.config["AuthType"], "InvokedViaFunctionUrl": "true"}
        # Nobody signs requests here.
        if not all(
            is_permitted(config.function, f"lambda:{action}", **facts)
            for action in ("InvokeFunctionUrl", "InvokeFunction")
        ):
            return HTTPResponse('{"Message":"Forbidden"}', 403)
        path, _, query = request.environ["REQUEST_URI"].partition("?")
        event = write_event(
            "url",
            Request(
                method=request.method,
                path=path,
                query=query,
                headers=tuple(pair for pair in request.headers if pair[0] != "Host"),
                body=request.get_data(),
            ),
            host,
        )
        payload, failed, _ = self._functions.call(config.function, event)
        if failed:
            return HTTPResponse("Internal Server Error", 502)
        answer = parse_answer(request.method, payload)
        return HTTPResponse(answer.body, answer.status, list(answer.headers))


def _models() -> list[LambdaFunction]:
    functions = lambda_backends[DEFAULT_ACCOUNT_ID][REGION]._lambdas._functions.values()
    return [one for versions in functions for one in (versions["latest"], *versions["versions"])]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("-p", "--port", type=int, required=True)
    parser.add_argument("directory", type=Path)
    options = parser.parse_args()
    functions = Functions(options.directory, f"http://127.0.0.1:{options.port}")
    extend(functions)
    stacks.extend()
    # As a terminal does it, so that the functions are stopped as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        run_simple(
            "127.0.0.1",
            options.port,
            Front(functions),
            threaded=True,
            request_handler=MotoRequestHandler,
        )
    finally:
        functions.stop()


if __name__ == "__main__":
    main()
