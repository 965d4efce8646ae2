"""The local Lambda keeps Lambda's rules; else what is proven with it would prove nothing."""

from __future__ import annotations

import contextlib
import json
import zipfile
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.aws.runtime import MAX_PAYLOAD_BYTES, Function, FunctionFailed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.function

CODE = """
import os, sys, time

calls = 0

def answer(event, context):
    global calls
    calls += 1
    match event:
        case {"bytes": count}:
            return "x" * count
        case str() if len(event) > 100:
            return len(event)
        case {"write": name}:
            open(name, "w").close()
        case {"import": name}:
            return __import__(name).__file__
        case {"exit": status}:
            os._exit(status)
        case "sleep":
            time.sleep(60)
        case "variables":
            return dict(os.environ)
        case "context":
            return [context.function_name, context.get_remaining_time_in_millis()]
    print("called", event)
    return {"event": event, "calls": calls}
"""


@contextlib.contextmanager
def running(directory: Path, code: str, **options: Any) -> Iterator[Function]:
    package = directory / "package.zip"
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("module.py", code)
    with Function(
        package=package, directory=directory, handler="module.answer", **options
    ) as function:
        yield function


@pytest.fixture
def function(tmp_path: Path) -> Iterator[Function]:
    with running(tmp_path, CODE, variables={"COLOUR": "red"}) as function:
        yield function


def call(function: Function, event: object) -> Any:
    return json.loads(function.call(json.dumps(event).encode()))


def test_environment_is_kept_between_calls(function: Function) -> None:
    assert call(function, {"name": "é"}) == {"event": {"name": "é"}, "calls": 1}
    assert call(function, []) == {"event": [], "calls": 2}
    assert "called {'name': 'é'}" in function.log
    assert call(function, "context") == ["function", pytest.approx(29_000, abs=29_000)]


def test_exception_is_told_and_the_environment_stays(function: Function) -> None:
    call(function, None)
    with pytest.raises(FunctionFailed, match="No module named 'nonsense'") as caught:
        call(function, {"import": "nonsense"})
    assert caught.value.type == "ModuleNotFoundError"
    assert call(function, None)["calls"] == 3


def test_six_megabytes_are_let_out_and_not_a_byte_more(function: Function) -> None:
    quotes = 2
    longest = call(function, {"bytes": MAX_PAYLOAD_BYTES - quotes})
    assert len(longest) == 6_291_554
    with pytest.raises(FunctionFailed, match="ResponseSizeTooLarge"):
        call(function, {"bytes": MAX_PAYLOAD_BYTES - quotes + 1})
    # The runtime client does not survive it.
    assert call(function, None)["calls"] == 1


def test_six_megabytes_are_let_in_and_not_a_byte_more(function: Function) -> None:
    quotes = 2
    longest = MAX_PAYLOAD_BYTES - quotes
    assert call(function, "x" * longest) == longest
    with pytest.raises(FunctionFailed, match="RequestEntityTooLarge"):
        call(function, "x" * (longest + 1))


def test_function_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    with running(tmp_path, CODE, timeout_seconds=0.2) as function:
        with pytest.raises(FunctionFailed, match=r"Task timed out after 0\.20 seconds"):
            call(function, "sleep")
        assert not function.environments[0].is_alive


def test_process_that_ends_is_followed_by_another(function: Function) -> None:
    with pytest.raises(FunctionFailed, match="Runtime exited with status 3"):
        call(function, {"exit": 3})
    assert call(function, None)["calls"] == 1
    assert len(function.environments) == 2


def test_package_that_cannot_be_imported_is_an_error_of_each_call(tmp_path: Path) -> None:
    with running(tmp_path, "import nonsense") as function:
        for _ in range(2):
            with pytest.raises(FunctionFailed, match="No module named 'nonsense'") as caught:
                call(function, None)
            assert caught.value.type == "Runtime.ImportModuleError"


def test_one_event_at_a_time(function: Function) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: call(function, None), range(8)))
    assert sorted(answer["calls"] for answer in answers) == list(range(1, 9))
    assert len(function.environments) == 1


def test_package_is_read_only(function: Function) -> None:
    with pytest.raises(FunctionFailed, match="Permission denied"):
        call(function, {"write": "scratch"})


def test_function_sees_nothing_of_this_machine(function: Function) -> None:
    with pytest.raises(FunctionFailed, match="No module named 'django'"):
        call(function, {"import": "django"})
    assert "/runtime/boto3/" in call(function, {"import": "boto3"})
    variables = call(function, "variables")
    assert variables["COLOUR"] == "red"
    assert variables["AWS_LAMBDA_FUNCTION_NAME"] == "function"
    assert not {"HOME", "VIRTUAL_ENV", "DJANGO_SECRET_KEY", "PYTEST_CURRENT_TEST"} & set(variables)
