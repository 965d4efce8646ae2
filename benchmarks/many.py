"""What grows with the number of variants: `make bench-many`.

1,000 variants with their files and rows in SQLite, then ten times as many, up to a million. After each step, CPU and
memory of requests, tags, pages of the admin and commands, each in a process of its own. All variants are links to one
file, and so are all originals. So a million take little room, and a few minutes. The directory is in memory if there is room.

To choose the last number: python -m benchmarks.many 100000
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import django
from django.conf import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EACH = (320, 480, 640, 720, 800, 1080, 1200, 1366, 1600, 1920)  # widths of an original, px
STEPS = (1000, 10_000, 100_000, 1_000_000)
#: The originals that get a request and a tag.
SAMPLE = 500
#: A link to a file takes up to 2 KB in memory, with its directories.
ROOM = 4_000_000_000
COMMANDS = {
    "`resizer_stats`": ["resizer_stats"],
    "`resizer_sync --dry-run`": ["resizer_sync", "--dry-run", "--force"],
    "`resizer_purge --dry-run`": ["resizer_purge", "--dry-run", "--force"],
}
PAGES = {
    "admin, list of variants": "/admin/resizer/cachedvariant/",
    "… the same again": "/admin/resizer/cachedvariant/",
    "admin, list of originals": "/admin/resizer/original/",
    "admin, page of an original": "/admin/resizer/original/{}/change/",
}


def _place() -> Path:
    memory = Path("/dev/shm")
    has_room = memory.is_dir() and shutil.disk_usage(memory).free > ROOM
    return Path(tempfile.mkdtemp(prefix="resizer-many-", dir=memory if has_room else None))


#: Each measurement is a process of its own, in the directory of the first one.
PLACE = Path(os.environ.get("BENCHMARK_PLACE") or _place())

os.environ.update(
    RESIZER_DATA_DIR=str(PLACE),
    DJANGO_SETTINGS_MODULE="config.settings",
    DJANGO_SECRET_KEY="for measuring only",
    DJANGO_ALLOWED_HOSTS="127.0.0.1",
    DJANGO_LOG_LEVEL="CRITICAL",
)
# One variant is rendered. On a busy machine, child processes may get no time for it.
settings.RESIZER["ISOLATION"] = False
django.setup()

from django.contrib.auth.models import User  # noqa: E402  # settings come first
from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import connection, models  # noqa: E402
from django.template import Context, Template  # noqa: E402
from django.test import Client, RequestFactory  # noqa: E402
from django.utils import timezone  # noqa: E402

import resizer  # noqa: E402
import resizer.wsgi  # noqa: E402
from benchmarks import tables  # noqa: E402
from benchmarks.originals import PHOTOGRAPHS  # noqa: E402
from resizer import originals  # noqa: E402
from resizer.keys.variant import Recipe  # noqa: E402
from resizer.links.mount import mount_path  # noqa: E402
from resizer.links.signing import signed_stem  # noqa: E402
from resizer.markup import picture  # noqa: E402
from resizer.models import CachedVariant, Original  # noqa: E402
from resizer.records.descriptions import version_of  # noqa: E402


class Cost(NamedTuple):
    #: Seconds for a command or a page, microseconds for a request or a tag.
    cpu: float
    megabytes: float


def name_of(number: int) -> str:
    return f"photos/{number // 1000:03}/{number:07}.jpg"


def prepare() -> None:
    """The database, an original, and one of its variants, to which the others are links."""
    call_command("migrate", verbosity=0)
    User.objects.create_superuser("admin")
    first = PLACE / "originals" / name_of(0)
    first.parent.mkdir(parents=True)
    shutil.copy(min(PHOTOGRAPHS.glob("*.jpg")), first)
    client = Client(headers={"host": "127.0.0.1"})
    assert client.get(picture.url(name_of(0), width=320, format="avif")).status_code == 200
    CachedVariant.objects.all().delete()


def fill(start: int, end: int) -> None:
    """Files and rows of the variants from one number to another. One original in fifty has a former version."""
    description = originals.look_up(name_of(0))
    first = PLACE / "originals" / name_of(0)
    (made,) = sorted((PLACE / "variants").rglob("*.avif"))[:1]
    length, now = made.stat().st_size, timezone.now()
    current = version_of(description.fingerprint, Recipe())
    for begun in range(max(1, start // len(EACH)), end // len(EACH), 1000):
        numbers = range(begun, min(begun + 1000, end // len(EACH)))
        for number in numbers:
            link(first, PLACE / "originals" / name_of(number))
        columns = {
            "fingerprint": description.fingerprint,
            "checked_at": now,
            **{**description.header._asdict(), "format": description.header.format.name},
        }
        insert([Original(name=name_of(number), **columns) for number in numbers])
        pks = dict(
            Original.objects.filter(name__in=[name_of(one) for one in numbers]).values_list(
                "name", "pk"
            )
        )
        rows = []
        for number in numbers:
            version = "00000000" if number % 50 == 0 else current
            stem = signed_stem("default", name_of(number), version, Recipe())
            directory = PLACE / "variants" / stem
            directory.mkdir(parents=True)
            for width in EACH:
                os.link(made, directory / f"{width}.avif")
                rows.append(
                    CachedVariant(
                        original_id=pks[name_of(number)],
                        key=f"{stem}{width}.avif",
                        width=width,
                        height=width * 3 // 4,
                        format="avif",
                        bytes=length,
                        created_at=now - timedelta(minutes=number % 500_000),
                        render_ms=number % 900,
                    )
                )
        insert(rows)


def link(target: Path, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    os.link(target, path)


def insert(rows: list[models.Model]) -> None:
    """Write rows by one statement, in a third of the time of `bulk_create`."""
    fields = [one for one in rows[0]._meta.concrete_fields if not one.primary_key]
    names = ", ".join(f'"{one.column}"' for one in fields)
    marks = ", ".join(["%s"] * len(fields))
    values = [
        [one.get_db_prep_save(getattr(row, one.attname), connection) for one in fields]
        for row in rows
    ]
    with connection.cursor() as cursor:
        table = rows[0]._meta.db_table
        cursor.executemany(f'INSERT INTO "{table}" ({names}) VALUES ({marks})', values)


def sample() -> list[Original]:
    """Originals from the whole table."""
    pks = list(Original.objects.order_by("pk").values_list("pk", flat=True))
    chosen = pks[1 :: max(1, len(pks) // SAMPLE)]
    rows = Original.objects.in_bulk(chosen).values()
    return [row for row in rows if int(row.name[-11:-4]) % 50]


def measure_hit() -> float:
    """CPU µs of a hit in the WSGI application."""
    application = resizer.wsgi.wrap(get_wsgi_application())
    requests = RequestFactory(headers={"host": "127.0.0.1"})
    urls = [picture.url(row, width=320, format="avif") for row in sample()]
    assert urls[0].startswith(mount_path())

    def visit(url: str) -> None:
        status: list[str] = []
        response = application(requests.get(url).environ, lambda line, _: status.append(line))
        b"".join(response)
        getattr(response, "close", bool)()
        assert status == ["200 OK"], (url, status)

    for url in urls:
        # The first one reads the file and the row.
        visit(url)
    return least(lambda: [visit(url) for url in urls], len(urls))


def measure_tag() -> float:
    """CPU µs of a tag, after one `prefetch` for a page of them."""
    rows = sample()[:100]
    template = Template(
        '{% load resizer %}{% for row in rows %}{% resized_img row alt="A" %}{% endfor %}'
    )
    return least(lambda: template.render(Context({"rows": rows})), len(rows))


def least(act: Callable[[], object], number: int) -> float:
    costs = []
    for _ in range(7):
        before = time.process_time()
        act()
        costs.append((time.process_time() - before) / number * 1e6)
    return min(costs)


def visit_page(path: str) -> None:
    client = Client(headers={"host": "127.0.0.1"})
    client.force_login(User.objects.get())
    pk = Original.objects.order_by("-pk").values_list("pk", flat=True)[0]
    assert client.get(path.format(pk)).status_code == 200


def run(name: str) -> None:
    """Do one thing, and tell its cost if it is not that of the process."""
    if name in COMMANDS:
        call_command(*COMMANDS[name], stdout=open(os.devnull, "w"))  # noqa: SIM115  # until the end
    elif name in PAGES:
        visit_page(PAGES[name])
    elif name in REQUESTS:
        print(json.dumps(REQUESTS[name]()))
    elif name == "prepare":
        prepare()
    else:
        fill(*map(int, name.split("-")))


REQUESTS = {"a hit, µs": measure_hit, "a tag, µs": measure_tag}
NOTHING = "start of Python and Django"


def measure(name: str) -> Cost:
    """Run this in a process of its own."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "benchmarks.many", name],
            env={**os.environ, "BENCHMARK_PLACE": str(PLACE)},
            stdout=output,
        )
        _pid, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        # A command tells with 1 that there is something to do.
        assert process.returncode in ({0, 1} if name in COMMANDS else {0}), name
        output.seek(0)
        told = output.read()
    seconds = json.loads(told) if name in REQUESTS else usage.ru_utime + usage.ru_stime
    return Cost(seconds, usage.ru_maxrss / 1024)


def step(names: list[str], start: int, end: int) -> Iterator[tuple[str, Cost]]:
    begun = time.monotonic()
    measure(f"{start}-{end}")
    print(f"{end:,} variants written in {time.monotonic() - begun:.0f} s", file=sys.stderr)
    for name in names:
        yield name, measure(name)


def main(last: int) -> None:
    # The processes inherit the memory of this one until they have started.
    print(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB here", file=sys.stderr)
    measure("prepare")
    names = [*REQUESTS, *PAGES, *COMMANDS]
    steps = [one for one in STEPS if one <= last]
    found: dict[str, list[Cost]] = {name: [] for name in names}
    for start, end in zip((0, *steps), steps, strict=False):
        for name, cost in step(names, start, end):
            found[name].append(cost)
            print(f"{end:>9,} {name:32} {cost.cpu:8.2f} {cost.megabytes:6.0f} MB", file=sys.stderr)
    rows = []
    for name in names:
        digits = 0 if name in REQUESTS else 1
        cells = [f"{one.cpu:.{digits}f} / {one.megabytes:.0f}" for one in found[name]]
        rows.append([name, *cells])
    tables.publish(["", *(f"{one:,}" for one in steps)], rows)


if __name__ == "__main__":
    argument = sys.argv[1] if len(sys.argv) > 1 else str(STEPS[-1])
    if "BENCHMARK_PLACE" in os.environ:
        run(argument)
    else:
        try:
            main(int(argument))
        finally:
            shutil.rmtree(PLACE)
