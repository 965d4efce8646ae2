"""A server of several processes is given every hostile file as an original."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import warnings
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

import pytest
from PIL import Image

from resizer.conf import read_settings
from resizer.formats import BY_EXTENSION, SNIFF_BYTES, WEBP, sniff
from resizer.keys.geometry import height_of
from resizer.keys.variant import Fit, Recipe, Variant, parse_key, write_key
from resizer.links.signing import sign
from tests.conftest import files
from tests.hostile_files import EPS, HTML, OK, PNG_START, REFUSED, hostile_files
from tests.nginx import Reply, ask
from tests.pictures import decode
from tests.processes import peak, processor_seconds, tree, watched
from tests.servers import ROOT, gunicorn_server, manage

if TYPE_CHECKING:
    from pathlib import Path

#: How long any answer may take: processor time of the whole server, seconds. The clock would tell of others at work.
SECONDS = 6
#: One is asked for after the other, so that time and memory are those of one.
PROCESSES, THREADS = 2, 1
#: What a child process takes beside the pixels that it decodes: image libraries, files and variants, megabytes.
BESIDE = 192
#: What a process of the server takes to hand a file to its child, and a variant to its visitor, megabytes.
SERVING = 64
#: What other programs would be started for: PostScript, and whatever ImageMagick and its like hand on.
PROGRAMS = (
    *("gs", "gswin64c", "ghostscript", "convert", "magick", "mogrify", "identify", "inkscape"),
    *("rsvg-convert", "ffmpeg", "dcraw", "potrace", "curl", "wget", "djpeg", "ps2pdf", "sh-harm"),
)


class Asked(NamedTuple):
    name: str
    reply: Reply
    seconds: float


class Outcome(NamedTuple):
    """What became of all of them."""

    #: The short URL of each.
    stills: list[Asked]
    #: A crop or a moving variant of each.
    others: list[Asked]
    stored: dict[str, bytes]
    #: Where the files are.
    originals: Path
    pids_before: set[int]
    pids_after: set[int]
    #: The most that each process has held, bytes, by its pid: those of the server …
    peaks: dict[int, int]
    #: … before the first file, …
    idle: dict[int, int]
    #: … and its children, which do not all live to the end.
    peaks_of_children: dict[int, int]
    started: list[str]


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    directory = tmp_path_factory.mktemp("hostile")
    programs = _trap(directory)
    environment = {
        "DJANGO_SETTINGS_MODULE": "tests.hostile_settings",
        "DJANGO_SECRET_KEY": "for tests only",
        "DJANGO_ALLOWED_HOSTS": "127.0.0.1",
        "RESIZER_OPEN": "default",
        "MALLOC_ARENA_MAX": "2",
        "PATH": f"{programs}:{os.environ['PATH']}",
        "RESIZER_DATA_DIR": str(directory),
        "TESTS_LOCKS": str(directory / "locks"),
    }
    manage(ROOT, environment, "migrate")
    originals = directory / "originals"
    command = [sys.executable, "-m", "tests.hostile_files", str(originals)]
    subprocess.run(command, cwd=ROOT, check=True)
    names = [file.name for file in hostile_files()]
    with gunicorn_server(environment, processes=PROCESSES, threads=THREADS) as (address, parent):
        pids_before = tree(parent.pid)
        idle = {pid: peak(pid) for pid in pids_before}
        taken = processor_seconds(parent.pid)

        def ask_for(name: str, path: str) -> Asked:
            nonlocal taken
            before = taken
            reply = _follow(f"{address}/img/{path}")
            taken = processor_seconds(parent.pid)
            return Asked(name, reply, taken - before)

        with watched(parent.pid) as seen:
            # Both of one at once: what is refused is known for a while, and no second child ends with it.
            asked = [
                (ask_for(name, f"640/{name}"), ask_for(name, _other_key(name))) for name in names
            ]
        pids_after = tree(parent.pid)
    variants = directory / "variants"
    return Outcome(
        [still for still, _ in asked],
        [other for _, other in asked],
        {key: (variants / key).read_bytes() for key in files(variants)},
        originals,
        pids_before,
        pids_after,
        {pid: peak for pid, peak in seen.peaks.items() if pid in pids_before},
        idle,
        {pid: peak for pid, peak in seen.peaks.items() if pid not in pids_before},
        _marks(directory),
    )


def _follow(url: str) -> Reply:
    reply = ask(url)
    while reply.status == 302:
        reply = ask(url[: url.index("/img/")] + reply.headers["Location"])
    return reply


def _other_key(name: str) -> str:
    """A moving variant, else a crop, of a version that nobody knows: it leads to the current one."""
    moves = name.endswith((".gif", ".webp", ".png", ".avif"))
    recipe = Recipe(animated=True) if moves else Recipe(ratio=(3, 2), fit=Fit.COVER)
    found = WEBP if moves else BY_EXTENSION["jpg"]
    variant = Variant(
        source="default", name=name, version="00000000", width=320, format=found, recipe=recipe
    )
    return write_key(variant, sign(variant))


def _trap(directory: Path) -> Path:
    """Programs that leave a mark."""
    programs = directory / "programs"
    programs.mkdir()
    for name in PROGRAMS:
        program = programs / name
        program.write_text(f"#!/bin/sh\necho {name} >> '{directory}/marks'\nexit 1\n")
        program.chmod(0o755)
    return programs


def _marks(directory: Path) -> list[str]:
    path = directory / "marks"
    return path.read_text().split() if path.exists() else []


def test_script_writes_many_and_they_are_small(outcome: Outcome) -> None:
    sizes = {path.name: path.stat().st_size for path in outcome.originals.iterdir()}
    assert sizes.keys() == {file.name for file in hostile_files()}
    assert len(sizes) >= 100
    assert sum(sizes.values()) <= 20_000_000


def test_each_is_answered_as_it_should_be(outcome: Outcome) -> None:
    expected = {file.name: file.statuses for file in hostile_files()}
    wrong = {
        asked.name: (asked.reply.status, asked.reply.body[:80])
        for asked in outcome.stills
        if asked.reply.status not in expected[asked.name]
    }
    assert wrong == {}


def test_other_recipes_are_no_way_around(outcome: Outcome) -> None:
    expected = {file.name: file.statuses for file in hostile_files()}
    wrong = {
        # What stands still for being too much may not move.
        asked.name: asked.reply.status
        for asked in outcome.others
        if asked.reply.status not in expected[asked.name] | {REFUSED}
    }
    assert wrong == {}


def test_none_takes_long(outcome: Outcome) -> None:
    slowest = sorted(((a.seconds, a.name) for a in outcome.stills + outcome.others), reverse=True)
    assert slowest[0][0] < SECONDS, slowest[:8]


def size_of(content: bytes) -> tuple[int, int]:
    if content.startswith(PNG_START):
        # Pillow would look at texts before it tells.
        return int.from_bytes(content[16:20]), int.from_bytes(content[20:24])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Image.open(io.BytesIO(content)).size


def test_each_picture_is_whole(outcome: Outcome) -> None:
    for asked in outcome.stills:
        if asked.reply.status != OK:
            continue
        path = unquote(asked.reply.headers["Content-Location"]).removeprefix("/img/")
        parsed = parse_key(path)
        assert parsed is not None
        size = size_of((outcome.originals / asked.name).read_bytes())
        width = parsed.variant.width
        assert width == min(640, size[0])
        assert decode(asked.reply.body).size == (width, height_of(width, size, Recipe()))
    for asked in outcome.others:
        if asked.reply.status == OK:
            image = decode(asked.reply.body)
            for frame in range(getattr(image, "n_frames", 1)):
                image.seek(frame)
                image.load()


def test_nothing_of_a_file_but_its_pixels_gets_out(outcome: Outcome) -> None:
    for asked in outcome.stills + outcome.others:
        assert HTML not in asked.reply.body
        assert b"PK\3\4" not in asked.reply.body


def test_only_whole_variants_are_kept(outcome: Outcome) -> None:
    answered = {a.reply.body for a in outcome.stills + outcome.others if a.reply.status == OK}
    for key, content in outcome.stored.items():
        assert sniff(content[:SNIFF_BYTES]) is BY_EXTENSION[key.rpartition(".")[2]], key
        assert content in answered, key


def test_no_process_dies(outcome: Outcome) -> None:
    assert outcome.pids_before <= outcome.pids_after


def test_memory_is_bounded(outcome: Outcome) -> None:
    decoded = read_settings({})[0].MAX_DECODED_MEGABYTES * 1_000_000
    most = max(outcome.peaks_of_children.values())
    assert most < decoded + BESIDE * 1_000_000
    # They are no small files only: some come near to what is allowed.
    assert most > decoded * 3 // 4
    grown = {pid: outcome.peaks[pid] - idle for pid, idle in outcome.idle.items()}
    assert max(grown.values()) < SERVING * 1_000_000


def test_no_other_program_is_started(outcome: Outcome) -> None:
    assert outcome.started == []


def test_program_that_is_started_leaves_a_mark(tmp_path: Path) -> None:
    programs = _trap(tmp_path)
    (tmp_path / "a.eps").write_bytes(EPS)
    command = f"from PIL import Image; Image.open({str(tmp_path / 'a.eps')!r}).load()"
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
    subprocess.run([sys.executable, "-c", command], env=environment, capture_output=True)
    assert "gs" in _marks(tmp_path)
