"""Dockerfile and compose.yaml as processes of this machine: their commands and variables, in a bare environment."""

from __future__ import annotations

import json
import os
import re
import sys
import venv
from contextlib import contextmanager
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml
from packaging.requirements import Requirement

from tests.servers import ROOT, ask_for, free_port, running

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Mapping

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
#: The instructions of the Dockerfile, a pair of word and rest each, without line breaks and comments.
INSTRUCTIONS: list[tuple[str, str]] = [
    (word, rest)
    for word, rest in re.findall(
        r"^([A-Z]+) (.+)$",
        re.sub(r"\s*\\\n\s*", " ", (ROOT / "Dockerfile").read_text(encoding="utf-8")),
        re.MULTILINE,
    )
]


def instruction(word: str) -> str:
    """The only one, or the only one in the last stage."""
    last = max(number for number, (one, _) in enumerate(INSTRUCTIONS) if one == "FROM")
    (rest,) = (rest for one, rest in INSTRUCTIONS[last:] if one == word)
    return rest


def image_environment() -> dict[str, str]:
    return dict(part.split("=", 1) for part in instruction("ENV").split())


def health_command() -> list[str]:
    command: list[str] = json.loads(instruction("HEALTHCHECK").partition("CMD ")[2])
    return command


def command_of(service: str) -> list[str]:
    given: list[str] | None = COMPOSE["services"][service].get("command")
    return [_filled(part) for part in given or json.loads(instruction("CMD"))]


def environment_of(service: str) -> dict[str, str]:
    """With the values for which the user sets nothing."""
    given: dict[str, str] = COMPOSE["services"][service]["environment"]
    return image_environment() | {name: _filled(value) for name, value in given.items()}


def _filled(text: str) -> str:
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


class Environment(NamedTuple):
    """A virtual environment with the pinned packages of a server, and nothing else."""

    directory: Path

    def run(self, command: list[str]) -> list[str]:
        """A command of a container, for this machine."""
        return [str(self.directory / "bin" / command[0]), *command[1:]]

    def variables(self, given: Mapping[str, str]) -> dict[str, str]:
        path = f"{self.directory / 'bin'}:{os.environ['PATH']}"
        return {"HOME": "/nonexistent", **given, "PATH": path}


def make_environment(directory: Path) -> Environment:
    """Its packages are linked from the environment of the tests. Fails if one of them has another version."""
    venv.EnvBuilder(symlinks=True).create(directory)
    (packages,) = directory.glob("lib/python3*/site-packages")
    for requirement in _pins("server"):
        distribution = metadata.distribution(requirement.name)
        assert requirement.specifier.contains(distribution.version), requirement
        tops = {file.parts[0] for file in distribution.files or ()}
        for top in tops - {"..", "__pycache__"}:
            (packages / top).symlink_to(str(distribution.locate_file(top)))
        for script in distribution.entry_points.select(group="console_scripts"):
            _write_script(directory / "bin", script)
    return Environment(directory)


def _pins(name: str) -> list[Requirement]:
    lines = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    pins = []
    for line in lines:
        if line.startswith("-r "):
            pins += _pins(line.removeprefix("-r ").removesuffix(".txt"))
        elif line and not line.startswith("#"):
            pins.append(Requirement(line))
    return [one for one in pins if one.marker is None or one.marker.evaluate()]


def _write_script(directory: Path, script: metadata.EntryPoint) -> None:
    path = directory / script.name
    lines = (
        f"#!{directory / 'python'}",
        "import sys",
        f"from {script.module} import {script.attr.partition('.')[0]}",
        f"sys.exit({script.attr}())",
    )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    path.chmod(0o755)


class Server(NamedTuple):
    address: str
    process: subprocess.Popen[bytes]


@contextmanager
def web_server(
    environment: Mapping[str, str], program: Environment | None = None
) -> Iterator[Server]:
    """What the image runs, on a free port. Without a bare environment, in the one of the tests."""
    port = str(free_port())
    given = {**environment, "GRANIAN_HOST": "127.0.0.1", "GRANIAN_PORT": port}
    if program is None:
        command = [sys.executable, "-m", *command_of("web")]
        variables = {**given, "PATH": os.environ["PATH"]}
    else:
        command = program.run(command_of("web"))
        variables = program.variables(given)
    ask = partial(ask_for, f"http://127.0.0.1:{port}/img/")
    with running(command, ask, seconds=40, cwd=ROOT, env=variables) as process:
        yield Server(f"http://127.0.0.1:{port}", process)


@contextmanager
def s3_server(directory: Path) -> Iterator[str]:
    """The one of compose.yaml, with its buckets as directories; gives its address."""
    port = free_port()
    places = {
        "--addr=:9000": f"--addr=127.0.0.1:{port}",
        "/buckets": str(directory / "buckets"),
    }
    command = command_of("s3")
    assert places.keys() <= set(command)
    for volume in COMPOSE["services"]["s3"]["volumes"]:
        (directory / volume.split(":")[1].lstrip("/")).mkdir(parents=True)
    rclone = Path(sys.executable).with_name("rclone")
    filled: list[str | Path] = [rclone, "--config", str(directory / "none.conf")]
    filled += [places.get(part, part) for part in command]
    with running(filled, partial(ask_for, f"http://127.0.0.1:{port}/")):
        yield f"http://127.0.0.1:{port}"
