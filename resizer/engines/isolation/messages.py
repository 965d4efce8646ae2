"""What a process and its child say to each other: the lengths of a head and of a body, then both.

The child is told in pickles. It answers in JSON and plain bytes, because nobody may unpickle what a process says that
has read strangers' files.
"""

from __future__ import annotations

import socket
import struct
import time
from typing import NamedTuple

_LENGTHS = struct.Struct("!II")
#: No head is longer.
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
    """`descriptor` is a file that goes with it. Raises OSError where the other end is gone, or does not listen."""
    connection.settimeout(seconds)
    lengths = _LENGTHS.pack(len(message.head), len(message.body))
    socket.send_fds(connection, [lengths], [] if descriptor is None else [descriptor])
    connection.sendall(message.head)
    if message.body:
        # Nothing cannot be sent to who has heard all and ended since.
        connection.sendall(message.body)


def receive(
    connection: socket.socket, *, seconds: float | None = None, most_bytes: int = 0
) -> Message:
    """A message, of which the body has no more than so many bytes. A file that comes with it is not taken.

    Raises EOFError where the other end is gone, TimeoutError when so many seconds are over, ValueError for nonsense.
    """
    return _receive_rest(connection, b"", seconds, most_bytes)


def receive_with_file(connection: socket.socket) -> tuple[Message, int]:
    """A message without a body, and the descriptor that comes with it, which is to be closed. Raises EOFError."""
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
            # At nothing a socket would not wait at all, and say so in another class.
            connection.settimeout(max(0.001, ends_at - time.monotonic()))
        piece = connection.recv(min(_PIECE_BYTES, count - len(content)))
        if not piece:
            raise EOFError("the other end is gone")
        content += piece
    return bytes(content)
