from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from resizer.errors import Busy
from resizer.storages.publishing import Slowness

if TYPE_CHECKING:
    from freezegun.api import FrozenDateTimeFactory


def test_few_ask_what_is_slow_until_it_is_quick_again(clock: FrozenDateTimeFactory) -> None:
    storage = Slowness(1, 2)
    with storage.asking(), storage.asking(), storage.asking():
        pass
    with storage.asking():
        clock.tick(timedelta(seconds=2))
        with storage.asking(), pytest.raises(Busy, match="it is slow"), storage.asking():
            pass
    # The last of them was slow.
    with storage.asking(), storage.asking(), pytest.raises(Busy), storage.asking():
        pass
    # And these were quick.
    with storage.asking(), storage.asking(), storage.asking():
        pass
