"""`python -m resizer.contrib.zappa`: build the package of a function without deploying it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from resizer.contrib.zappa import packer
from resizer.contrib.zappa.schedule import PURGE
from resizer.contrib.zappa.wheels import ARCHITECTURES, PackageError


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="resizer.contrib.zappa",
        description="Build the package of a Django project for AWS Lambda, in the directory of manage.py.",
    )
    parser.add_argument("--django-settings", required=True, help="such as shop.settings")
    parser.add_argument("--requirements", default=packer.REQUIREMENTS, help="a file for pip")
    parser.add_argument("--include", nargs="+", help="patterns. Default: all Python and templates")
    parser.add_argument("--exclude", nargs="+", default=(), help="patterns in the package")
    parser.add_argument("--aws-services", nargs="+", default=(), help="names of boto3, such as ses")
    parser.add_argument("--architecture", default="x86_64", help=" or ".join(ARCHITECTURES))
    parser.add_argument("--runtime", help="such as python3.13. Default: this Python")
    parser.add_argument("--event-functions", nargs="+", default=(PURGE,), metavar="FUNCTION")
    parser.add_argument("--output", type=Path, default=Path("function.zip"))
    options = parser.parse_args()
    stage = {"architecture": options.architecture}
    if options.runtime:
        stage["runtime"] = options.runtime
    contents = packer.Contents(
        root=Path.cwd(),
        requirements=("-r", options.requirements),
        include=options.include,
        exclude=options.exclude,
        aws_services=options.aws_services,
        **packer.read_platform(stage),
    )
    settings = packer.write_settings(options.django_settings, options.event_functions)
    try:
        packer.report(options.output, packer.build(options.output, contents, settings))
    except PackageError as error:
        sys.exit(str(error))


main()
