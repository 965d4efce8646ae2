"""Where an engine fails at a picture, another one goes on."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest

from resizer.engines import get_engine
from resizer.engines.pillow.files import open_image
from resizer.errors import EngineFailed, UndecodableOriginal
from resizer.formats import AVIF, GIF, JPEG, PNG, WEBP
from tests.engines.rendering import variant
from tests.pictures import decode, difference, draw, encode, photograph

if TYPE_CHECKING:
    from pytest_django import Settings

    from resizer.engines import Rendered

PHOTO = photograph((640, 480))


@pytest.fixture(params=[True, False], ids=["isolated", "in this process"])
def isolation(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def render(settings: Settings, name: str, content: bytes, **options: Any) -> list[Rendered]:
    settings.RESIZER = {"ENGINE": f"tests.engines.misbehaving.{name}", **options}
    file = io.BytesIO(content)
    engine = get_engine()
    assert engine.can_read(JPEG)
    assert engine.can_write(WEBP)
    header = engine.read_header(file)
    return list(engine.render(file, header, [variant(320), variant(160), variant(80)]))


@pytest.mark.parametrize(
    ("name", "other"), [("FailingPillow", "LibvipsEngine"), ("FailingLibvips", "PillowEngine")]
)
def test_other_engine_makes_what_is_left_and_the_log_says_so(
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
    isolation: bool,
    name: str,
    other: str,
) -> None:
    made = render(settings, name, PHOTO, ISOLATION=isolation)
    assert [one.width for one in made] == [320, 160, 80]
    for one in made:
        assert difference(decode(one.content), decode(PHOTO).resize((one.width, one.height))) < 2
    failed, goes_on = caplog.records
    assert (failed.levelname, goes_on.levelname) == ("ERROR", "WARNING")
    assert f"{name} has failed" in failed.getMessage()
    assert f"{other} goes on" in goes_on.getMessage()
    assert "\n" not in failed.getMessage()


@pytest.mark.parametrize("found", [AVIF, GIF], ids=lambda one: one.name)
def test_format_that_one_engine_reads_has_no_other(
    settings: Settings, caplog: pytest.LogCaptureFixture, isolation: bool, found: Any
) -> None:
    content = encode(draw((640, 480)), found.name.upper())
    with pytest.raises(EngineFailed):
        render(settings, "FailingPillow", content, ISOLATION=isolation)
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    "name", ["FailingTwice", "WithoutTheOther", "WithoutAnOther", "FailingHeader"]
)
def test_failure_of_all_engines_is_no_verdict_on_the_picture(
    settings: Settings, caplog: pytest.LogCaptureFixture, isolation: bool, name: str
) -> None:
    with pytest.raises(EngineFailed) as raised:
        render(settings, name, encode(draw((640, 480)), "PNG"), ISOLATION=isolation)
    assert raised.value.status == 422
    assert "damaged" not in raised.value.public_message
    assert "has failed" in caplog.text


def test_verdict_of_the_other_engine_counts(settings: Settings, isolation: bool) -> None:
    with pytest.raises(UndecodableOriginal) as raised:
        render(settings, "RefusedByTheOther", PHOTO, ISOLATION=isolation)
    assert not isinstance(raised.value, EngineFailed)


def test_broken_picture_goes_to_one_engine_alone(
    settings: Settings, caplog: pytest.LogCaptureFixture, isolation: bool
) -> None:
    for name in ("FailingPillow", "FailingLibvips"):
        content = encode(draw((640, 480)), PNG.name.upper())
        with pytest.raises(UndecodableOriginal):
            render(settings, name, content[: len(content) // 2], ISOLATION=isolation)
    assert not caplog.records


def test_text_that_cannot_be_read_is_no_damage() -> None:
    with pytest.raises(RuntimeError, match="a bug"), open_image(io.BytesIO(PHOTO)):
        raise RuntimeError("a bug")
    with pytest.raises(UnicodeEncodeError), open_image(io.BytesIO(PHOTO)):
        "é".encode("ascii")
