"""The bytes of pictures that browsers load for the gallery, beside those of its originals.

python -m benchmarks.gallery
"""

from __future__ import annotations

import os
import sys
import tempfile
from typing import TYPE_CHECKING

from tests.chromium import open_browser
from tests.servers import ROOT, ask_for, free_port, manage, running

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Response

#: Width and height of the window, CSS px, and device pixels for each of them.
SCREENS = {"phone": (390, 844, 3), "desktop": (1440, 900, 1)}


def load(browser: Browser, url: str, screen: tuple[int, int, int]) -> tuple[int, int]:
    """The number of pictures, and their bytes, after a visitor has scrolled to the end."""
    width, height, density = screen
    page = browser.new_page(
        viewport={"width": width, "height": height}, device_scale_factor=density
    )
    loaded: dict[str, int] = {}

    def note(response: Response) -> None:
        if "/img/" in response.url:
            loaded[response.url] = int(response.headers["content-length"])

    page.on("response", note)
    page.goto(url, wait_until="networkidle")
    while page.evaluate("scrollY + innerHeight < document.body.scrollHeight"):
        page.mouse.wheel(0, height // 2)
        page.wait_for_timeout(250)
    page.wait_for_function("[...document.images].every(image => image.naturalWidth)")
    page.close()
    return len(loaded), sum(loaded.values())


def main() -> None:
    with tempfile.TemporaryDirectory() as data:
        address = f"127.0.0.1:{free_port()}"
        environment = {"RESIZER_DATA_DIR": data, "DJANGO_DEBUG": "1"}
        manage(ROOT, environment, "migrate", "--verbosity", "0")
        manage(ROOT, environment, "load_gallery")
        command = [sys.executable, "manage.py", "runserver", "--noreload", address]
        options = {"cwd": ROOT, "env": os.environ | environment}
        url = f"http://{address}/"
        with running(command, lambda: ask_for(url), **options), open_browser() as browser:
            for name, screen in SCREENS.items():
                number, size = load(browser, url, screen)
                print(f"{name}: {number} pictures, {size:,} bytes")
    originals = [*(ROOT / "config/gallery/photographs").glob("*.[jp]*g")]
    total = sum(one.stat().st_size for one in originals)
    print(f"originals: {len(originals)} pictures, {total:,} bytes")


if __name__ == "__main__":
    main()
