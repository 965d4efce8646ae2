"""Build the package for AWS Lambda: the project and its requirements, for the function's platform, as one zip.

    python -m config.aws.package --architecture arm64 --engines pillow

Wheels are downloaded for the function, never copied from your machine: a library compiled for a laptop does not load on
Lambda. `zappa deploy` and `zappa update` call `fill`, through `callbacks` in zappa_settings.json. Zappa packs only its own
settings (`exclude` is `*`), and `fill` adds the rest. Zappa loads this file by its path, outside the project. So it is one
module, and imports no other module of the project.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = ROOT / "requirements" / "lambda.txt"
PYTHON = "3.13"
#: Lambda's name of an architecture → the machine field in the header of an ELF file.
ARCHITECTURES = {"x86_64": 62, "arm64": 183}
#: Lambda's name of an architecture → its name in wheels.
MACHINES = {"x86_64": "x86_64", "arm64": "aarch64"}
#: Lambda's Python 3.13 has glibc 2.34. Wheels for older versions run there too.
GLIBC_MINORS = range(34, 16, -1)
ENGINES = ("pillow", "vips")
ONLY_FOR_VIPS = {"cffi", "pycparser", "pyvips", "pyvips-binary"}
ONLY_FOR_POSTGRESQL = {"psycopg", "psycopg-binary"}
#: Lambda's limit on the unpacked package, with its layers.
MAX_BYTES = 250 * 1024 * 1024
#: Lambda unpacks the package here. Tracebacks name files below it.
TASK_ROOT = "/var/task"
#: The earliest date in a zip. With a fixed date, two builds of the same files give the same bytes.
DATE = (1980, 1, 1, 0, 0, 0)

#: Security: of our own directories only code, styles and templates. No secrets, images or databases.
OURS = ("config", "resizer")
OUR_SUFFIXES = {".py", ".html", ".css", ".js", ".svg", ".txt", ".mo"}
OUR_DROPS = (
    "config/edge",
    "config/aws/cloudfront.yaml",
    "config/aws/normalise.js",
    "config/aws/policies",
    "config/aws/deployment.py",
    "config/aws/package.py",
    "config/gallery/photographs",
    "config/gallery/management",
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
    "dateutil/zoneinfo/*.tar.gz",
    "django/contrib/gis",
    "django/contrib/admindocs",
    "django/conf/*_template",
    # Their drivers are not in the package.
    "django/db/backends/mysql",
    "django/db/backends/oracle",
    "django/test",
    "urllib3/contrib/emscripten",
    # Fonts: the app never draws text.
    "PIL/_imagingft.*",
    "pillow.libs/libbrotli*",
    "pillow.libs/libfreetype-*",
    "pillow.libs/libharfbuzz-*",
    "pillow.libs/libpng16-*",
    "zappa/cli.py",
    "zappa/core.py",
    "zappa/letsencrypt.py",
    "zappa/policies",
    "boto3/examples",
    "botocore/data/*/*/examples-*.json",
    "werkzeug/debug",
)
#: Services of botocore in the package. With all services, botocore would be ten times as large.
AWS_SERVICES = {"s3", "sts"}
#: Zappa's handler reads this module. In a deployment it holds the stage.
ZAPPA_SETTINGS = """\
EXCEPTION_HANDLER = None
DEBUG = False
LOG_LEVEL = "WARNING"
BINARY_SUPPORT = True
CONTEXT_HEADER_MAPPINGS = {}
DOMAIN = None
BASE_PATH = None
ENVIRONMENT_VARIABLES = {}
API_STAGE = ""
PROJECT_NAME = "resizer"
SETTINGS_FILE = None
DJANGO_SETTINGS = "config.settings"
AWS_EVENT_MAPPING = {}
AWS_BOT_EVENT_MAPPING = {}
COGNITO_TRIGGER_MAPPING = {}
"""


class PackageError(Exception):
    """The package cannot be built. The text says why, and how to go on."""


def build(
    output: Path,
    *,
    architecture: str = "x86_64",
    engines: Sequence[str] = ENGINES,
    postgresql: bool = True,
    requirements: Path = REQUIREMENTS,
    zappa_settings: bytes = ZAPPA_SETTINGS.encode(),
) -> Path:
    """Write the package to `output`, and return it. Raises PackageError."""
    if architecture not in ARCHITECTURES:
        raise PackageError(f"The architecture is {' or '.join(ARCHITECTURES)}, not {architecture}.")
    if set(engines) not in ({"pillow"}, set(ENGINES)):
        raise PackageError(f"The engines are pillow or pillow,vips, not {','.join(engines)}.")
    python = find_python()
    excluded: set[str] = set()
    if "vips" not in engines:
        excluded |= ONLY_FOR_VIPS
    if not postgresql:
        excluded |= ONLY_FOR_POSTGRESQL
    with tempfile.TemporaryDirectory(prefix="resizer-package-") as temporary:
        directory = Path(temporary) / "package"
        install(directory, architecture, _select(requirements, excluded))
        trim(directory)
        _copy_project(directory)
        (directory / "zappa_settings.py").write_bytes(zappa_settings)
        check(directory, architecture)
        _compile(directory, python)
        _refuse_large(directory)
        write(directory, output)
    return output


def find_python() -> str:
    """Find an interpreter of the function's Python version, to compile bytecode. Raises PackageError."""
    candidates = [
        sys.executable,
        *map(str, Path.home().glob(f".pyenv/versions/{PYTHON}.*/bin/python")),
        shutil.which(f"python{PYTHON}"),
        f"/usr/bin/python{PYTHON}",
    ]
    question = "import sys; print('%d.%d' % sys.version_info[:2])"
    for candidate in candidates:
        if candidate and Path(candidate).exists():
            answer = subprocess.run(
                [candidate, "-c", question], capture_output=True, text=True, check=False
            )
            if answer.stdout.strip() == PYTHON:
                return candidate
    raise PackageError(
        f"Python {PYTHON} is missing. It compiles the function's modules: install it, then try again."
    )


def install(directory: Path, architecture: str, requirements: list[str]) -> None:
    """Unpack the wheels of these requirements for the function's platform, without dependencies. Raises PackageError."""
    directory.mkdir(parents=True)
    wheels = directory.parent / "wheels"
    machine = MACHINES[architecture]
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in GLIBC_MINORS]
    pure = [one for one in requirements if one.startswith("pyvips==")]
    for one in pure:
        # PyPI has only its source distribution. It would compile if it found headers of libvips.
        _pip("wheel", "--no-deps", "--wheel-dir", str(wheels), one, PKG_CONFIG="false")
    for wheel in wheels.glob("*.whl"):
        if not wheel.name.endswith("-none-any.whl"):
            raise PackageError(
                f"{wheel.name} was once compiled for this machine: pip cache remove pyvips, then try again."
            )
    _pip(
        "install",
        *("--target", str(directory), "--no-deps", "--no-compile", "--only-binary=:all:"),
        # Before version 24, pip compares requirements with its own Python.
        *("--implementation", "cp", "--python-version", PYTHON, "--ignore-requires-python"),
        *(f"--platform={one}" for one in (*platforms, f"manylinux2014_{machine}")),
        *("--find-links", str(wheels)),
        *requirements,
    )


def trim(directory: Path) -> None:
    """Remove files the function never needs from unpacked wheels."""
    unneeded = [path for pattern in DROPS for path in directory.glob(pattern)]
    services = directory / "botocore" / "data", directory / "boto3" / "data"
    for place in services:
        unneeded += [
            path for path in place.glob("*") if path.is_dir() and path.name not in AWS_SERVICES
        ]
    # The project is in English and never loads translations.
    unneeded += [
        path for path in directory.glob("**/locale/*") if path.name not in ("en", "__init__.py")
    ]
    for path in directory.glob("*.dist-info"):
        # Some packages read their own version from METADATA.
        unneeded += [one for one in path.iterdir() if one.name != "METADATA"]
    for path in unneeded:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


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


def write(directory: Path, output: Path) -> None:
    """Zip a directory. The same files give the same bytes."""
    output.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(path for path in directory.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(directory).as_posix(), DATE)
            entry.create_system = 3
            # Readable by everybody: Lambda runs the function as another user.
            entry.external_attr = 0o100644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes())


def describe(package: Path) -> str:
    """The sizes of a package and of its largest parts, as text."""
    with zipfile.ZipFile(package) as archive:
        entries = archive.infolist()
    sizes: dict[str, list[int]] = {}
    for entry in entries:
        size = sizes.setdefault(entry.filename.partition("/")[0], [0, 0])
        size[0] += entry.compress_size
        size[1] += entry.file_size
    largest = sorted(sizes.items(), key=lambda item: item[1], reverse=True)[:12]
    zipped = _megabytes(package.stat().st_size)
    unpacked = _megabytes(sum(entry.file_size for entry in entries))
    lines = [f"{package}: {zipped} zipped, {unpacked} unpacked, {len(entries)} files. Most of it:"]
    lines += [
        f"{_megabytes(size[0]):>8} {_megabytes(size[1]):>8}  {name}" for name, size in largest
    ]
    return "\n".join(lines)


def _megabytes(size: int) -> str:
    return f"{size / 1_000_000:.1f} MB"


def _select(requirements: Path, excluded: set[str]) -> list[str]:
    lines = requirements.read_text(encoding="utf-8").splitlines()
    wanted = (line for line in lines if line and not line.startswith("#"))
    return [line for line in wanted if line.partition("==")[0] not in excluded]


def _pip(*arguments: str, **environment: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return
    missing = re.search(r"No matching distribution found for (\S+)", done.stderr)
    if missing:
        platform = next((one for one in arguments if one.startswith("--platform=")), "")
        machine = platform.rpartition("manylinux_2_34_")[2] or "any machine"
        raise PackageError(
            f"There is no wheel of {missing[1]} for Python {PYTHON} on {machine}: pin a version with one."
        )
    lines = done.stderr.strip().splitlines() or ["no reason given"]
    raise PackageError(f"pip failed: {lines[-1]}")


def _copy_project(directory: Path) -> None:
    drops = [ROOT / name for name in OUR_DROPS]
    for name in OURS:
        for path in sorted((ROOT / name).rglob("*")):
            is_wanted = path.suffix in OUR_SUFFIXES and path.is_file()
            if is_wanted and not any(path.is_relative_to(drop) for drop in drops):
                target = directory / path.relative_to(ROOT)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)


def _compile(directory: Path, python: str) -> None:
    """Compile bytecode Lambda uses without a check. The directory is read-only there, so Python cannot write its own."""
    done = subprocess.run(
        [
            *(python, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"),
            *("-s", str(directory), "-p", TASK_ROOT, str(directory)),
        ],
        # Bytecode contains sets in their order, so fix it.
        env=os.environ | {"PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise PackageError(f"A module does not compile: {done.stdout.strip()}")


def _refuse_large(directory: Path) -> None:
    size = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
    if size > MAX_BYTES:
        raise PackageError(
            f"The package has {_megabytes(size)} unpacked, Lambda takes {_megabytes(MAX_BYTES)}: leave something out."
        )


def fill(zappa: Any) -> None:
    """Zappa's callback `zip`: replace Zappa's zip with ours, with the settings of the stage."""
    output = Path(zappa.zip_path)
    with zipfile.ZipFile(output) as archive:
        settings = archive.read("zappa_settings.py")
    stage = zappa.stage_config
    try:
        # "package" is our own key. Zappa ignores unknown keys.
        build(
            output,
            architecture=stage.get("architecture", "x86_64"),
            zappa_settings=settings,
            **stage.get("package", {}),
        )
    except PackageError as error:
        output.unlink()
        sys.exit(str(error))
    print(describe(output))


def main() -> None:
    parser = argparse.ArgumentParser(prog="config.aws.package", description=__doc__)
    parser.add_argument("--architecture", default="x86_64", help=" or ".join(ARCHITECTURES))
    parser.add_argument("--engines", default=",".join(ENGINES), help="separated by commas")
    parser.add_argument("--postgresql", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    output = options.output or ROOT / "var" / "lambda" / f"resizer-{options.architecture}.zip"
    try:
        build(
            output,
            architecture=options.architecture,
            engines=options.engines.replace(",", " ").split(),
            postgresql=options.postgresql,
        )
    except PackageError as error:
        sys.exit(str(error))
    print(describe(output))


if __name__ == "__main__":
    main()
