"""Build the package of a function on AWS Lambda: a project and its requirements, for the function's platform, as one zip.

    python -m resizer.contrib.zappa --django-settings shop.settings --architecture arm64

`zappa deploy` and `zappa update` call `pack`, through the callback `resizer.contrib.zappa.pack`. Zappa packs only its own
settings (`exclude` is `["*"]`), and this module adds the rest.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resizer.contrib.zappa import wheels
from resizer.contrib.zappa.wheels import ARCHITECTURES, PackageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

#: Lambda's limit on the unpacked package, with its layers.
MAX_BYTES = 250 * 1024 * 1024
#: Lambda unpacks the package here. Tracebacks name files below it.
TASK_ROOT = "/var/task"
#: The earliest date in a zip. With a fixed date, two builds of the same files give the same bytes.
DATE = (1980, 1, 1, 0, 0, 0)
#: Security: of a project's directories only code, styles and templates. No secrets, images or databases.
SUFFIXES = {".py", ".html", ".css", ".js", ".svg", ".txt", ".xml", ".jinja", ".j2", ".mo"}
#: A function needs no files with these endings, and nobody misses them.
NEEDLESS = {".po", ".pyi", ".typed"}
#: Directories of a project with templates and translations, without code.
DATA_DIRECTORIES = ("templates", "jinja2", "locale")
#: In no package.
UNWANTED = {"__pycache__", "node_modules", "tests"}
#: Modules of the app that build packages.
BUILDERS = tuple(f"resizer/contrib/zappa/{name}.py" for name in ("__main__", "packer", "wheels"))
#: The function never runs this module.
MANAGE = "manage.py"
#: Keys of `package` in a stage of zappa_settings.json. Zappa ignores unknown keys, and so this one.
STAGE_KEYS = {"aws_services", "exclude", "include", "requirements"}
REQUIREMENTS = "requirements.txt"
#: Zappa's handler reads this module. In a deployment Zappa writes it.
SETTINGS = """\
EXCEPTION_HANDLER = None
DEBUG = False
LOG_LEVEL = "WARNING"
BINARY_SUPPORT = True
CONTEXT_HEADER_MAPPINGS = {{}}
DOMAIN = None
BASE_PATH = None
ENVIRONMENT_VARIABLES = {{}}
API_STAGE = ""
PROJECT_NAME = {project!r}
SETTINGS_FILE = None
DJANGO_SETTINGS = {django_settings!r}
AWS_EVENT_MAPPING = {{}}
AWS_BOT_EVENT_MAPPING = {{}}
COGNITO_TRIGGER_MAPPING = {{}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What goes into a package."""

    #: The directory of the project.
    root: Path
    #: Arguments of `pip install`.
    requirements: Sequence[str]
    #: Patterns below `root`, of files and directories. None: every Python package, module and directory of templates there.
    include: Sequence[str] | None = None
    #: Patterns below the top of the package.
    exclude: Sequence[str] = ()
    #: Services of AWS used by the project, if its code does not show their names.
    aws_services: Sequence[str] = ()
    architecture: str = "x86_64"
    #: The version of Python in the function.
    python: str = "3.13"


def build(output: Path, contents: Contents, settings: str) -> Counter[str]:
    """Write the package to `output`. `settings` is the module of Zappa's settings. Raises PackageError.

    Return the endings of files in the project's directories that the package has not, with their number.
    """
    if contents.architecture not in ARCHITECTURES:
        raise PackageError(
            f"The architecture is {' or '.join(ARCHITECTURES)}, not {contents.architecture}."
        )
    python = wheels.find_python(contents.python)
    # Before anything is fetched, so that a misspelt name is told at once.
    files, left_out = _choose(contents)
    with tempfile.TemporaryDirectory(prefix="resizer-package-") as temporary:
        directory = Path(temporary) / "package"
        wheels.install(
            directory,
            contents.requirements,
            python=python,
            version=contents.python,
            architecture=contents.architecture,
            root=contents.root,
        )
        wheels.trim(directory)
        _copy(files, contents.root, directory)
        wheels.remove(directory, (*BUILDERS, *contents.exclude))
        wheels.trim_services(directory, contents.aws_services)
        (directory / "zappa_settings.py").write_text(settings, encoding="utf-8")
        wheels.check(directory, contents.architecture)
        _compile(directory, python)
        _refuse_large(directory)
        _write(directory, output)
    return left_out


def write_settings(django_settings: str, events: Iterable[str], project: str = "resizer") -> str:
    """Zappa's settings of a function that Zappa does not deploy."""
    module = SETTINGS.format(django_settings=django_settings, project=project)
    return _name_events(module, events)


def read_stage(stage: Mapping[str, Any]) -> Contents:
    """The contents of a package for a stage of zappa_settings.json. Ends with SystemExit for unknown keys."""
    package = dict(stage.get("package") or {})
    unknown = ", ".join(sorted(set(package) - STAGE_KEYS))
    if unknown:
        sys.exit(f"package has {unknown}: its keys are {', '.join(sorted(STAGE_KEYS))}.")
    requirements = package.pop("requirements", REQUIREMENTS)
    return Contents(
        root=Path.cwd(), requirements=("-r", requirements), **package, **read_platform(stage)
    )


def read_platform(stage: Mapping[str, Any]) -> dict[str, str]:
    """`architecture` and `python` of a stage. Zappa's defaults are x86_64 and this Python."""
    version = "{}.{}".format(*sys.version_info)
    return {
        "architecture": stage.get("architecture", "x86_64"),
        "python": stage.get("runtime", version).removeprefix("python"),
    }


def pack(zappa: Any, contents: Contents) -> None:
    """Replace Zappa's zip with the package, with the settings of the stage. Ends with SystemExit if it cannot be built."""
    output = Path(zappa.zip_path)
    with zipfile.ZipFile(output) as archive:
        settings = archive.read("zappa_settings.py").decode()
    events = [one["function"] for one in zappa.stage_config.get("events") or ()]
    try:
        report(output, build(output, contents, _name_events(settings, events)))
    except PackageError as error:
        output.unlink()
        sys.exit(str(error))


def report(package: Path, left_out: Counter[str]) -> None:
    """Print the sizes of a package and of its largest parts, and what it has not."""
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
    print(f"{package}: {zipped} zipped, {unpacked} unpacked, {len(entries)} files. Most of it:")
    for name, size in largest:
        print(f"{_megabytes(size[0]):>8} {_megabytes(size[1]):>8}  {name}")
    if left_out:
        kinds = ", ".join(f"{count} × {suffix}" for suffix, count in sorted(left_out.items()))
        print(
            f"Left out of the project's directories: {kinds}. Name files in include to pack them."
        )


def _megabytes(size: int) -> str:
    return f"{size / 1_000_000:.1f} MB"


def _name_events(settings: str, functions: Iterable[str]) -> str:
    """Add the functions that events may call. The handler refuses all others."""
    return f"{settings.rstrip()}\nEVENT_FUNCTIONS = {sorted(set(functions))!r}\n"


def _choose(contents: Contents) -> tuple[list[Path], Counter[str]]:
    """The files of the project to pack, and the endings of others in its directories, with their number."""
    root = contents.root
    excluded = {path for pattern in contents.exclude for path in root.glob(pattern)}
    chosen = []
    left_out: Counter[str] = Counter()
    for path, is_named in _files(contents):
        if not excluded.isdisjoint((path, *path.parents)):
            continue
        if is_named or path.suffix in SUFFIXES:
            chosen.append(path)
        elif path.suffix not in NEEDLESS:
            left_out[path.suffix or path.name] += 1
    return chosen, left_out


def _copy(files: list[Path], root: Path, directory: Path) -> None:
    for path in files:
        target = directory / path.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


def _files(contents: Contents) -> Iterator[tuple[Path, bool]]:
    """Files of the project, and whether `include` names the file itself."""
    root = contents.root
    if contents.include is None:
        wanted = _code_of(root)
    else:
        wanted = []
        for pattern in contents.include:
            found = sorted(root.glob(pattern))
            if not found:
                raise PackageError(f"include names {pattern}, but {root} has no such file.")
            wanted += found
    for path in wanted:
        if path.is_file():
            yield path, contents.include is not None
            continue
        for one in sorted(path.rglob("*")):
            # Security: a name with a dot hides secrets and caches, of directories too.
            is_hidden = any(part.startswith(".") for part in one.relative_to(path).parts)
            if one.is_file() and not is_hidden and not UNWANTED & set(one.relative_to(root).parts):
                yield one, False


def _code_of(root: Path) -> list[Path]:
    """Every package and module at the top of a project, and its templates and translations."""
    return [
        path
        for path in sorted(root.glob("[!.]*"))
        if (path / "__init__.py").is_file()
        or (path.is_dir() and path.name in DATA_DIRECTORIES)
        or (path.suffix == ".py" and path.name != MANAGE)
    ]


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


def _write(directory: Path, output: Path) -> None:
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
