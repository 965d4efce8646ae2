from __future__ import annotations

import errno
import socket
import threading
from contextlib import ExitStack
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest

from resizer.errors import Busy, ResizerError, SourceFailed, SourceTimedOut
from resizer.sources.deadline import FetchDeadline
from resizer.sources.web.gate import BoundSocket, Gate
from tests.hostile_server import hostile_server

if TYPE_CHECKING:
    from collections.abc import Callable

CLOSED = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.0.1",
    "168.63.129.16",
    "169.254.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::2",
    "::7f00:1",
    "::10.0.0.1",
    "::8.8.8.8",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:127.0.0.1",
    "::ffff:0:8.8.8.8",
    "64:ff9b::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::10.0.0.1",
    "64:ff9b:1::8.8.8.8",
    "2002:7f00:1::",
    "2002:a00:1::",
    "2002:808:808::",
    "2001:0:7f00:1::",
    "2001::5601:5601",
    "2001:20::1",
    "2001:db8::1",
    "3fff::1",
    "2606:4700::5efe:127.0.0.1",
    "2606:4700::200:5efe:10.0.0.1",
    "2606:4700::5efe:169.254.169.254",
    "100::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%2",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
    "5f00::1",
    "4000::1",
]
OPEN = [
    "1.1.1.1",
    "8.8.8.8",
    "93.184.216.34",
    "100.63.255.255",
    "100.128.0.1",
    "172.15.0.1",
    "172.32.0.1",
    "192.0.1.1",
    "223.255.255.255",
    "2606:4700::1111",
    "2a00:1450:4001::1",
    "2001:4860:4860::8888",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
    "2606:4700::5efe:8.8.8.8",
]


@pytest.mark.parametrize("address", CLOSED)
def test_address_that_is_not_on_the_internet_is_closed(address: str) -> None:
    assert not Gate().allows(ip_address(address))


@pytest.mark.parametrize("address", OPEN)
def test_address_on_the_internet_is_open(address: str) -> None:
    assert Gate().allows(ip_address(address))


@pytest.mark.parametrize(
    ("network", "opened", "closed"),
    [
        ("10.1.0.0/16", ["10.1.0.1", "::ffff:10.1.0.1", "64:ff9b::10.1.0.1"], ["10.2.0.1"]),
        ("::1/128", ["::1"], ["::", "::2", "127.0.0.1"]),
        ("fd00::/8", ["fd00::1"], ["fc00::1", "fd00::5efe:10.0.0.1"]),
        # Its IPv4 address is to be opened as well.
        ("2002::/16", ["2002:808:808::"], ["2002:7f00:1::"]),
    ],
)
def test_network_is_opened_and_no_other(network: str, opened: list[str], closed: list[str]) -> None:
    gate = Gate([network])
    assert all(gate.allows(ip_address(one)) for one in opened)
    assert not any(gate.allows(ip_address(one)) for one in closed)


def answers(*addresses: str) -> Callable[..., Any]:
    """A name server that says so, whatever it is asked."""

    def resolve(host: str, port: int, *_: object, **__: object) -> list[Any]:
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (one, port, 0, 0))
            if ":" in one
            else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port))
            for one in addresses
        ]

    return resolve


def test_one_closed_address_among_open_ones_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with hostile_server() as canary:
        monkeypatch.setattr(socket, "getaddrinfo", answers("127.0.0.2", "127.0.0.1"))
        with pytest.raises(SourceFailed, match=r"127\.0\.0\.1, an IP address not open"):
            Gate(["127.0.0.2"]).connect("mixed.example", canary.port, FetchDeadline(5), 5)
        assert canary.connections == 0


def test_next_address_is_tried_where_one_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    with hostile_server("127.0.0.3") as server:
        monkeypatch.setattr(socket, "getaddrinfo", answers("127.0.0.2", "127.0.0.3"))
        gate = Gate(["127.0.0.0/8"])
        with gate.connect("two.example", server.port, FetchDeadline(5), 5) as connection:
            assert connection.getpeername() == ("127.0.0.3", server.port)


@pytest.mark.parametrize(
    ("number", "raised"), [(errno.EAFNOSUPPORT, SourceFailed), (errno.EMFILE, Busy)]
)
def test_socket_that_the_system_refuses_does_not_hide_the_next_address(
    monkeypatch: pytest.MonkeyPatch, number: int, raised: type[ResizerError]
) -> None:
    class Refusing(BoundSocket):
        def __init__(self, family: int, *arguments: int) -> None:
            if family == socket.AF_INET6:
                raise OSError(number, "as without IPv6")
            super().__init__(family, *arguments)

    monkeypatch.setattr("resizer.sources.web.gate.BoundSocket", Refusing)
    with hostile_server() as server:
        monkeypatch.setattr(socket, "getaddrinfo", answers("::1", "127.0.0.1"))
        with Gate(["127.0.0.0/8", "::1"]).connect("a.example", server.port, FetchDeadline(5), 5):
            pass
        monkeypatch.setattr(socket, "getaddrinfo", answers("::1"))
        with pytest.raises(raised):
            Gate(["::1"]).connect("a.example", server.port, FetchDeadline(5), 5)


@pytest.mark.parametrize("addresses", [(), ("127.0.0.2",)])
def test_host_that_nobody_answers_for_has_failed(
    monkeypatch: pytest.MonkeyPatch, addresses: tuple[str, ...]
) -> None:
    with hostile_server("127.0.0.3") as server:
        monkeypatch.setattr(socket, "getaddrinfo", answers(*addresses))
        with pytest.raises(SourceFailed, match="cannot be connected to"):
            Gate(["127.0.0.0/8"]).connect("none.example", server.port, FetchDeadline(5), 5)


@pytest.mark.parametrize("host", ["no-such-name.invalid", "a" * 64 + ".example", "a..example"])
def test_host_without_an_address_has_failed(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    if host.endswith(".invalid"):

        def resolve(*_: object, **__: object) -> list[Any]:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(SourceFailed, match="has no address"):
        Gate().connect(host, 80, FetchDeadline(5), 5)


def test_shortage_of_descriptors_is_no_fault_of_a_host(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(*_: object, **__: object) -> list[Any]:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(Busy, match="short of descriptors"):
        Gate().connect("host.example", 80, FetchDeadline(5), 5)


def test_thread_that_cannot_be_had_is_no_fault_of_a_host(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(Busy, match="no thread can be started"):
        Gate().connect("host.example", 80, FetchDeadline(5), 5)


def test_connection_that_is_not_accepted_is_given_up() -> None:
    with ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            # A queue of none has room for one or two.
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        with pytest.raises(SourceTimedOut):
            Gate(["127.0.0.0/8"]).connect("127.0.0.1", full.getsockname()[1], FetchDeadline(5), 0.2)


def test_name_server_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    is_over = threading.Event()

    def resolve(*_: object, **__: object) -> list[Any]:
        is_over.wait(60)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(SourceTimedOut):
        Gate().connect("slow.example", 80, FetchDeadline(0.2), 5)
    assert not is_over.is_set()
    is_over.set()


def test_what_is_late_before_it_begins_is_not_begun() -> None:
    with pytest.raises(SourceTimedOut):
        FetchDeadline(0).remaining()
