from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from resizer.engines.libvips import LibvipsEngine
from resizer.engines.pillow import PillowEngine

if TYPE_CHECKING:
    from resizer.engines import Engine


@pytest.fixture(params=[LibvipsEngine, PillowEngine])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Every engine in its turn."""
    made: Engine = request.param()
    return made
