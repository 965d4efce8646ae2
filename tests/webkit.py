"""WebKitGTK on a screen that nobody sees: MiniBrowser, by its WebDriver."""

from __future__ import annotations

import glob
import json
import os
import random
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.servers import ask_for, free_port, running

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAMS = ("WebKitWebDriver",)
#: Debian has it where no PATH leads.
BROWSERS = "/usr/lib/*/webkit2gtk-4*/MiniBrowser"
#: Device px: 1440 CSS px fit into it with three device px for each.
SCREEN = "4600x3200x24"


class WebKit:
    def __init__(self, url: str) -> None:
        self._url = f"{url}/session"
        options = {"binary": sorted(glob.glob(BROWSERS))[-1], "args": ["--automation"]}
        capabilities = {"alwaysMatch": {"webkitgtk:browserOptions": options}}
        self._url += f"/{self._post('', capabilities=capabilities)['sessionId']}"
        self._post("/window/maximize")

    def _post(self, path: str, **content: Any) -> Any:
        request = urllib.request.Request(
            self._url + path, json.dumps(content).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)["value"]

    def open(self, url: str) -> None:
        self._post("/url", url=url)

    def run(self, script: str) -> Any:
        return self._post("/execute/sync", script=script, args=[])

    def close(self) -> None:
        urllib.request.urlopen(urllib.request.Request(self._url, method="DELETE"), timeout=30)


@contextmanager
def open_webkit(directory: Path, density: int) -> Iterator[WebKit]:
    """With so many device px for each CSS px."""
    display = random.SystemRandom().randrange(100, 30_000)
    socket = Path(f"/tmp/.X11-unix/X{display}")
    screen = ["Xvfb", f":{display}", "-screen", "0", SCREEN, "-nolisten", "tcp"]
    port = free_port()
    environment = os.environ | {
        "DISPLAY": f":{display}",
        "GDK_BACKEND": "x11",
        "GDK_SCALE": str(density),
        "HOME": str(directory),
    }
    driver = ["WebKitWebDriver", f"--port={port}"]
    url = f"http://127.0.0.1:{port}"
    with (
        running(screen, socket.stat),
        running(driver, lambda: ask_for(f"{url}/status"), env=environment),
    ):
        webkit = WebKit(url)
        try:
            yield webkit
        finally:
            webkit.close()
