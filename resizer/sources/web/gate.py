"""Check IP addresses, at the moment of connecting to them.

A host is resolved once, every address is checked, and the socket connects to a checked address. So a name server, a redirect
or a second parser cannot change the target after the check.
"""

from __future__ import annotations

import queue
import socket
import threading
from contextlib import ExitStack, closing
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import TYPE_CHECKING, Any, TypeAlias

from resizer.errors import Busy, SourceFailed, SourceTimedOut
from resizer.scratch import raise_shortage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from resizer.sources.deadline import FetchDeadline

Address: TypeAlias = IPv4Address | IPv6Address

# IANA's special-purpose registries (RFC 6890 and its successors), written out: `is_global` of Python changes from
# release to release, and calls multicast, 6to4 relays, translated and tunnelled addresses public.
_CLOSED = tuple(
    ip_network(one)
    for one in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT; metadata of Alibaba Cloud
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # the virtual host of Azure
        "169.254.0.0/16",  # link-local; metadata of most clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocols; metadata of Oracle Cloud
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
        "2001::/23",  # protocols: Teredo, ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
    )
)
#: All addresses of hosts on the Internet. Other IPv6 addresses are local, special or unassigned.
_GLOBAL_UNICAST = ip_network("2000::/3")
#: Packets go to the IPv4 address in the last 32 bits: mapped, and translated by NAT64 (RFC 6052).
_TRANSPARENT = (ip_network("::ffff:0:0/96"), ip_network("64:ff9b::/96"))
#: The last 32 bits are an IPv4 address too: compatible, translated (RFC 2765), and local NAT64.
_CARRYING = (
    *_TRANSPARENT,
    ip_network("::/96"),
    ip_network("::ffff:0:0:0/96"),
    ip_network("64:ff9b:1::/48"),
)
_6TO4 = ip_network("2002::/16")
_TEREDO = ip_network("2001::/32")
#: The middle of an ISATAP address, without the bit for a unique address (RFC 5214 §6.1).
_ISATAP = 0x0000_5EFE
_NOT_UNIQUE = 0xFDFF_FFFF
_LOCAL = (IPv6Address("::"), IPv6Address("::1"))


class BoundSocket(socket.socket):
    """A connection. Each read ends by the deadline."""

    deadline: FetchDeadline

    def recv_into(self, *arguments: Any) -> int:
        with self.deadline.bounding(self):
            return super().recv_into(*arguments)


class Gate:
    """Open to the Internet, and to `networks` beside it, such as "10.1.0.0/16"."""

    def __init__(self, networks: Iterable[str] = ()) -> None:
        """Raises ValueError for a network `ip_network` does not take."""
        self._networks: list[IPv4Network | IPv6Network] = [ip_network(one) for one in networks]

    def allows(self, address: Address) -> bool:
        """Whether to connect to an address: it is public, or in `networks`.

        Every IPv4 address embedded in an IPv6 address must be allowed too. A mapped or NAT64 address needs nothing more.
        """
        if isinstance(address, IPv6Address):
            if not all(self.allows(one) for one in carried(address)):
                return False
            if any(address in network for network in _TRANSPARENT):
                return True
        return any(address in network for network in self._networks) or _is_public(address)

    def connect(self, host: str, port: int, deadline: FetchDeadline, seconds: float) -> BoundSocket:
        """Connect to a host. `seconds` limit each attempt; later reads end by the deadline.

        Raises SourceFailed, also if only one of several addresses is not allowed; SourceTimedOut; Busy.
        """
        answers = _resolve(host, port, deadline)
        for *_, address in answers:
            self._refuse_closed(host, address)
        problem: OSError | None = None
        for family, kind, protocol, _, address in answers:
            with ExitStack() as stack:
                try:
                    # Without IPv6, the system refuses even the socket. There may be an IPv4 address too.
                    connection = stack.enter_context(closing(BoundSocket(family, kind, protocol)))
                    connection.settimeout(min(seconds, deadline.remaining()))
                    connection.connect(address)
                    self._refuse_closed(host, connection.getpeername())
                except OSError as error:
                    problem = error
                    continue
                # For the TLS handshake, a single call.
                connection.settimeout(deadline.remaining())
                connection.deadline = deadline
                stack.pop_all()
                return connection
        if problem is not None:
            raise_shortage(problem)
        kind_of_failure = SourceTimedOut if isinstance(problem, TimeoutError) else SourceFailed
        raise kind_of_failure(f"{host!r} cannot be connected to: {problem!r}") from problem

    def _refuse_closed(self, host: str, address: tuple[Any, ...]) -> None:
        found = ip_address(address[0])
        if not self.allows(found):
            raise SourceFailed(f"{host!r} is {found}, an IP address not open to us")


def carried(address: IPv6Address) -> list[IPv4Address]:
    """The IPv4 addresses embedded in an IPv6 address: packets may go there."""
    number = int(address)
    low = number & 0xFFFF_FFFF
    found = []
    is_isatap = (number >> 32) & _NOT_UNIQUE == _ISATAP
    if is_isatap or (address not in _LOCAL and any(address in network for network in _CARRYING)):
        found.append(low)
    if address in _6TO4:
        found.append((number >> 80) & 0xFFFF_FFFF)
    if address in _TEREDO:
        # The server, and the client with all bits inverted (RFC 4380 §4).
        found += [(number >> 64) & 0xFFFF_FFFF, low ^ 0xFFFF_FFFF]
    return [IPv4Address(one) for one in found]


def _is_public(address: Address) -> bool:
    if address.version == 6 and address not in _GLOBAL_UNICAST:
        return False
    return not any(address in network for network in _CLOSED)


def _resolve(host: str, port: int, deadline: FetchDeadline) -> list[Any]:
    """Resolve a host, in a thread: only so can the deadline end a slow look-up. Raises SourceFailed, SourceTimedOut, Busy."""
    answers: queue.SimpleQueue[list[Any] | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, ValueError) as error:
            answers.put(error)

    try:
        threading.Thread(target=ask, name="resizer-resolve", daemon=True).start()
    except RuntimeError as error:
        raise Busy(f"no thread can be started: {error}") from error
    try:
        found = answers.get(timeout=deadline.remaining())
    except queue.Empty as error:
        raise deadline.missed() from error
    if isinstance(found, Exception):
        raise_shortage(found)
        raise SourceFailed(f"{host!r} has no address: {found!r}") from found
    return found
