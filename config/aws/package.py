"""Build the package of this project for AWS Lambda.

    python -m config.aws.package --architecture arm64 --engines pillow

`zappa deploy` and `zappa update` call `fill`, through `callbacks` in zappa_settings.json. Zappa loads this file by its path,
outside the project.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from resizer.contrib.zappa import packer  # noqa: E402
from resizer.contrib.zappa.schedule import PURGE  # noqa: E402
from resizer.contrib.zappa.wheels import ARCHITECTURES, PackageError  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Sequence

REQUIREMENTS = ROOT / "requirements" / "lambda.txt"
PYTHON = "3.13"
ENGINES = ("pillow", "vips")
ONLY_FOR_VIPS = {"cffi", "pycparser", "pyvips", "pyvips-binary"}
ONLY_FOR_POSTGRESQL = {"psycopg", "psycopg-binary"}
INCLUDE = ("config", "resizer")
EXCLUDE = (
    "config/edge",
    "config/aws/*.yaml",
    "config/aws/deployment.py",
    "config/aws/normalise.js",
    "config/aws/package.py",
    "config/aws/policies",
    "config/aws/stack.py",
    "config/gallery/photographs",
    "config/gallery/management",
    "dateutil/zoneinfo/*.tar.gz",
    "django/contrib/gis",
    "django/contrib/admindocs",
    "django/conf/*_template",
    "django/test",
    # Their drivers are not in the package.
    "django/db/backends/mysql",
    "django/db/backends/oracle",
    # The project is in English and never loads translations.
    "**/locale/[!e_]*",
    "**/locale/e[!n]*",
    "**/locale/en_*",
    "urllib3/contrib/emscripten",
    # Fonts: the app never draws text.
    "PIL/_imagingft.*",
    "pillow.libs/libbrotli*",
    "pillow.libs/libfreetype-*",
    "pillow.libs/libharfbuzz-*",
    "pillow.libs/libpng16-*",
)
#: For a function that Zappa does not deploy.
SETTINGS = packer.write_settings("config.settings", [PURGE])


def choose(
    *,
    architecture: str = "x86_64",
    engines: Sequence[str] = ENGINES,
    postgresql: bool = True,
    requirements: Path = REQUIREMENTS,
) -> packer.Contents:
    """The contents of the package. Raises PackageError."""
    if set(engines) not in ({"pillow"}, set(ENGINES)):
        raise PackageError(f"The engines are pillow or pillow,vips, not {','.join(engines)}.")
    excluded: set[str] = set()
    if "vips" not in engines:
        excluded |= ONLY_FOR_VIPS
    if not postgresql:
        excluded |= ONLY_FOR_POSTGRESQL
    lines = requirements.read_text(encoding="utf-8").splitlines()
    wanted = [line for line in lines if line and not line.startswith("#")]
    return packer.Contents(
        root=ROOT,
        # The file names every package, so pip need not look for more.
        requirements=["--no-deps", *(n for n in wanted if n.partition("==")[0] not in excluded)],
        include=INCLUDE,
        exclude=EXCLUDE,
        architecture=architecture,
        python=PYTHON,
    )


def fill(zappa: Any) -> None:
    """Zappa's callback `zip`: replace Zappa's zip with ours, with the settings of the stage."""
    stage = zappa.stage_config
    architecture = stage.get("architecture", "x86_64")
    # "package" is our own key. Zappa ignores unknown keys.
    try:
        contents = choose(architecture=architecture, **stage.get("package", {}))
    except PackageError as error:
        sys.exit(str(error))
    packer.pack(zappa, contents)


def main() -> None:
    parser = argparse.ArgumentParser(prog="config.aws.package", description=__doc__)
    parser.add_argument("--architecture", default="x86_64", help=" or ".join(ARCHITECTURES))
    parser.add_argument("--engines", default=",".join(ENGINES), help="separated by commas")
    parser.add_argument("--postgresql", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    output = options.output or ROOT / "var" / "lambda" / f"resizer-{options.architecture}.zip"
    try:
        contents = choose(
            architecture=options.architecture,
            engines=options.engines.replace(",", " ").split(),
            postgresql=options.postgresql,
        )
        packer.report(output, packer.build(output, contents, SETTINGS))
    except PackageError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
