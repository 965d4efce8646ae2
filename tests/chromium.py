"""A browser without a window: Chromium, and what it draws of a picture."""

from __future__ import annotations

import base64
import io
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

#: The shell is Chromium without its own windows and menus: a test takes half the processor time.
PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    # Whatever screen the machine has.
    "--force-color-profile=srgb",
]
#: Decoders of moving pictures are there for secure pages only; nothing is fetched of this one.
_PAGE = "https://oracle.invalid/"
_DRAW = """async ([content, type, frame]) => {
    const bytes = await (await fetch(`data:${type};base64,${content}`)).arrayBuffer();
    let image;
    if (frame === null) {
        image = new Image();
        image.src = URL.createObjectURL(new Blob([bytes], {type}));
        await image.decode();
    } else {
        const decoder = new ImageDecoder({data: bytes, type});
        image = (await decoder.decode({frameIndex: frame})).image;
    }
    const canvas = document.createElement("canvas");
    canvas.width = image.naturalWidth ?? image.displayWidth;
    canvas.height = image.naturalHeight ?? image.displayHeight;
    canvas.getContext("2d").drawImage(image, 0, 0);
    return canvas.toDataURL("image/png").split(",")[1];
}"""


@contextmanager
def open_browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    program = next(filter(None, map(shutil.which, PROGRAMS)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


class Canvas:
    """Draws pictures as Chromium sees them."""

    def __init__(self, browser: Browser) -> None:
        self._page: Page = browser.new_page()
        self._page.route(
            "**/*", lambda route: route.fulfill(body="<!doctype html>", content_type="text/html")
        )
        self._page.goto(_PAGE)
        self._drawn: dict[tuple[object, ...], Image.Image] = {}

    def draw(self, content: bytes, content_type: str, frame: int | None = None) -> Image.Image:
        """RGBA, in sRGB, of 8 bits. Without a `frame` what an img element shows first.

        What several engines are compared with is drawn once: do not change it.
        """
        wanted = (content, content_type, frame)
        if wanted not in self._drawn:
            self._drawn[wanted] = self._draw(content, content_type, frame)
        return self._drawn[wanted]

    def _draw(self, content: bytes, content_type: str, frame: int | None) -> Image.Image:
        text = base64.b64encode(content).decode()
        drawn = self._page.evaluate(_DRAW, [text, content_type, frame])
        with Image.open(io.BytesIO(base64.b64decode(drawn))) as image:
            return image.convert("RGBA")
