from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from django.contrib.staticfiles import finders
from django.template import Context, Template, TemplateSyntaxError

if TYPE_CHECKING:
    from pytest_django import Settings


def render(text: str = "{% resized_devtools %}", **context: object) -> str:
    return Template("{% load resizer %}" + text).render(Context(context))


def test_nothing_is_printed_in_production() -> None:
    assert render() == ""


def test_script_has_the_nonce_of_the_page_and_both_files_exist(settings: Settings) -> None:
    settings.DEBUG = True
    html = render(csp_nonce="x")
    assert html == (
        '<script src="/static/resizer/devtools.js" data-css="/static/resizer/devtools.css" '
        'nonce="x" defer></script>'
    )
    assert "nonce" not in render()
    for url in re.findall(r'"/static/([^"]+)"', html):
        assert finders.find(url)


def test_nothing_is_printed_if_nothing_serves_static_files(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.DEBUG = True
    settings.INSTALLED_APPS = ["resizer"]
    assert render() == render() == ""
    (record,) = caplog.records
    assert "Add django.contrib.staticfiles to INSTALLED_APPS." in record.message


def test_devtools_have_no_options() -> None:
    with pytest.raises(TemplateSyntaxError, match="cannot read 'x=1'"):
        render("{% resized_devtools x=1 %}")
