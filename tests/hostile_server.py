"""A web server that does as it is told for each path, byte for byte, well or badly."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import unquote

from django.utils.http import http_date

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Stopped(Exception):
    """The client has gone, or the test is over."""


class Talk:
    """One request, and the connection on which it is answered."""

    def __init__(self, connection: socket.socket, head: str, is_over: threading.Event) -> None:
        self._connection = connection
        self._is_over = is_over
        request, *lines = head.split("\r\n")
        self.path = request.split(" ")[1]
        self.headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in lines)
        }

    def send(self, content: bytes) -> None:
        try:
            self._connection.sendall(content)
        except OSError as error:
            raise Stopped from error

    @property
    def is_over(self) -> bool:
        """Whether the client has gone."""
        try:
            return not self._connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def wait(self, seconds: float) -> None:
        """Until they have passed, or the test is over."""
        if self._is_over.wait(seconds):
            raise Stopped

    def hang(self) -> None:
        self.wait(60)

    def drip(self, content: bytes) -> None:
        """A byte at a time, for as long as the client listens."""
        for position in range(len(content)):
            self.send(content[position : position + 1])
            self.wait(0.05)
        self.hang()

    def answer(
        self, body: bytes = b"", status: str = "200 OK", length: int | None = None, **headers: str
    ) -> None:
        """With a Content-Length: the body's own, or another."""
        self.send(
            head(status, Content_Length=str(len(body) if length is None else length), **headers)
        )
        self.send(body)


def head(status: str = "200 OK", **headers: str) -> bytes:
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([f"HTTP/1.1 {status}", "Connection: close", *lines, "", ""]).encode(
        "latin-1"
    )


class HostileServer:
    """Listens on loopback; remembers what it was asked."""

    def __init__(self, host: str, port: int) -> None:
        #: What each path does; others are not found.
        self.behaviours: dict[str, Callable[[Talk], None]] = {}
        self.talks: list[Talk] = []
        #: How often anybody has connected.
        self.connections = 0
        self.host = host
        self._is_over = threading.Event()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family)
        self.port: int = self._listener.getsockname()[1]
        self.context: ssl.SSLContext | None = None

    @property
    def url(self) -> str:
        scheme = "http" if self.context is None else "https"
        return f"{scheme}://{self.host}:{self.port}/"

    @property
    def paths(self) -> list[str]:
        return [talk.path for talk in self.talks]

    def on(self, path: str, behaviour: Callable[[Talk], None]) -> None:
        self.behaviours[path] = behaviour

    def put(self, path: str, body: bytes, **headers: str) -> None:
        """A well-behaved file, which knows conditional requests."""

        def serve(talk: Talk) -> None:
            if "ETag" in headers and talk.headers.get("if-none-match") == headers["ETag"]:
                talk.send(head("304 Not Modified", **headers))
                return
            talk.answer(body, length=None, **headers)

        self.on(path, serve)

    def serve_directory(self, directory: Path) -> None:
        """Whatever is in it now, under its own name, with the modification time as ETag."""

        def serve(talk: Talk) -> None:
            path = directory.parent / unquote(talk.path.lstrip("/"))
            if not path.is_file():
                talk.answer(status="404 Not Found")
                return
            status = path.stat()
            modified = http_date(status.st_mtime)
            talk.answer(path.read_bytes(), ETag=f'"{status.st_mtime_ns}"', Last_Modified=modified)

        self.behaviours[""] = serve

    def run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._talk, args=[connection], daemon=True).start()

    def close(self) -> None:
        self._is_over.set()
        # Closing alone would not wake who waits in `accept`.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _talk(self, connection: socket.socket) -> None:
        with connection:
            try:
                if self.context is not None:
                    connection = self.context.wrap_socket(connection, server_side=True)
                received = b""
                while b"\r\n\r\n" not in received:
                    chunk = connection.recv(65_536)
                    if not chunk:
                        return
                    received += chunk
                talk = Talk(connection, received.decode("latin-1").strip(), self._is_over)
                self.talks.append(talk)
                path = talk.path.partition("?")[0]
                behaviour = self.behaviours.get(path) or self.behaviours.get("", _not_found)
                behaviour(talk)
            except (OSError, Stopped):
                return
            finally:
                connection.close()


def _not_found(talk: Talk) -> None:
    talk.answer(status="404 Not Found")


@contextmanager
def hostile_server(host: str = "127.0.0.1", port: int = 0) -> Iterator[HostileServer]:
    server = HostileServer(host, port)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join(10)
        assert not thread.is_alive()
