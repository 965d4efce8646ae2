"""What a process and its child say to each other: a head and a body, each preceded by its length.

The child is told in pickles. It answers in JSON and plain bytes, because nobody may unpickle what a process says that
has read strangers' files.
"""

from __future__ import annotations

import socket
import struct
import time
from typing import NamedTuple

_LENGTHS = struct.Struct("!II")
#: No head is longer, …
MAX_HEAD_BYTES = 100_000
#: … and no variant.
MAX_BODY_BYTES = 500_000_000
_PIECE_BYTES = 1 << 20


class Message(NamedTuple):
    head: bytes
    body: bytes = b""
    #: A file that goes with it: the receiver closes it.
    descriptor: int | None = None


def send(connection: socket.socket, message: Message) -> None:
    """Raises OSError where the other end is gone."""
    descriptors = [] if message.descriptor is None else [message.descriptor]
    lengths = _LENGTHS.pack(len(message.head), len(message.body))
    socket.send_fds(connection, [lengths], descriptors)
    connection.sendall(message.head)
    connection.sendall(message.body)


def receive(connection: socket.socket, seconds: float | None = None) -> Message:
    """Raises EOFError where the other end is gone, TimeoutError when so many seconds are over, ValueError for nonsense."""
    ends_at = None if seconds is None else time.monotonic() + seconds
    connection.settimeout(seconds)
    lengths, descriptors, _, _ = socket.recv_fds(connection, _LENGTHS.size, 1)
    descriptor = descriptors[0] if descriptors else None
    lengths += _receive_bytes(connection, _LENGTHS.size - len(lengths), ends_at)
    head_length, body_length = _LENGTHS.unpack(lengths)
    if head_length > MAX_HEAD_BYTES or body_length > MAX_BODY_BYTES:
        raise ValueError(f"a message of {head_length} and {body_length} bytes")
    head = _receive_bytes(connection, head_length, ends_at)
    return Message(head, _receive_bytes(connection, body_length, ends_at), descriptor)


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
