"""What URLs cost that strangers and old pages send, beside a hit of the same server. Nearly all of them are different."""

from __future__ import annotations

import os
import time
from http.client import HTTPConnection
from multiprocessing import get_context
from typing import TYPE_CHECKING, NamedTuple

from benchmarks import tables
from benchmarks.peers.starts import IS_LOOK, QUALITIES, WIDTH, Server, ask_project
from benchmarks.served import Load, ask
from tests.processes import processor_seconds

if TYPE_CHECKING:
    from pathlib import Path

#: The originals of old pages, and the broken ones.
WHOLE, BROKEN = (4, 2) if IS_LOOK else (40, 10)
ROUNDS = 1 if IS_LOOK else 4
REQUESTS = 1000
WARM_UP = 200


class Costs(NamedTuple):
    #: CPU milliseconds of a hit, then of each kind of request.
    by_kind: dict[str, float]
    #: Rows of originals and variants, and files of variants: what has come since the former versions were first asked for.
    written: list[int]


def write_originals(directory: Path) -> None:
    """Originals of old pages: links to one photograph. The broken ones end too early."""
    for number in range(WHOLE):
        os.link(directory / "warm.jpg", directory / f"page-{number}.jpg")
    content = (directory / "warm.jpg").read_bytes()
    for number in range(BROKEN):
        (directory / f"broken-{number}.jpg").write_bytes(content[: len(content) // 3])


def measure_strangers(servers: list[Server]) -> dict[str, Costs]:
    costs: dict[str, dict[str, float]] = {server.name: {} for server in servers}
    loads = {server.name: loads_of(server) for server in servers}
    before: dict[str, list[int]] = {}
    with get_context("spawn").Pool(1) as client:
        for server in servers:
            # Visitors have asked for the current variants, one at a time. Then both processes learn the originals.
            for path in loads[server.name]["printed"].paths:
                make(server.port, path)
            for load in loads[server.name].values():
                client.apply(ask, (server.port, load, 8 * WHOLE))
            # The last variants are stored after their response.
            time.sleep(2)
            before[server.name] = ask_project(server.environment, "count")
        for number in range(ROUNDS):
            for kind in loads[servers[0].name]:
                for server in servers:
                    load = loads[server.name][kind]
                    fresh = 8 * WHOLE + number * (REQUESTS + WARM_UP)
                    client.apply(ask, (server.port, from_place(load, fresh), WARM_UP))
                    begun = processor_seconds(server.pid)
                    client.apply(ask, (server.port, from_place(load, fresh + WARM_UP), REQUESTS))
                    spent = processor_seconds(server.pid) - begun
                    of_server = costs[server.name]
                    of_server[kind] = of_server.get(kind, 0) + spent * 1000 / REQUESTS / ROUNDS
    return {
        server.name: Costs(
            costs[server.name],
            [
                after - former
                for former, after in zip(
                    before[server.name], ask_project(server.environment, "count"), strict=True
                )
            ],
        )
        for server in servers
    }


def make(port: int, path: str) -> None:
    """Ask for a variant until it is there."""
    for _ in range(100):
        connection = HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        connection.close()
        if response.status == 200:
            return
        time.sleep(0.2)
    raise AssertionError(path)


def loads_of(server: Server) -> dict[str, Load]:
    number = 8 * WHOLE + ROUNDS * (REQUESTS + WARM_UP)
    found = ask_project(server.environment, "strangers", WIDTH, number, WHOLE, BROKEN)
    loads = {kind: Load("", one["status"], paths=one["paths"]) for kind, one in found.items()}
    printed = loads.pop("printed")
    # Visitors come first.
    return {"printed": printed, "hit": Load(server.path("warm", QUALITIES[2]), 200), **loads}


def from_place(load: Load, place: int) -> Load:
    if not load.paths:
        return load
    start = place % len(load.paths)
    return load._replace(paths=[*load.paths[start:], *load.paths[:start]])


def show_strangers(found: dict[str, Costs]) -> None:
    kinds = [kind for kind in next(iter(found.values())).by_kind if kind not in {"hit", "printed"}]
    rows = []
    for name, costs in found.items():
        hit = costs.by_kind["hit"]
        cells = [f"{costs.by_kind[one]:.2f} ({costs.by_kind[one] / hit:.1f} ×)" for one in kinds]
        rows.append([name.strip(), f"{hit:.2f}", *cells])
    tables.publish(["server", "hit", *kinds], rows)
    written = {name: costs.written for name, costs in found.items()}
    print("Rows of originals, rows of variants and files written meanwhile:", written)
