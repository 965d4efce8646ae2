"""What is seen of an original when it is first decoded: its colour, a blurred picture, and where a viewer looks first."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import pytest
from django.core.cache import caches
from PIL import Image, ImageDraw

from resizer import originals, rendering
from resizer.engines.guarded import GuardedEngine
from resizer.engines.libvips import LibvipsEngine
from resizer.engines.libvips import decoding as libvips_decoding
from resizer.engines.pillow import PillowEngine, decoding
from resizer.engines.protocol import MAX_BLUR_CHARACTERS, Rendered, Sketch
from resizer.engines.sharing import VIEW_SIDE, plan_view
from resizer.engines.sketching import sketch
from resizer.errors import TooMuchWork, UndecodableOriginal
from resizer.formats import JPEG
from resizer.keys.variant import Variant
from resizer.markup import picture
from resizer.models import Original
from resizer.records import index
from resizer.records.descriptions import Reference, cache_key
from tests.calls import recorded
from tests.conftest import CountingEngine, save
from tests.pictures import encode, photograph
from tests.test_response_first import visit

if TYPE_CHECKING:
    from django.test import Client
    from pytest_django import Settings

ENGINES = ["resizer.engines.libvips.LibvipsEngine", "resizer.engines.pillow.PillowEngine"]
REFERENCE = Reference("default", "a.jpg")


def png(image: Image.Image, **options: Any) -> bytes:
    return encode(image, "png", **options)


def spotted(x: int, y: int, size: tuple[int, int] = (800, 400)) -> Image.Image:
    """Grey, with something colourful of much detail at a place."""
    image = Image.new("RGB", size, "#808080")
    draw = ImageDraw.Draw(image)
    for number in range(6):
        box = [x - 60 + 20 * number, y - 50, x - 50 + 20 * number, y + 50]
        draw.rectangle(box, fill="#d02010")
    return image


def seen(client: Client, name: str = "a.jpg", **options: Any) -> Original:
    assert client.get(picture.url(name, width=320, **options)).status_code == 200
    return Original.objects.get(name=name)


# --- on the row


@pytest.mark.django_db
@pytest.mark.parametrize("path", ENGINES)
def test_original_is_looked_at_when_it_is_first_decoded(
    client: Client, settings: Settings, path: str
) -> None:
    settings.RESIZER = {"ENGINE": path}
    save("a.jpg", encode(spotted(600, 100), "jpeg"))
    # Though a crop is wanted, all of it is looked at.
    row = seen(client, ratio="1/1")
    assert abs(row.auto_focal_x - 75) <= 6
    assert abs(row.auto_focal_y - 25) <= 8
    assert row.placeholder_color[:3] in {
        "#81",
        "#82",
        "#83",
        "#84",
        "#85",
        "#86",
        "#87",
        "#88",
        "#89",
        "#8a",
    }
    content = base64.b64decode(row.placeholder_blur.removeprefix("data:image/webp;base64,"))
    with Image.open(io.BytesIO(content)) as blur:
        assert (blur.format, blur.size) == ("WEBP", (16, 8))
    assert len(content) < 250


@pytest.mark.django_db
@pytest.mark.parametrize("path", ENGINES)
@pytest.mark.parametrize(
    ("mode", "format"),
    [("L", "jpeg"), ("LA", "png"), ("RGBA", "png"), ("P", "png"), ("CMYK", "jpeg")],
)
def test_pictures_of_every_kind_have_a_colour(
    client: Client, settings: Settings, path: str, mode: str, format: str
) -> None:
    settings.RESIZER = {"ENGINE": path}
    name = f"a.{format}"
    image = Image.new("RGB", (300, 200), "#909090")
    save(name, encode(image.quantize() if mode == "P" else image.convert(mode), format))
    row = seen(client, name)
    assert row.placeholder_color[1:3] in {"8e", "8f", "90", "91", "92"}
    assert (row.auto_focal_x, row.auto_focal_y) == (50, 50)
    # What is transparent would show it for ever.
    assert bool(row.placeholder_blur) == (not mode.endswith("A"))


@pytest.mark.parametrize(
    ("engine_class", "decode"),
    [(LibvipsEngine, libvips_decoding.decode), (PillowEngine, decoding.decode)],
)
@pytest.mark.parametrize("width", [100, 700])
def test_looking_costs_no_decoding_of_its_own(engine_class: Any, decode: Any, width: int) -> None:
    file = io.BytesIO(photograph((3000, 2000)))
    one = Variant(source="default", name="a", version="0" * 8, width=width, format=JPEG)
    found = engine_class()
    header = found.read_header(file)
    file.seek(0)
    with recorded() as entered:
        made = list(found.render(file, header, [one, plan_view(header, one)]))
    assert entered.count(decode.__code__) == 1
    assert [(each.width, each.height) for each in made[1:]] == [(32, 21)]
    # The picture itself is the same as without it.
    file.seek(0)
    assert next(iter(found.render(file, header, [one]))).content == made[0].content


@pytest.mark.django_db
def test_original_is_looked_at_once(client: Client) -> None:
    save("a.jpg", photograph((900, 600)))
    assert seen(client).placeholder_color
    Original.objects.update(auto_focal_x=11)
    for width in (480, 640):
        assert client.get(picture.url("a.jpg", width=width)).status_code == 200
    assert Original.objects.get().auto_focal_x == 11


@pytest.mark.django_db
def test_new_file_is_looked_at_anew(client: Client) -> None:
    save("a.jpg", encode(spotted(600, 100), "jpeg"))
    former = seen(client)
    save("a.jpg", encode(Image.new("RGB", (800, 400), "#2050d0"), "jpeg"))
    originals.look_up(REFERENCE, originals.Freshness.NOW)
    row = Original.objects.get()
    assert (row.auto_focal_x, row.placeholder_color, row.placeholder_blur) == (None, "", "")
    row = seen(client)
    assert (row.auto_focal_x, row.auto_focal_y) == (50, 50)
    assert row.placeholder_color != former.placeholder_color


@pytest.mark.django_db
def test_automatic_point_is_used_once_it_is_known(client: Client) -> None:
    save("a.jpg", encode(spotted(600, 100), "jpeg"))

    def recipe(**options: Any) -> str:
        return picture.url("a.jpg", ratio="1/1", **options).split("/")[-2]

    # The page does not wait for it.
    assert recipe(focal="auto") == "1x1"
    row = seen(client)
    point = f"1x1,fp{row.auto_focal_x}-{row.auto_focal_y}"
    assert recipe(focal="auto") == recipe(focal="AUTO ") == point
    assert recipe() == "1x1"
    caches["default"].clear()
    assert recipe(focal="auto") == point
    # An editor knows better.
    Original.objects.update(focal_x=20, focal_y=30)
    caches["default"].clear()
    assert recipe(focal="auto") == "1x1,fp20-30"


@pytest.mark.django_db
def test_nothing_is_looked_at_without_a_database(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be lost with the cache, and with it the URLs of pictures."""
    monkeypatch.setattr("resizer.records.tables.is_configured", lambda: False)
    save("a.jpg")
    assert client.get(picture.url("a.jpg", width=320)).status_code == 200
    assert originals.look_up(REFERENCE).sketch is None


@pytest.mark.django_db
def test_sketch_of_a_former_file_is_not_kept(client: Client) -> None:
    save("a.jpg", photograph((900, 600)))
    description = originals.look_up(REFERENCE)
    Original.objects.update(fingerprint="another")
    assert not index.record_sketch(
        description, sketch(png(Image.new("RGB", (8, 8))), has_alpha=False)
    )
    originals.note_sketch(description, sketch(png(Image.new("RGB", (8, 8))), has_alpha=False))
    assert Original.objects.get().placeholder_color == ""


@pytest.mark.django_db
def test_sketch_of_an_original_in_doubt_does_not_make_it_certain(client: Client) -> None:
    save("a.jpg", photograph((900, 600)))
    description = originals.look_up(REFERENCE)
    originals.forget(REFERENCE)
    originals.note_sketch(description, sketch(GOOD, has_alpha=False))
    assert Original.objects.get().placeholder_color == "#102030"
    assert caches["default"].get(cache_key(REFERENCE)) is None


@pytest.mark.django_db(transaction=True)
def test_visitor_does_not_wait_for_the_row() -> None:
    save("a.jpg", photograph((900, 600)))
    with visit(picture.url("a.jpg", width=320)) as reply:
        assert reply.status == "200 OK"
        assert Original.objects.get().placeholder_color == ""
    assert Original.objects.get().placeholder_color


class Blind(CountingEngine):
    """Renders what is wanted, and fails at the views."""

    def render(self, file: Any, header: Any, variants: Any) -> Any:
        for number, one in enumerate(super().render(file, header, variants)):
            if number:
                raise TooMuchWork("a view")
            yield one


class Dreaming(CountingEngine):
    """Renders what is wanted, and nothing known for the views."""

    def render(self, file: Any, header: Any, variants: Any) -> Any:
        for number, one in enumerate(super().render(file, header, variants)):
            yield None if number else one


@pytest.mark.django_db
@pytest.mark.parametrize("engine", ["Blind", "Dreaming"])
def test_visitor_gets_the_picture_where_looking_fails(
    client: Client, settings: Settings, caplog: pytest.LogCaptureFixture, engine: str
) -> None:
    settings.RESIZER = {"ENGINE": f"{__name__}.{engine}", "ISOLATION": False}
    save("a.jpg", photograph((900, 600)))
    with caplog.at_level("INFO", "resizer.rendering"):
        row = seen(client)
    assert row.placeholder_color == ""
    assert "has no sketch" in caplog.text


class WithoutViews(CountingEngine):
    """Renders the first variant alone."""

    def render(self, file: Any, header: Any, variants: Any) -> Any:
        return super().render(file, header, variants[:1])


@pytest.mark.django_db
def test_visitor_gets_the_picture_from_an_engine_that_leaves_out_the_view(
    client: Client, settings: Settings
) -> None:
    settings.RESIZER = {"ENGINE": f"{__name__}.WithoutViews", "ISOLATION": False}
    save("a.jpg", photograph((900, 600)))
    assert seen(client).placeholder_color == ""


@pytest.mark.django_db
@pytest.mark.parametrize("path", ENGINES)
@pytest.mark.parametrize(
    ("size", "has_sketch"),
    [
        ((1, 20_000), False),
        ((9, 3_000), False),
        ((110, 200), True),
        ((10, 320), True),
        ((20_000, 1), True),
    ],
)
def test_original_of_any_shape_is_shown(
    client: Client, settings: Settings, path: str, size: tuple[int, int], has_sketch: bool
) -> None:
    settings.RESIZER = {"ENGINE": path}
    save("a.png", png(Image.new("RGB", size, "#102030")))
    assert client.get(picture.url("a.png", width=320)).status_code == 200
    assert bool(Original.objects.get().placeholder_color) == has_sketch
    # Nor does a command fail that looks at all of them, long after.
    caches["default"].clear()
    rendering.add_sketch(originals.look_up(REFERENCE._replace(name="a.png")))


def test_original_too_narrow_for_a_view_is_rendered_without_a_sketch() -> None:
    file = io.BytesIO(png(Image.new("RGB", (1, 100), "#102030")))
    engine = GuardedEngine(PillowEngine())
    header = engine.read_header(file)
    one = Variant(source="default", name="a", version="0" * 8, width=1, format=JPEG)
    (made,) = engine.render_with_sketch(file, header, [one])
    assert isinstance(made, Rendered)


# --- of views


@pytest.mark.parametrize("place", [(100, 100), (400, 200), (700, 300), (150, 350)])
def test_viewer_looks_where_detail_and_colour_are(place: tuple[int, int]) -> None:
    view = spotted(*place).resize((32, 16))
    x, y = sketch(png(view), has_alpha=True).focal
    assert abs(x - place[0] / 8) <= 6
    assert abs(y - place[1] / 4) <= 12


def test_viewer_looks_at_skin_before_other_colours() -> None:
    view = Image.new("RGB", (32, 16), "#506070")
    draw = ImageDraw.Draw(view)
    draw.ellipse([4, 5, 9, 10], fill="#c68e71")
    draw.ellipse([22, 5, 27, 10], fill="#71c6a0")
    assert sketch(png(view), has_alpha=True).focal[0] < 35


@pytest.mark.parametrize("size", [(1, 1), (32, 1), (1, 32), (3, 32), (32, 32)])
def test_view_of_any_shape_has_a_point(size: tuple[int, int]) -> None:
    content = png(Image.new("RGB", size, "#102030"))
    assert sketch(content, has_alpha=True) == ((50, 50), "#102030", "")
    with Image.open(io.BytesIO(blur_of(sketch(content, has_alpha=False)))) as blur:
        assert max(blur.size) == 16


def blur_of(seen: Sketch) -> bytes:
    return base64.b64decode(seen.blur.removeprefix("data:image/webp;base64,"))


def test_pillow_without_webp_makes_no_blur(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("PIL.features.check_module", lambda name: name != "webp")
    assert sketch(GOOD, has_alpha=False).blur == ""


GOOD = png(Image.new("RGB", (8, 8), "#102030"))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        GOOD[:40],
        png(Image.new("RGB", (VIEW_SIDE + 1, 8))),
        encode(Image.new("RGB", (8, 8)), "gif"),
    ],
)
def test_view_that_an_engine_makes_up_is_refused(content: bytes) -> None:
    with pytest.raises(UndecodableOriginal):
        sketch(content, has_alpha=False)


URI = "data:image/webp;base64,UklGRg=="


@pytest.mark.parametrize(
    ("seen", "is_safe"),
    [
        (Sketch((0, 100), "#102030", ""), True),
        (Sketch((0, 100), "#102030", URI), True),
        (Sketch((0, 101), "#102030", URI), False),
        (Sketch((-1, 0), "#102030", URI), False),
        (Sketch((0, 0), "red", URI), False),
        (Sketch((0, 0), "#fff}", URI), False),
        (Sketch((0, 0), "#102030\n", URI), False),
        (Sketch((0, 0), "#102030", "data:image/svg+xml,<svg>"), False),
        (Sketch((0, 0), "#102030", URI.replace("U", "A" * MAX_BLUR_CHARACTERS)), False),
    ],
)
def test_sketch_is_checked_before_a_page_prints_it(seen: Sketch, is_safe: bool) -> None:
    assert seen.is_safe is is_safe


@pytest.mark.django_db
@pytest.mark.parametrize(
    "fields",
    [
        {"placeholder_color": "red"},
        {"placeholder_color": "#fff}"},
        {"placeholder_blur": "data:image/svg+xml,<svg>"},
        {"placeholder_blur": "</style>"},
    ],
)
def test_what_others_write_into_the_row_is_not_printed(
    client: Client, fields: dict[str, str]
) -> None:
    save("a.jpg", photograph((900, 600)))
    seen(client)
    Original.objects.update(**fields)
    caches["default"].clear()
    assert originals.look_up(REFERENCE).sketch is None
