"""What happens before and after a deployment: stages that could not run stop, and nobody calls the function directly."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from config.deployment import PLACEHOLDER, check_stage
from tests.servers import ROOT


def stage(name: str, **changes: Any) -> SimpleNamespace:
    """What Zappa hands to a callback, of a stage whose placeholders have been replaced by names."""
    text = (ROOT / "zappa_settings.json").read_text().replace(PLACEHOLDER, "my")
    stages = json.loads(text)
    settings: dict[str, Any] = {}
    while name:
        settings = stages[name] | settings
        name = stages[name].get("extends", "")
    return SimpleNamespace(stage_config=settings | changes, api_stage="dev")


def test_stage_with_placeholders_stops_before_anything_is_made() -> None:
    untouched = SimpleNamespace(
        stage_config=json.loads((ROOT / "zappa_settings.json").read_text())["dev"], api_stage="dev"
    )
    with pytest.raises(SystemExit, match=r"^The stage dev in \S+ still says change-me: "):
        check_stage(untouched)


def test_bucket_that_the_policy_does_not_name_stops_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = (ROOT / "config" / "policies" / "execution.json").read_text()
    (tmp_path / "policy.json").write_text(policy.replace(PLACEHOLDER, "my"))
    monkeypatch.chdir(tmp_path)
    check_stage(stage("dev", attach_policy="policy.json"))
    (tmp_path / "policy.json").write_text(policy.replace(PLACEHOLDER, "your"))
    with pytest.raises(
        SystemExit, match=r"has RESIZER_ORIGINALS_BUCKET my-originals: allow it in policy\.json"
    ):
        check_stage(stage("dev", attach_policy="policy.json"))


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
    variables = {"DATABASE_URL": "postgresql://user:password@host/name"}
    settings = {"aws_environment_variables": variables, "attach_policy": "", "package": package}
    broken = SimpleNamespace(stage_config=settings, api_stage="dev")
    with pytest.raises(SystemExit) as stopped:
        check_stage(broken)
    assert stopped.value.code == f"The stage dev in zappa_settings.json {words}"


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
