from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.servers import moto_server

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    with moto_server() as url:
        yield url
