"""Secrets that are in no file: parameters of AWS become environment variables."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import boto3
import pytest
from django.core.exceptions import ImproperlyConfigured

from resizer.contrib.aws_parameters import read_parameters
from tests.aws.deployment import CREDENTIALS
from tests.aws.runtime import REGION
from tests.servers import ROOT, free_port, moto_server

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with moto_server() as url:
        ssm = boto3.client("ssm", endpoint_url=url, region_name=REGION, **CREDENTIALS)
        # AWS gives ten at once.
        values = {f"V{number}": str(number) for number in range(11)}
        for name, value in {**values, "DJANGO_SECRET_KEY": "from AWS"}.items():
            ssm.put_parameter(Name=f"/shop/live/{name}", Value=value, Type="SecureString")
        ssm.put_parameter(Name="/shop/other/V0", Value="theirs", Type="String")
        yield url


@pytest.fixture
def aws(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name.upper(), value)


@pytest.mark.parametrize("path", ["/shop/live", "/shop/live/"])
def test_all_parameters_below_the_path_are_read(aws: None, path: str) -> None:
    found = read_parameters(path)
    assert len(found) == 12
    assert (found["V0"], found["V10"], found["DJANGO_SECRET_KEY"]) == ("0", "10", "from AWS")


def test_path_without_parameters_gives_none(aws: None) -> None:
    assert read_parameters("/nobody/") == {}
    assert read_parameters("/") == {}


def test_failure_names_the_path_and_the_right(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(ImproperlyConfigured, match=r"^The parameters below /shop/live/ cannot"):
        read_parameters("/shop/live/")


@pytest.mark.parametrize(
    ("given", "expected"), [({}, "from AWS"), ({"DJANGO_SECRET_KEY": "given"}, "given")]
)
def test_project_reads_them_unless_a_variable_is_set(
    aws: None, given: dict[str, str], expected: str
) -> None:
    names = ("DJANGO_DEBUG", "DJANGO_SECRET_KEY", "DJANGO_SETTINGS_MODULE")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    done = subprocess.run(
        [sys.executable, "-c", "from config.settings import SECRET_KEY; print(SECRET_KEY)"],
        cwd=ROOT,
        env=environment | {"RESIZER_PARAMETERS": "/shop/live/"} | given,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout.strip(), done.stderr) == (expected, "")
