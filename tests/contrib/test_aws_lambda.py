"""System checks on AWS Lambda."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

import pytest
from django.core.checks import run_checks

from tests.servers import ROOT

if TYPE_CHECKING:
    from pytest_django import Settings


@pytest.fixture
def on_lambda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "shop-production")


def hints(check: str) -> list[str]:
    return [str(one.hint) for one in run_checks(tags=["resizer"]) if one.id == check]


@pytest.mark.parametrize("limit", [None, 4_950_000, 6_291_556])
def test_answers_that_lambda_does_not_let_through_are_warned_of(
    on_lambda: None, settings: Settings, limit: int | None
) -> None:
    settings.RESIZER = {"MAX_RESPONSE_BYTES": limit}
    (hint,) = hints("resizer.W006")
    assert "4_500_000" in hint


def test_limit_that_the_hint_names_is_fine(on_lambda: None, settings: Settings) -> None:
    settings.RESIZER = {"MAX_RESPONSE_BYTES": 4_500_000}
    assert hints("resizer.W006") == []


def test_platforms_without_that_limit_are_not_warned(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert hints("resizer.W006") == []
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "shop-production")
    monkeypatch.setenv("AWS_LWA_INVOKE_MODE", "RESPONSE_STREAM")
    assert hints("resizer.W006") == []


def test_setting_that_is_wrong_is_an_error_of_its_own(on_lambda: None, settings: Settings) -> None:
    settings.RESIZER = {"MAX_RESPONSE_BYTES": "4.5 MB"}
    assert len(hints("resizer.W006")) == 1


@pytest.mark.parametrize("is_first", [True, False])
def test_function_that_is_stopped_after_its_response_stores_variants_before(
    on_lambda: None, settings: Settings, is_first: bool
) -> None:
    settings.RESIZER = {"RESPOND_FIRST": is_first}
    found = hints("resizer.W030")
    assert len(found) == is_first
    assert all("RESPOND_FIRST" in hint for hint in found)


def test_server_may_store_variants_after_its_response() -> None:
    assert hints("resizer.W030") == []


@pytest.mark.parametrize("is_isolated", [True, False])
def test_child_processes_in_a_function_are_warned_of(
    on_lambda: None, settings: Settings, is_isolated: bool
) -> None:
    settings.RESIZER = {"ISOLATION": is_isolated}
    assert len(hints("resizer.W040")) == is_isolated


@pytest.mark.parametrize("level", [logging.DEBUG, logging.INFO])
def test_log_with_secrets_of_aws_is_warned_of(on_lambda: None, level: int) -> None:
    logger = logging.getLogger("botocore")
    before = logger.level
    logger.setLevel(level)
    try:
        assert len(hints("resizer.W041")) == (level == logging.DEBUG)
    finally:
        logger.setLevel(before)


def test_nothing_else_of_the_app_knows_lambda() -> None:
    knowing = {
        path.relative_to(ROOT / "resizer").parts[0]
        for path in (ROOT / "resizer").rglob("*.py")
        if re.search(
            r"AWS_LAMBDA|AWS_LWA|aws_lambda|aws_parameters|zappa", path.read_text(encoding="utf-8")
        )
    }
    # It registers the checks.
    assert knowing == {"contrib", "apps.py"}
