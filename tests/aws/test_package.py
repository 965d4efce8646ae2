"""What `make package` and Zappa build: sizes, contents, architectures, bytecode, and clear words where it cannot be."""

from __future__ import annotations

import importlib.util
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from config.aws import package
from config.aws.deployment import PLACEHOLDER
from config.aws.package import PYTHON, SETTINGS, choose
from resizer.contrib.zappa import packer
from resizer.contrib.zappa.wheels import ARCHITECTURES, PackageError, find_python
from tests.documents import read
from tests.servers import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Flags in the header of bytecode: valid by the hash of its source, which nobody compares (PEP 552).
UNCHECKED_HASH = 0b01


def elf(machine: int) -> bytes:
    """As much of a library as tells its processor."""
    return b"\x7fELF\x02\x01\x01".ljust(18, b"\0") + machine.to_bytes(2, "little") + bytes(44)


X86_64, ARM64 = elf(62), elf(183)


@pytest.fixture
def python() -> str:
    try:
        return find_python(PYTHON)
    except PackageError as error:
        if os.environ.get("RESIZER_REQUIRE_SERVICES") == "1":
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of two modules, and whatever else lies about there."""
    project = tmp_path / "project"
    for name in (
        *("config/__init__.py", "config/settings.py", "resizer/templates/page.html"),
        *(
            "config/.env",
            "config/key.pem",
            "config/db.sqlite3",
            "config/__pycache__/a.cpython-312.pyc",
        ),
        *("config/aws/cloudfront.yaml", "config/aws/policies/execution.json", "resizer/photo.jpg"),
        *("tests/test_a.py", "docs/index.md", "var/originals/photo.jpg", ".git/config", ".env"),
    ):
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("A = {'x', 'y', 'z'}\n")
    monkeypatch.setattr(package, "ROOT", project)
    return project


def wheel(
    directory: Path, files: dict[str, bytes], name: str = "sample", *, requires: str = ""
) -> Path:
    """A wheel with files of these names and contents."""
    path = directory / f"{name}-1-py3-none-any.whl"
    place = f"{name}-1.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n"
    metadata += f"Requires-Dist: {requires}\n" if requires else ""
    info = {
        f"{place}/METADATA": metadata.encode(),
        f"{place}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{place}/RECORD": b"",
        f"{place}/licenses/LICENSE": b"",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in (info | files).items():
            archive.writestr(name, data)
    return path


#: Builds a wheel with a module, and with these tags.
BACKEND = """
import zipfile

def build_wheel(directory, *_):
    name = "{name}-1-{tags}.whl"
    with zipfile.ZipFile(f"{{directory}}/{{name}}", "w") as archive:
        archive.writestr("{name}.py", "")
        archive.writestr("{name}-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: {name}\\nVersion: 1\\n")
        archive.writestr("{name}-1.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: {tags}\\n")
        archive.writestr("{name}-1.dist-info/RECORD", "")
    return name
"""
PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""


def source(directory: Path, name: str, tags: str) -> Path:
    """A source distribution, as of a package without wheels."""
    path = directory / f"{name}-1.tar.gz"
    files = {
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n",
        "pyproject.toml": PROJECT,
        "backend.py": BACKEND.format(name=name, tags=tags),
    }
    with tarfile.open(path, "w:gz") as archive:
        for file, text in files.items():
            entry = tarfile.TarInfo(f"{name}-1/{file}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    return path


def build_with(tmp_path: Path, *requirements: object, name: str = "a.zip", **options: Any) -> Path:
    listed = tmp_path / "requirements.txt"
    zappa = wheel(tmp_path, {}, "zappa")
    lines = ("# What it holds.", *requirements, zappa)
    listed.write_text("".join(f"{one}\n" for one in lines))
    output = tmp_path / name
    packer.build(output, choose(requirements=listed, **options), SETTINGS)
    return output


def names(package: Path) -> set[str]:
    with zipfile.ZipFile(package) as archive:
        return set(archive.namelist())


def test_package_holds_what_runs_and_nothing_else(
    tmp_path: Path, project: Path, python: str
) -> None:
    sample = wheel(
        tmp_path,
        dict.fromkeys(
            ("sample/a.py", "sample/a.pyi", "sample/tests/b.py", "sample/locale/de/c.po"), b""
        ),
    )
    package = build_with(tmp_path, sample)
    sources = {name for name in names(package) if "__pycache__" not in name}
    assert sources == {
        "config/__init__.py",
        "config/settings.py",
        "resizer/templates/page.html",
        "sample-1.dist-info/METADATA",
        "sample/a.py",
        "zappa-1.dist-info/METADATA",
        "zappa_settings.py",
    }


def test_same_project_gives_the_same_bytes(tmp_path: Path, project: Path, python: str) -> None:
    sample = wheel(tmp_path, {"sample.py": b"A = {'b', 'c'}\n"})
    first, second = (build_with(tmp_path, sample, name=name) for name in ("1.zip", "2.zip"))
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize(
    ("architecture", "library"), [("arm64", X86_64), ("x86_64", ARM64), ("arm64", b"\xcf\xfa\xed")]
)
def test_library_of_another_machine_fails_the_build(
    tmp_path: Path, project: Path, python: str, architecture: str, library: bytes
) -> None:
    sample = wheel(tmp_path, {"sample/fast.so": library})
    expected = f"sample/fast.so is not for Linux on {architecture}: it cannot run there."
    with pytest.raises(PackageError, match=f"^{re.escape(expected)}$"):
        build_with(tmp_path, sample, architecture=architecture)
    assert not (tmp_path / "a.zip").exists()


def test_library_is_known_by_its_content(tmp_path: Path, project: Path, python: str) -> None:
    sample = wheel(tmp_path, {"sample/libfast.so.42": X86_64})
    assert "sample/libfast.so.42" in names(build_with(tmp_path, sample, architecture="x86_64"))
    with pytest.raises(PackageError, match=r"^sample/libfast\.so\.42 is not for Linux on arm64"):
        build_with(tmp_path, sample, architecture="arm64")


def test_package_without_a_wheel_is_named(
    tmp_path: Path, project: Path, python: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(
        PackageError, match=r"^There is no wheel of nosuch==1 for Python 3\.13 on aarch64: "
    ):
        build_with(tmp_path, "nosuch==1", architecture="arm64")


def test_package_that_is_on_pypi_as_source_only_is_built(
    tmp_path: Path, project: Path, python: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source(tmp_path, "sample", "py3-none-any")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    assert "sample.py" in names(build_with(tmp_path, "sample==1"))


def test_wheel_that_was_compiled_here_fails_the_build(
    tmp_path: Path, project: Path, python: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source(tmp_path, "sample", "cp313-cp313-linux_x86_64")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(PackageError, match=r"^sample-1-cp313-\S+ was once compiled for this"):
        build_with(tmp_path, "sample==1")


def test_package_beyond_what_lambda_takes_is_refused(
    tmp_path: Path, project: Path, python: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packer, "MAX_BYTES", 2_000_000)
    sample = wheel(tmp_path, {"sample.bin": bytes(2_500_000)})
    with pytest.raises(
        PackageError, match=r"^The package has 2\.5 MB unpacked, Lambda takes 2\.0 MB: "
    ):
        build_with(tmp_path, sample)


def test_module_that_does_not_compile_is_named(tmp_path: Path, project: Path, python: str) -> None:
    with pytest.raises(PackageError, match=r"^A module does not compile: .*sample\.py"):
        build_with(tmp_path, wheel(tmp_path, {"sample.py": b"def"}))


def test_missing_python_is_named() -> None:
    with pytest.raises(PackageError, match=r"^Python 3\.99 is missing"):
        find_python("3.99")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--architecture", "i386"], "The architecture is x86_64 or arm64, not i386.\n"),
        (["--engines", "vips"], "The engines are pillow or pillow,vips, not vips.\n"),
        (["--engines", ""], "The engines are pillow or pillow,vips, not .\n"),
    ],
)
def test_wrong_call_is_told_in_one_sentence(arguments: list[str], words: str) -> None:
    done = run("-m", "config.aws.package", *arguments)
    assert (done.returncode, done.stderr) == (1, words)


def run(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=os.environ | {"VIRTUAL_ENV": sys.prefix, "AWS_DEFAULT_REGION": "eu-west-1"},
        capture_output=True,
        text=True,
        check=False,
    )


def pins(name: str) -> dict[str, str]:
    lines = (ROOT / "requirements" / f"{name}.txt").read_text().splitlines()
    wanted = (line for line in lines if "==" in line and '< "3.12"' not in line)
    return dict(line.partition(";")[0].strip().lower().split("==") for line in wanted)


def test_package_pins_what_the_tests_run_with() -> None:
    packaged, tested = pins("lambda"), pins("base") | pins("server") | pins("test")
    assert {name for name in pins("base") if name not in packaged} == set()
    for name, version in packaged.items():
        assert tested.get(name, version) == version


@pytest.fixture(scope="session")
def by_make(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make package ARCHITECTURE=arm64 ENGINES=pillow POSTGRESQL=no` builds."""
    output = tmp_path_factory.mktemp("package") / "resizer-arm64.zip"
    done = run(
        *("-m", "config.aws.package", "--architecture", "arm64", "--engines", "pillow"),
        *("--no-postgresql", "--output", str(output)),
    )
    assert done.returncode == 0, done.stderr
    assert "pillow.libs" in done.stdout
    return output


def libraries(package: Path) -> dict[str, int]:
    """The machine of each library."""
    with zipfile.ZipFile(package) as archive:
        headers = {name: archive.open(name).read(20) for name in archive.namelist()}
    return {
        name: int.from_bytes(header[18:20], "little")
        for name, header in headers.items()
        if header.startswith(b"\x7fELF")
    }


@pytest.mark.function
def test_package_with_both_engines_is_small_and_of_one_architecture(package: Path) -> None:
    assert package.stat().st_size < 32_000_000
    # Both pages tell how large it is.
    with zipfile.ZipFile(package) as archive:
        unpacked, count = sum(one.file_size for one in archive.infolist()), len(archive.namelist())
    line = r"(?:resizer-\S+)\.zip: ([\d.]+) MB zipped, ([\d.]+) MB unpacked, (\d+) files"
    for page in ("production/lambda", "production/stack"):
        (told,) = re.findall(line, read(page))
        sizes = (package.stat().st_size / 1e6, unpacked / 1e6, count)
        assert sizes == pytest.approx(tuple(map(float, told)), rel=0.1), page
    found = libraries(package)
    assert len(set(found.values())) == 1
    assert any(name.startswith("PIL/_imaging.") for name in found)
    assert any(name.startswith("pyvips_binary.libs/libvips") for name in found)
    assert any(name.startswith("psycopg_binary/") for name in found)


@pytest.mark.function
def test_package_with_pillow_alone_is_smaller_still(by_make: Path) -> None:
    assert by_make.stat().st_size < 20_000_000
    found = libraries(by_make)
    assert set(found.values()) == {ARCHITECTURES["arm64"]}
    assert any(name.startswith("PIL/_imaging.") for name in found)
    assert not [name for name in names(by_make) if "vips" in name and "resizer/" not in name]


def test_zappa_typed_by_hand_builds_our_package_for_the_stage(tmp_path: Path, python: str) -> None:
    project = tmp_path / "project"
    for name in ("config", "resizer"):
        shutil.copytree(ROOT / name, project / name)
    for name in ("zappa_settings.json", "config/aws/policies/execution.json"):
        (project / name).write_text((ROOT / name).read_text().replace(PLACEHOLDER, "my"))
    sample = wheel(tmp_path, {"sample/fast.so": ARM64})
    (project / "requirements").mkdir()
    (project / "requirements" / "lambda.txt").write_text(
        f"{sample}\n{wheel(tmp_path, {}, 'zappa')}\n"
    )
    (project / "notes.txt").touch()
    done = run("-m", "zappa.cli", "package", "arm", "-o", "resizer.zip", cwd=project)
    assert done.returncode == 0, done.stderr
    assert re.search(r"resizer\.zip: [\d.]+ MB zipped, [\d.]+ MB unpacked, \d+ files", done.stdout)
    found = names(project / "resizer.zip")
    assert {"config/settings.py", "resizer/views.py", "sample/fast.so"} <= found
    # Neither what Zappa puts there nor anything of the environment that it runs in.
    assert not {name for name in found if name.startswith(("handler", "zappa/", "django", "notes"))}
    with zipfile.ZipFile(project / "resizer.zip") as archive:
        settings: dict[str, Any] = {}
        exec(archive.read("zappa_settings.py"), settings)
    assert (settings["API_STAGE"], settings["LOG_LEVEL"]) == ("arm", "WARNING")
    assert settings["DEBUG"] is False
    # Secrets are in Lambda's own variables, not in the package.
    assert set(settings["ENVIRONMENT_VARIABLES"]) == {"AWS_REGION"}
    done = run("-m", "zappa.cli", "package", "dev", "-o", "resizer.zip", cwd=project)
    assert done.returncode == 1
    assert "sample/fast.so is not for Linux on x86_64: it cannot run there." in done.stderr
    assert not (project / "resizer.zip").exists()


def test_package_without_a_stage_has_all_settings_that_the_handler_reads() -> None:
    ours: dict[str, Any] = {}
    exec(SETTINGS, ours)
    read = re.findall(r"\bsettings\.([A-Z_]+)", (Path(find("zappa")) / "handler.py").read_text())
    optional = {"APP_MODULE", "APP_FUNCTION", "AUTHORIZER_FUNCTION"}
    assert set(read) - optional <= set(ours)


def find(package: str) -> str:
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.submodule_search_locations
    return spec.submodule_search_locations[0]


@pytest.mark.function
@pytest.mark.parametrize("built", ["package", "by_make"])
def test_every_module_has_bytecode_that_lambda_believes(
    built: str, request: pytest.FixtureRequest
) -> None:
    path: Path = request.getfixturevalue(built)
    with zipfile.ZipFile(path) as archive:
        sources = [name for name in archive.namelist() if name.endswith(".py")]
        headers = {
            name: archive.open(name).read(8) for name in archive.namelist() if name.endswith(".pyc")
        }
    expected: Sequence[str] = [
        re.sub(r"([^/]+)\.py$", r"__pycache__/\1.cpython-313.pyc", name) for name in sources
    ]
    assert set(headers) == set(expected)
    magic = importlib.util.MAGIC_NUMBER
    assert set(headers.values()) == {magic + UNCHECKED_HASH.to_bytes(4, "little")}


@pytest.mark.function
@pytest.mark.parametrize("built", ["package", "by_make"])
def test_real_package_holds_nothing_of_development(
    built: str, request: pytest.FixtureRequest
) -> None:
    found = names(request.getfixturevalue(built))
    assert {"config/settings.py", "resizer/contrib/zappa/handler.py"} <= found
    assert "resizer/migrations/0001_initial.py" in found
    assert "django/contrib/admin/static/admin/css/base.css" in found
    unwanted = re.compile(
        r"(^|/)(tests?|docs?|\.git.*|\.env.*|photographs|pip|setuptools|pytest|mypy)/|\.(po|pyi|jpg|sqlite3|zip)$"
        r"|^zappa/(cli|core)\.py$|aws/(package|deployment|stack)\.py|contrib/zappa/(packer|wheels|__main__)\.py"
    )
    allowed = ("botocore/docs/", "boto3/docs/")
    assert [n for n in found if unwanted.search(n) and not n.startswith(allowed)] == []


@pytest.mark.function
def test_package_carries_what_it_imports(package: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        archive.extractall(tmp_path)
    script = (
        "import resizer.contrib.zappa.handler, storages.backends.s3, boto3, PIL.Image, pyvips, psycopg, sys\n"
        "boto3.client('s3'), boto3.resource('s3'), boto3.client('sts')\n"
        "print(sorted({m.__file__ for m in (boto3, PIL, pyvips, psycopg)}))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path[:0] = [{str(tmp_path)!r}]\n{script}"],
        cwd=tmp_path,
        env={
            "DJANGO_SECRET_KEY": "for tests only",
            "AWS_LAMBDA_FUNCTION_NAME": "resizer-dev",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "RESIZER_ORIGINALS_BUCKET": "originals",
            "RESIZER_VARIANTS_BUCKET": "variants",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(str(tmp_path)) == 4
