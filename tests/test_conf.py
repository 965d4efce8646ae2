from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest
from django.core.exceptions import ImproperlyConfigured

from resizer import conf
from resizer.conf import SourceSettings, get_settings, read_settings
from resizer.formats import AVIF, WEBP
from tests.documents import read

if TYPE_CHECKING:
    from pytest_django import Settings


def test_every_key_is_optional(settings: Settings) -> None:
    del settings.RESIZER
    assert get_settings().WIDTHS[0] == 320
    assert get_settings().FORMATS == (AVIF,)
    assert {"default": SourceSettings()} == get_settings().SOURCES


def test_a_change_of_settings_is_seen_at_once(settings: Settings) -> None:
    settings.RESIZER = {"FORMATS": ["avif", "webp"]}
    assert get_settings().FORMATS == (AVIF, WEBP)
    settings.RESIZER = {}
    assert get_settings().FORMATS == (AVIF,)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("SOURCES", ["default"]),
        ("SOURCES", {"no/slash": {}}),
        ("SOURCES", {"web": {"URL": "https://example.com/"}}),
        ("ENGINE", None),
        ("ENGINE", ""),
        ("WIDTHS", 320),
        ("WIDTHS", []),
        ("WIDTHS", [640, 320]),
        ("WIDTHS", [320, 320]),
        ("WIDTHS", [0]),
        ("WIDTHS", ["320"]),
        ("WIDTHS", list(range(1, 40))),
        ("FORMATS", ["tiff"]),
        ("FORMATS", ["gif"]),
        ("FORMATS", "avif"),
        ("QUALITIES", 80),
        ("QUALITIES", {"HIGH": {"avif": 80}}),
        ("QUALITIES", {"high": 80}),
        ("QUALITIES", {"high": {"bmp": 80}}),
        ("QUALITIES", {"high": {"avif": 0}}),
        ("QUALITIES", {"high": {"png": 80}}),
        ("FORMATS", ["webp", "jpeg"]),
        ("EXTRA_FORMATS", ["gif"]),
        ("EXTRA_FORMATS", "heic"),
        ("QUALITIES", {"auto": {"avif": 80}}),
        ("QUALITIES", {"lossless": {"avif": 80}}),
        ("METADATA", "all"),
        ("METADATA", ["copyright"]),
        ("MAX_BYTES", -1),
        ("MAX_BYTES", True),
        ("MAX_BYTES", "50 MB"),
        ("MAX_RESPONSE_BYTES", 0),
        ("RESPOND_FIRST", "yes"),
        ("MAX_FETCHES", None),
        ("SIGNING_KEY", ""),
        ("PRIVATE_DELIVERY", "private/"),
        ("PRIVATE_DELIVERY", "/"),
        ("PRIVATE_DELIVERY", None),
        ("PRIVATE_SECONDS", 0),
        ("SIGNING_KEY_FALLBACKS", "a key"),
    ],
)
def test_wrong_value_is_a_problem_with_a_hint(key: str, value: object) -> None:
    values, problems = read_settings({key: value})
    (problem,) = problems
    assert problem.id == "resizer.E002"
    assert key in problem.message
    assert problem.hint.startswith("It is ")
    assert getattr(values, key) == getattr(read_settings({})[0], key)


def test_misspelt_key_is_a_problem_that_names_the_right_one() -> None:
    _values, problems = read_settings({"WITHDS": [320], "colour": "red"})
    assert [problem.id for problem in problems] == ["resizer.E001", "resizer.E001"]
    assert problems[0].hint == "Did you mean 'WIDTHS'?"
    assert problems[1].hint.startswith("The keys are ")


def test_settings_of_another_type_are_a_problem() -> None:
    _values, problems = read_settings(["WIDTHS"])
    assert [problem.id for problem in problems] == ["resizer.E002"]


def test_wrong_settings_raise_when_used(settings: Settings) -> None:
    settings.RESIZER = {"WITHDS": [320]}
    with pytest.raises(ImproperlyConfigured, match="Did you mean 'WIDTHS'"):
        get_settings()


def test_a_level_of_quality_is_completed_from_the_default() -> None:
    values, _problems = read_settings({"QUALITIES": {"tiny": {"avif": 20}, "high": {"jpeg": 90}}})
    assert values.QUALITIES["tiny"] == {**values.QUALITIES["medium"], "avif": 20}
    assert values.QUALITIES["high"] == {"avif": 68, "webp": 88, "jpeg": 90}


def test_reference_has_every_setting_with_its_default() -> None:
    rows = {
        line.split("|")[1].strip(): line.split("|")[2].strip()
        for line in read("reference/settings").splitlines()
        if line.startswith("| `")
    }
    for field in dataclasses.fields(conf.Settings):
        default = field.metadata["default"]
        shown = rows[f"`{field.name}`"].strip("`").replace("_", "")
        assert shown == str(list(default) if isinstance(default, tuple) else default).replace(
            "'", '"'
        )
