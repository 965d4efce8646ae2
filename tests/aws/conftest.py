from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.aws.deployment import Deployment


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """The project on a local AWS."""
    from tests.aws.deployment import deploy

    with deploy(tmp_path_factory.mktemp("deployment")) as deployment:
        yield deployment


@pytest.fixture(scope="session")
def package(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What AWS Lambda runs: the very bytes that `zappa deploy` has brought there."""
    path = tmp_path_factory.mktemp("package") / "package.zip"
    deployment.save_package(path)
    return path
