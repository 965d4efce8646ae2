"""What happens before and after a deployment: stages that could not run stop, and nobody calls the function directly."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from config.aws.deployment import PLACEHOLDER, check_stage
from tests.servers import ROOT


def stage(name: str, **changes: Any) -> SimpleNamespace:
    """What Zappa hands to a callback, of a stage whose placeholders have been replaced by names."""
    text = (ROOT / "zappa_settings.json").read_text().replace(PLACEHOLDER, "my")
    stages = json.loads(text)
    settings: dict[str, Any] = {}
    while name:
        settings = stages[name] | settings
        name = stages[name].get("extends", "")
    settings |= changes
    function = f"{settings['project_name']}-dev"
    return SimpleNamespace(stage_config=settings, api_stage="dev", lambda_name=function)


@pytest.fixture
def policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The role's policy, with names in the place of placeholders, where the stages look for it."""
    text = (ROOT / "config" / "aws" / "policies" / "execution.json").read_text()
    policy = tmp_path / "config" / "aws" / "policies" / "execution.json"
    policy.parent.mkdir(parents=True)
    policy.write_text(text.replace(PLACEHOLDER, "my"))
    monkeypatch.chdir(tmp_path)
    return policy


def test_stage_with_placeholders_stops_before_anything_is_made() -> None:
    untouched = SimpleNamespace(
        stage_config=json.loads((ROOT / "zappa_settings.json").read_text())["dev"],
        api_stage="dev",
        lambda_name="resizer-dev",
    )
    with pytest.raises(SystemExit, match=r"^The stage dev in \S+ still says change-me: "):
        check_stage(untouched)


def test_bucket_that_the_policy_does_not_name_stops_too(policy: Path) -> None:
    policy.write_text(policy.read_text().replace("my-", "your-"))
    words = r"has RESIZER_ORIGINALS_BUCKET my-originals: allow it in config/aws/policies/execution\.json"
    with pytest.raises(SystemExit, match=words):
        check_stage(stage("dev"))


@pytest.mark.parametrize(
    ("package", "words"),
    [
        ({"engine": "vips"}, "has engine in package: its keys are engines and postgresql."),
        (
            {"postgresql": False},
            "has a PostgreSQL database: set postgresql in package to true.",
        ),
    ],
)
def test_stage_that_could_not_run_stops_too(package: dict[str, Any], words: str) -> None:
    variables = {
        "DATABASE_URL": "postgresql://user:password@host/name",
        "DJANGO_ALLOWED_HOSTS": "*",
    }
    broken = stage("dev", aws_environment_variables=variables, attach_policy="", package=package)
    with pytest.raises(SystemExit) as stopped:
        check_stage(broken)
    assert stopped.value.code == f"The stage dev in zappa_settings.json {words}"


@pytest.mark.parametrize("name", ["dev", "arm", "rest", "http", "production"])
def test_stages_can_run_as_they_are(policy: Path, name: str) -> None:
    check_stage(stage(name))


def test_function_of_another_name_needs_a_log_of_that_name(policy: Path) -> None:
    shop = stage("dev", project_name="shop")
    words = (
        "The stage dev in zappa_settings.json makes the function shop-dev: allow logs:CreateLogGroup"
        " on its log /aws/lambda/shop-dev in config/aws/policies/execution.json as well."
    )
    with pytest.raises(SystemExit) as stopped:
        check_stage(shop)
    assert stopped.value.code == words
    policy.write_text(policy.read_text().replace("/resizer-*", "/shop-*"))
    check_stage(shop)


@pytest.mark.parametrize("sid", ["WriteLog", "MakeLogGroup"])
def test_log_that_cannot_be_written_stops_too(policy: Path, sid: str) -> None:
    document = json.loads(policy.read_text())
    document["Statement"] = [one for one in document["Statement"] if one["Sid"] != sid]
    policy.write_text(json.dumps(document))
    with pytest.raises(SystemExit, match=r"allow logs:\w+ on its log /aws/lambda/resizer-dev in"):
        check_stage(stage("dev"))


@pytest.mark.parametrize(
    ("name", "host"),
    [
        ("dev", ".lambda-url.us-east-1.on.aws"),
        ("production", ".lambda-url.us-east-1.on.aws"),
        ("rest", ".execute-api.us-east-1.amazonaws.com"),
        ("http", ".execute-api.us-east-1.amazonaws.com"),
    ],
)
def test_hosts_of_another_region_stop_too(policy: Path, name: str, host: str) -> None:
    moved = stage(name, aws_region="us-east-1")
    with pytest.raises(SystemExit) as stopped:
        check_stage(moved)
    assert stopped.value.code == (
        f"The stage dev in zappa_settings.json is in us-east-1: its DJANGO_ALLOWED_HOSTS needs {host}."
    )
    variables = moved.stage_config["aws_environment_variables"]
    for allowed in (host, f"img.example.com,abcdefghij{host}", host[host.index(".", 1) :], "*"):
        variables["DJANGO_ALLOWED_HOSTS"] = allowed
        check_stage(moved)


def test_stage_without_a_region_stops_too(policy: Path) -> None:
    with pytest.raises(SystemExit, match=r"has no aws_region: name the region"):
        check_stage(stage("dev", aws_region=None))


def test_api_behind_a_domain_of_its_own_needs_no_host_of_aws(policy: Path) -> None:
    check_stage(stage("rest", aws_region="us-east-1", domain="img.example.com"))


@pytest.mark.parametrize("name", ["dev", "arm", "rest", "http", "production"])
def test_every_stage_is_quiet_and_runs_what_the_package_holds(name: str) -> None:
    settings = stage(name).stage_config
    assert settings["debug"] is False
    assert settings["log_level"] == "WARNING"
    assert settings["runtime"] == "python3.13"
    assert settings["architecture"] == ("arm64" if name == "arm" else "x86_64")
    # Nothing of Zappa's own packaging, which takes what the machine has.
    assert (settings["exclude"], settings["use_precompiled_packages"]) == (["*"], False)
    functions = [
        settings["lambda_handler"],
        *settings["callbacks"].values(),
        *(event["function"] for event in settings["events"]),
    ]
    for function in functions:
        module, _, attribute = function.rpartition(".")
        found = importlib.util.find_spec(module)
        assert found is not None
        assert found.origin
        assert f"\ndef {attribute}(" in Path(found.origin).read_text()
    settings_file = (ROOT / "config" / "settings.py").read_text()
    for variable in settings["aws_environment_variables"]:
        assert f"    {variable}  " in settings_file


@pytest.mark.parametrize("name", ["dev", "arm", "rest", "http", "production"])
def test_no_stage_opens_originals_or_answers_scripts_of_other_sites(name: str) -> None:
    settings = stage(name).stage_config
    assert settings["aws_environment_variables"]["RESIZER_OPEN"] == ""
    # Zappa's own default is "*".
    assert settings["function_url_config"]["cors"] is None
    assert not settings.get("cors")
