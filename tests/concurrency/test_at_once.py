"""Before Django, nothing waits for a database or a source."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from resizer import originals
from resizer.concurrency.at_once import NotAtOnce, at_once
from resizer.records import index
from resizer.records.descriptions import Reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REFERENCE = Reference("default", "a.jpg")


@pytest.fixture(autouse=True)
def before_django() -> Iterator[None]:
    token = at_once.set(True)
    yield
    at_once.reset(token)


@pytest.mark.parametrize(
    "ask",
    [
        lambda: index.find(REFERENCE),
        lambda: originals.look_up(REFERENCE, originals.Freshness.NOW),
        lambda: originals.look_up(REFERENCE),
    ],
    ids=["a row", "the source", "for a page"],
)
def test_question_that_may_take_time_is_left_to_django(ask: Callable[[], object]) -> None:
    with pytest.raises(NotAtOnce):
        ask()
