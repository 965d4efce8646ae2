"""Firefox without a window, by its own Marionette protocol: no driver is needed."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.servers import free_port, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROGRAMS = ("firefox-esr", "firefox")
#: Device px of the window: 1440 CSS px fit into it with three device px for each.
SIZE = {"MOZ_HEADLESS_WIDTH": "4400", "MOZ_HEADLESS_HEIGHT": "3000"}


class Firefox:
    """A connection. Messages are `length:json` (firefox-source-docs, Marionette Protocol)."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), 60)
        self._count = 0
        self._read()

    def close(self) -> None:
        self._socket.close()

    def _read(self) -> Any:
        length = b""
        while not length.endswith(b":"):
            received = self._socket.recv(1)
            if not received:
                raise OSError("Firefox has closed the connection")
            length += received
        content = b""
        while len(content) < int(length[:-1]):
            content += self._socket.recv(int(length[:-1]) - len(content))
        return json.loads(content)

    def call(self, name: str, **parameters: Any) -> Any:
        self._count += 1
        message = json.dumps([0, self._count, name, parameters])
        self._socket.sendall(f"{len(message.encode())}:{message}".encode())
        _, _, error, result = self._read()
        assert error is None, error
        return result

    def run(self, script: str) -> Any:
        return self.call("WebDriver:ExecuteScript", script=script, args=[])["value"]

    def set_density(self, density: float) -> None:
        """Device px for each CSS px."""
        self.call("Marionette:SetContext", value="chrome")
        self.run(f"Services.prefs.setCharPref('layout.css.devPixelsPerPx', '{density}')")
        self.call("Marionette:SetContext", value="content")


@contextmanager
def open_firefox(directory: Path) -> Iterator[Firefox]:
    """With a new profile in a directory."""
    port = free_port()
    (directory / "user.js").write_text(
        f'user_pref("marionette.port", {port});\n'
        'user_pref("datareporting.policy.dataSubmissionEnabled", false);\n'
        'user_pref("app.update.disabledForTesting", true);\n'
        'user_pref("browser.startup.page", 0);\n'
    )
    program = next(filter(None, map(shutil.which, PROGRAMS)))
    command = [program, "--headless", "--marionette", "--remote-allow-system-access"]
    environment = os.environ | SIZE | {"HOME": str(directory), "MOZ_CRASHREPORTER_DISABLE": "1"}

    def ask() -> None:
        with contextlib.closing(socket.create_connection(("127.0.0.1", port), 5)):
            pass

    command += ["--no-remote", "--profile", str(directory)]
    with running(command, ask, seconds=30, env=environment):
        firefox = Firefox(port)
        try:
            firefox.call("WebDriver:NewSession", capabilities={})
            yield firefox
        finally:
            firefox.close()
