"""What is said of stages in zappa_settings.json: by `check --deploy`, by resizer_doctor, and by Zappa's own commands."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from django.core.checks import run_checks

from resizer.contrib import zappa
from resizer.contrib.zappa.stages import HANDLER
from tests.servers import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django import Settings

#: As `zappa init` writes it, and no more.
TYPICAL = {
    "aws_region": "eu-west-1",
    "django_settings": "shop.settings",
    "profile_name": "default",
    "project_name": "shop",
    "runtime": "python3.13",
    "s3_bucket": "acme-deployments",
}
GOOD: dict[str, Any] = {
    **TYPICAL,
    "lambda_handler": HANDLER,
    "callbacks": {"zip": "resizer.contrib.zappa.pack", "post": "resizer.contrib.zappa.lock"},
    "exclude": ["*"],
    "use_precompiled_packages": False,
    "debug": False,
    "log_level": "WARNING",
    "attach_policy": "policy.json",
    "payload_compression": False,
}


def write(directory: Path, **stages: dict[str, Any]) -> None:
    (directory / "zappa_settings.json").write_text(json.dumps(stages))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found() -> list[str]:
    """The ids of warnings about the file."""
    messages = run_checks(tags=["resizer"], include_deployment_checks=True)
    return [str(one.id) for one in messages if "zappa_settings.json" in one.msg]


def test_project_without_zappa_is_not_warned(project: Path) -> None:
    assert found() == []


@pytest.mark.parametrize("text", ["", "[]", '{"dev": []}', '{"dev": {"extends": "none"}}', "5"])
def test_file_that_zappa_cannot_read_is_left_to_zappa(project: Path, text: str) -> None:
    (project / "zappa_settings.json").write_text(text)
    assert found() == []


def test_stage_as_zappa_init_writes_it_lacks_five_settings(project: Path) -> None:
    write(project, dev=TYPICAL)
    assert found() == [f"resizer.W0{number}" for number in (41, 42, 43, 45, 46)]


def test_stage_with_all_settings_is_fine(project: Path) -> None:
    write(project, dev=GOOD)
    assert found() == []


def test_package_has_no_such_file_to_check(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(project, dev=TYPICAL)
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "shop-dev")
    assert found() == []


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"debug": True}, "resizer.W041"),
        ({"log_level": "DEBUG"}, "resizer.W041"),
        ({"lambda_handler": "handler.lambda_handler"}, "resizer.W042"),
        ({"attach_policy": None}, "resizer.W043"),
        ({"function_url_enabled": True, "callbacks": {"zip": "a.b"}}, "resizer.W044"),
        ({"callbacks": {}}, "resizer.W045"),
        ({"callbacks": None}, "resizer.W045"),
        ({"exclude": ["tests"]}, "resizer.W045"),
        ({"use_precompiled_packages": True}, "resizer.W045"),
        ({"payload_compression": True}, "resizer.W046"),
        ({"environment_variables": {"DJANGO_SECRET_KEY": "x"}}, "resizer.W048"),
    ],
)
def test_dangerous_setting_is_warned_of(project: Path, changes: dict[str, Any], check: str) -> None:
    write(project, dev=GOOD, production={"extends": "dev", **changes})
    assert found() == [check]


@pytest.mark.parametrize(
    "changes",
    [
        {"attach_policy": None, "manage_roles": False},
        {"function_url_enabled": True, "function_url_config": None},
        {"environment_variables": None},
        {
            "function_url_enabled": True,
            "function_url_config": {"authorizer": "AWS_IAM"},
            "callbacks": {"zip": "a.b"},
        },
        {"payload_compression": True, "apigateway_version": "v2"},
        {"payload_compression": True, "apigateway_enabled": False},
        {"environment_variables": {"LANGUAGE": "de"}},
    ],
)
def test_setting_that_harms_nobody_is_not_warned_of(project: Path, changes: dict[str, Any]) -> None:
    write(project, dev={**GOOD, **changes})
    assert found() == []


def test_stage_in_urls_of_a_cdn_is_warned_of(project: Path, settings: Settings) -> None:
    settings.RESIZER = {"HOST": "https://img.example.com"}
    write(project, dev=GOOD)
    assert found() == ["resizer.W047"]
    settings.FORCE_SCRIPT_NAME = ""
    assert found() == []


@pytest.mark.parametrize("changes", [{"domain": "img.example.com"}, {"apigateway_enabled": False}])
def test_stage_that_is_in_no_url_is_fine(
    project: Path, settings: Settings, changes: dict[str, Any]
) -> None:
    settings.RESIZER = {"HOST": "https://img.example.com"}
    write(project, dev={**GOOD, **changes})
    assert found() == []


def test_stages_of_this_project_have_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert found() == []


def report(stage: dict[str, Any]) -> None:
    zappa.check(SimpleNamespace(stage_config=stage, api_stage="dev"))


def test_callback_says_what_is_missing_and_lets_the_deployment_go_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report(TYPICAL)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert all(line.startswith("! The stage dev in zappa_settings.json ") for line in lines)
    report(GOOD)
    assert capsys.readouterr().out == ""


def test_callback_stops_a_stage_whose_package_it_cannot_fill() -> None:
    with pytest.raises(SystemExit, match="has slim_handler: set it to false"):
        report({**GOOD, "slim_handler": True})
