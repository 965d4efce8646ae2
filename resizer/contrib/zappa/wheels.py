"""Wheels of requirements for the function's platform, unpacked.

They are downloaded for the function, never copied from this machine: a library compiled for a laptop does not load on Lambda.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Lambda's name of an architecture → the machine field in the header of an ELF file.
ARCHITECTURES = {"x86_64": 62, "arm64": 183}
#: Lambda's name of an architecture → its name in wheels.
MACHINES = {"x86_64": "x86_64", "arm64": "aarch64"}
#: Lambda's Python 3.12 and later have glibc 2.34, former ones 2.26. Wheels for older versions run there too.
GLIBC_MINORS = {"3.10": 26, "3.11": 26}
LATEST_GLIBC_MINOR = 34
#: Zappa, and what its handler imports. Zappa itself requires twenty packages.
HANDLER = ("zappa", "Werkzeug", "MarkupSafe", "durationpy")
#: Packages for a deployment. A frozen list of requirements has them, the function needs none.
TOOLS = (
    *("argcomplete", "cfn-flip", "hjson", "kappa", "pip", "placebo", "setuptools", "troposphere"),
    "wheel",
)
#: Contents of wheels never used by a request. Patterns of `Path.glob`.
DROPS = (
    "bin",
    "**/__pycache__",
    "**/*.pyi",
    "**/*.po",
    "**/*.pxd",
    "**/*.h",
    "**/tests",
    "boto3/examples",
    "botocore/data/*/*/examples-*.json",
    "werkzeug/debug",
    "zappa/cli.py",
    "zappa/core.py",
    "zappa/letsencrypt.py",
    "zappa/policies",
)
#: Services of botocore in every package. With all services, botocore would be ten times as large.
AWS_SERVICES = {"s3", "sts"}
#: `boto3.client("ses")` and the like.
USE_OF_SERVICE = re.compile(
    r"""(?:client|resource)\(\s*(?:service_name\s*=\s*)?["']([a-z0-9-]+)["']"""
)


class PackageError(Exception):
    """The package cannot be built. The text says why, and how to go on."""


def find_python(version: str) -> str:
    """Find an interpreter of the function's Python version, to compile bytecode. Raises PackageError."""
    candidates = [
        sys.executable,
        *map(str, Path.home().glob(f".pyenv/versions/{version}.*/bin/python")),
        shutil.which(f"python{version}"),
        f"/usr/bin/python{version}",
    ]
    question = "import sys; print('%d.%d' % sys.version_info[:2])"
    for candidate in candidates:
        if candidate and Path(candidate).exists():
            answer = subprocess.run(
                [candidate, "-c", question], capture_output=True, text=True, check=False
            )
            if answer.stdout.strip() == version:
                return candidate
    raise PackageError(
        f"Python {version} is missing. It compiles the function's modules: install it, then try again."
    )


def install(
    directory: Path,
    requirements: Sequence[str],
    *,
    python: str,
    version: str,
    architecture: str,
    root: Path,
) -> None:
    """Unpack wheels for the function's platform. `requirements` are arguments of `pip install`. Raises PackageError."""
    directory.mkdir(parents=True)
    pip = _Pip(
        python=python,
        version=version,
        machine=MACHINES[architecture],
        directory=directory,
        root=root,
        wheels=directory.parent / "wheels",
    )
    pip.install(*requirements)
    if "zappa" not in _distributions(directory):
        pip.install("--no-deps", *map(_pin, HANDLER))


def _pin(name: str) -> str:
    """The requirement for the version of this environment."""
    try:
        return f"{name}=={metadata.version(name)}"
    except metadata.PackageNotFoundError:
        raise PackageError(
            f"The function needs {name}. Add zappa to the requirements, or install it here."
        ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pip:
    #: An interpreter, and its version.
    python: str
    version: str
    machine: str
    directory: Path
    #: Relative paths in requirements start here.
    root: Path
    #: Of packages that PyPI has as source only.
    wheels: Path

    def install(self, *arguments: str) -> None:
        newest = GLIBC_MINORS.get(self.version, LATEST_GLIBC_MINOR)
        platforms = [f"manylinux_2_{minor}_{self.machine}" for minor in range(newest, 16, -1)]
        command = (
            *("install", "--target", str(self.directory), "--no-compile", "--only-binary=:all:"),
            *(f"--platform={one}" for one in (*platforms, f"manylinux2014_{self.machine}")),
            *("--find-links", str(self.wheels)),
            *arguments,
        )
        built: set[str] = set()
        while error := self._run(*command):
            missing = re.search(r"No matching distribution found for (\S+)", error)
            if missing is None or missing[1] in built:
                raise PackageError(self._explain(error))
            built.add(missing[1])
            self._build(missing[1], error)

    def _build(self, requirement: str, error: str) -> None:
        """Make a wheel of pure Python where PyPI has the source only, such as of pyvips."""
        # pyvips would compile if it found headers of libvips.
        options = ("--no-deps", "--wheel-dir", str(self.wheels))
        if self._run("wheel", *options, requirement, PKG_CONFIG="false"):
            raise PackageError(self._explain(error))
        for wheel in self.wheels.glob("*.whl"):
            if "manylinux" in wheel.name:
                raise PackageError(self._explain(error))
            if not wheel.name.endswith("-none-any.whl"):
                name = wheel.name.partition("-")[0]
                raise PackageError(
                    f"{wheel.name} was once compiled for this machine: pip cache remove {name}, then try again."
                )

    def _run(self, *arguments: str, **environment: str) -> str:
        """What pip says if it fails, else nothing."""
        # So pip reads the markers of requirements for the function's version of Python.
        other = () if self.python == sys.executable else ("--python", self.python)
        done = subprocess.run(
            [sys.executable, "-m", "pip", *other, *arguments],
            cwd=self.root,
            env=os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"} | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return (done.stderr.strip() or "no reason given") if done.returncode else ""

    def _explain(self, error: str) -> str:
        missing = re.search(r"No matching distribution found for (\S+)", error)
        if missing:
            return (
                f"There is no wheel of {missing[1]} for Python {self.version} on {self.machine}:"
                " pin a version with one."
            )
        return f"pip failed: {error.splitlines()[-1]}"


def trim(directory: Path) -> None:
    """Remove files the function never needs from unpacked wheels."""
    for files in _unneeded_tools(directory):
        _remove(files)
    remove(directory, DROPS)
    for path in directory.glob("*.dist-info"):
        # Some packages read their own version from METADATA, or find plug-ins by entry points.
        _remove(one for one in path.iterdir() if one.name not in ("METADATA", "entry_points.txt"))


def remove(directory: Path, patterns: Sequence[str]) -> None:
    """Remove files and directories by patterns of `Path.glob`."""
    _remove(path for pattern in patterns for path in list(directory.glob(pattern)))


def trim_services(directory: Path, services: Sequence[str]) -> None:
    """Leave only those services in botocore that code below the directory names."""
    wanted = {*AWS_SERVICES, *services}
    sdk = tuple(directory / name for name in ("boto3", "botocore", "zappa"))
    for path in directory.rglob("*.py"):
        if not any(path.is_relative_to(one) for one in sdk):
            wanted |= set(USE_OF_SERVICE.findall(path.read_text(encoding="utf-8", errors="ignore")))
    for place in ("botocore", "boto3"):
        known = (directory / place / "data").glob("*")
        _remove(path for path in list(known) if path.is_dir() and path.name not in wanted)


def check(directory: Path, architecture: str) -> None:
    """Raise PackageError for a library compiled for another platform."""
    for path in sorted(directory.rglob("*")):
        if not path.is_file():
            continue
        with path.open("rb") as file:
            header = file.read(20)
        # ELF: machine is a little-endian half word at offset 18 (System V ABI, chapter 4).
        if header.startswith(b"\x7fELF"):
            machine = int.from_bytes(header[18:20], "little")
            is_wrong = machine != ARCHITECTURES[architecture]
        else:
            # Libraries of Windows and macOS.
            is_wrong = path.suffix in {".dll", ".dylib", ".pyd", ".so"}
        if is_wrong:
            name = path.relative_to(directory)
            raise PackageError(f"{name} is not for Linux on {architecture}: it cannot run there.")


def _unneeded_tools(directory: Path) -> Iterator[list[Path]]:
    """The files of each tool that no other package of the function requires."""
    found = _distributions(directory)
    rest = {name: one for name, one in found.items() if name not in (*TOOLS, "zappa")}
    required = {
        _normalised(re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0])
        for one in rest.values()
        for line in one.requires or ()
        if "extra ==" not in line
    }
    for name in set(TOOLS) & set(found) - required:
        yield [Path(str(one.locate())) for one in found[name].files or ()]


def _distributions(directory: Path) -> dict[str, metadata.Distribution]:
    found = metadata.distributions(path=[str(directory)])
    return {_normalised(one.name): one for one in found}


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _remove(paths: Iterator[Path] | list[Path]) -> None:
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
