"""A wire to a server, which can be cut in the middle of a request or of its answer."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator


class Fault(NamedTuple):
    """Cut it after so many bytes of every request that begins so, or of the answer to it."""

    request: str
    direction: str
    length: int  # bytes


class Wire:
    """Listens on loopback for those who are to believe that they talk to the server."""

    def __init__(self, server: str) -> None:
        self._server = urlsplit(server)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._is_over = threading.Event()
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.fault: Fault | None = None
        #: How often it has been cut.
        self.cuts = 0

    def run(self) -> None:
        with contextlib.ExitStack() as threads:
            while True:
                try:
                    client, _ = self._listener.accept()
                except OSError:
                    return
                thread = threading.Thread(target=self._carry, args=[client])
                thread.start()
                threads.callback(thread.join, 10)

    def close(self) -> None:
        self._is_over.set()
        # Closing alone would not wake who waits in `accept`.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _carry(self, client: socket.socket) -> None:
        server = socket.create_connection((self._server.hostname, self._server.port))
        with client, server, contextlib.suppress(OSError):
            others = {client: server, server: client}
            fault: Fault | None = None
            left = 0
            while not self._is_over.is_set():
                for start in select.select(list(others), [], [], 0.05)[0]:
                    chunk = start.recv(65_536)
                    if not chunk:
                        return
                    direction = "request" if start is client else "answer"
                    wanted = self.fault
                    if wanted and start is client and chunk.startswith(wanted.request.encode()):
                        fault, left = wanted, wanted.length
                    # The server's leave to send the rest of a request is no answer.
                    is_counted = not chunk.startswith(b"HTTP/1.1 100")
                    if fault is not None and direction == fault.direction and is_counted:
                        left -= len(chunk)
                        if left <= 0:
                            self.cuts += 1
                            others[start].sendall(chunk[: len(chunk) + left])
                            return
                    others[start].sendall(chunk)


@contextmanager
def wire_to(server: str) -> Iterator[Wire]:
    wire = Wire(server)
    thread = threading.Thread(target=wire.run)
    thread.start()
    try:
        yield wire
    finally:
        wire.close()
        thread.join(10)
        assert not thread.is_alive()
