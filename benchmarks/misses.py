"""What a visitor waits for a new variant: `make bench-misses`.

Milliseconds on the clock, the median: from the request to the last byte, and outside of decoding and encoding. Once
with the response before the variant is stored, and once after it, in turns. On the local disk, and in a bucket of
moto's server. gunicorn with two processes of four threads, SQLite as database, an idle machine.
"""

from __future__ import annotations

import http.client
import re
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from tests.pictures import photograph
from tests.servers import ROOT, gunicorn_server, manage, moto_server, s3_with

ROUNDS = 60
WIDTH = 640
SIZE = (4000, 3000)
MODES = ("last", "first")
BUCKET = {
    "AWS_ACCESS_KEY_ID": "benchmarks",
    "AWS_SECRET_ACCESS_KEY": "benchmarks",
    "AWS_DEFAULT_REGION": "us-east-1",
}


class Taken(NamedTuple):
    """Milliseconds."""

    total: float
    #: Neither decoding nor encoding.
    outside: float


def main() -> None:
    content = photograph(SIZE)
    with ExitStack() as stack:
        moto = stack.enter_context(moto_server())
        s3_with(moto, *(f"variants-{mode}" for mode in MODES))
        print(f"{SIZE[0]} x {SIZE[1]} px to {WIDTH} px in JPEG, {ROUNDS} rounds in turns")
        for place in ("local disk", "bucket"):
            with ExitStack() as servers:
                addresses = {}
                for mode in MODES:
                    directory = Path(servers.enter_context(tempfile.TemporaryDirectory()))
                    variables = {"BENCH_RESPOND": mode}
                    if place == "bucket":
                        bucket = {"RESIZER_VARIANTS_BUCKET": f"variants-{mode}"}
                        variables |= {**BUCKET, **bucket, "AWS_ENDPOINT_URL": moto}
                    environment = fill(directory, content, variables)
                    addresses[mode], _ = servers.enter_context(
                        gunicorn_server(environment, processes=2, threads=4)
                    )
                show(place, measure(addresses))


def fill(directory: Path, content: bytes, variables: dict[str, str]) -> dict[str, str]:
    """A project with an original for each round; gives its environment."""
    environment = {
        "DJANGO_SETTINGS_MODULE": "benchmarks.misses_settings",
        "DJANGO_SECRET_KEY": "for measuring only",
        "DJANGO_ALLOWED_HOSTS": "127.0.0.1",
        "DJANGO_LOG_LEVEL": "CRITICAL",
        "RESIZER_OPEN": "default",
        "RESIZER_DATA_DIR": str(directory),
        **variables,
    }
    manage(ROOT, environment, "migrate")
    (directory / "originals").mkdir()
    for number in range(ROUNDS):
        (directory / "originals" / f"{number}.jpg").write_bytes(content)
    return environment


def measure(addresses: dict[str, str]) -> dict[str, list[Taken]]:
    """Each round asks each server for a variant of an original that it knows."""
    taken: dict[str, list[Taken]] = {mode: [] for mode in MODES}
    for number in range(ROUNDS):
        order = MODES if number % 2 else MODES[::-1]
        for mode in order:
            # Describes the original, and has the libraries loaded.
            visit(addresses[mode], f"/img/16/{number}.jpg")
            time.sleep(0.05)
            taken[mode].append(visit(addresses[mode], f"/img/{WIDTH}/{number}.jpg"))
            # What comes after the response is not the next one's to wait for.
            time.sleep(0.15)
    return taken


def visit(address: str, path: str) -> Taken:
    connection = http.client.HTTPConnection(urlsplit(address).netloc)
    connection.connect()
    started = time.perf_counter()
    connection.request("GET", path, headers={"Accept": "image/jpeg"})
    response = connection.getresponse()
    response.read()
    total = (time.perf_counter() - started) * 1000
    connection.close()
    assert response.status == 200, response.status
    timing = response.headers["Server-Timing"]
    engine = sum(map(float, re.findall(r"(?:decode|encode);dur=([\d.]+)", timing)))
    return Taken(total, total - engine)


def show(place: str, taken: dict[str, list[Taken]]) -> None:
    for mode, times in taken.items():
        total = statistics.median(one.total for one in times)
        outside = statistics.median(one.outside for one in times)
        least = min(one.outside for one in times)
        print(
            f"{place:10}  response {mode:5}  {total:6.1f} ms, outside of the engine {outside:5.1f} ms, at least {least:5.1f}"
        )


if __name__ == "__main__":
    main()
