"""Messages between a process and its child: two lengths, a head and a body.

The child gets pickles. It answers in JSON and plain bytes: it has read strangers' files, so nobody may unpickle its answers.
"""

from __future__ import annotations

import socket
import struct
import time
from typing import NamedTuple

_LENGTHS = struct.Struct("!II")
#: Longer heads are refused.
MAX_HEAD_BYTES = 100_000
_PIECE_BYTES = 1 << 20


class Message(NamedTuple):
    head: bytes
    body: bytes = b""


def send(
    connection: socket.socket,
    message: Message,
    *,
    descriptor: int | None = None,
    seconds: float | None = None,
) -> None:
    """Send a message, and with it an open file's `descriptor`. Raises OSError if the other end is gone or does not read."""
    connection.settimeout(seconds)
    lengths = _LENGTHS.pack(len(message.head), len(message.body))
    socket.send_fds(connection, [lengths], [] if descriptor is None else [descriptor])
    connection.sendall(message.head)
    if message.body:
        # After a message without a body, the other end may have ended. Sending even nothing would fail.
        connection.sendall(message.body)


def receive(
    connection: socket.socket, *, seconds: float | None = None, most_bytes: int = 0
) -> Message:
    """Receive a message with a body of at most `most_bytes`. A file sent with it is not taken.

    Raises EOFError if the other end is gone, TimeoutError after `seconds`, ValueError for a message longer than allowed.
    """
    return _receive_rest(connection, b"", seconds, most_bytes)


def receive_with_file(connection: socket.socket) -> tuple[Message, int]:
    """Receive a message without a body, and a descriptor; close it. Raises EOFError if no descriptor comes."""
    connection.settimeout(None)
    lengths, descriptors, _, _ = socket.recv_fds(connection, _LENGTHS.size, 1)
    if not descriptors:
        raise EOFError("no more files come")
    return _receive_rest(connection, lengths, None, 0), descriptors[0]


def _receive_rest(
    connection: socket.socket, begun: bytes, seconds: float | None, most_bytes: int
) -> Message:
    ends_at = None if seconds is None else time.monotonic() + seconds
    lengths = begun + _receive_bytes(connection, _LENGTHS.size - len(begun), ends_at)
    head_length, body_length = _LENGTHS.unpack(lengths)
    if head_length > MAX_HEAD_BYTES or body_length > most_bytes:
        raise ValueError(f"a message of {head_length} and {body_length} bytes")
    head = _receive_bytes(connection, head_length, ends_at)
    return Message(head, _receive_bytes(connection, body_length, ends_at))


def _receive_bytes(connection: socket.socket, count: int, ends_at: float | None) -> bytes:
    content = bytearray()
    while len(content) < count:
        if ends_at is not None:
            # With a timeout of 0 a socket does not wait, and raises BlockingIOError, not TimeoutError.
            connection.settimeout(max(0.001, ends_at - time.monotonic()))
        piece = connection.recv(min(_PIECE_BYTES, count - len(content)))
        if not piece:
            raise EOFError("the other end is gone")
        content += piece
    return bytes(content)
